public import Base
import CNGHTTP2

/// One call on a server, from its headers to its status. A handler may keep it and answer later, in any turn of
/// the loop; what it says to a call that is over goes nowhere.
///
/// Confined to the server's loop. Objects are used again for later calls, but never while somebody holds them.
public final class ServerCall: @unchecked Sendable {
    // What the handler may set.

    /// Anything the handler wants to find again; 0 at first.
    public var userTag: UInt64 = 0
    /// Streams: each request message in turn, lent for the time of the call. Set it before the handler returns.
    public var onMessage: ((RawSpan) -> Void)?
    /// Streams: the client has sent its last message.
    public var onHalfClose: (() -> Void)?
    /// The call ended before it was answered: the client cancelled it or went away, or its deadline passed (which
    /// the client has been told). Called once, after which nothing else is.
    public var onCancel: (() -> Void)?
    /// There is room to send again, after `isWritable` was false.
    public var onWritable: (() -> Void)? {
        didSet { if isBlocked { session?.hasWaitingWriters = true } }
    }
    /// Custom metadata for the headers of the answer: set it before the first message.
    public var responseMetadata = Metadata()

    // The stream.

    unowned(unsafe) var session: ServerSession?
    var streamID: Int32 = 0
    unowned(unsafe) var next: ServerCall?
    unowned(unsafe) var previous: ServerCall?

    // The request.

    enum Phase {
        /// Not in use, or its headers are being read.
        case opening
        /// The handler has it.
        case running
        /// Its status is decided; messages and status may still wait to be sent.
        case ended
        /// The stream is gone.
        case closed
    }
    var phase = Phase.opening
    var serverMethod: ServerMethod?
    var request = RequestHead()
    var assembler = MessageAssembler()
    /// The only message of a call whose end has not come yet.
    var heldMessage: Bytes?
    var isHalfClosed = false
    /// The handler has been given the message, or been told that no more will come.
    var isDispatched = false
    var isHeldBack = false
    /// DATA bytes taken since the call was held back: the stream's window opens by them when it goes on.
    var heldBackBytes = 0

    // The answer.

    var outgoing = MessageQueue()
    var headersSent = false
    /// nghttp2 found nothing to send and asks again only when told to.
    var isDeferred = false
    /// `isWritable` has been false, and `onWritable` has not been called since.
    var isBlocked = false
    var status = Status.ok
    var trailers = Metadata()
    private(set) var timeout: TimeoutNode!
    public internal(set) var deadline: Instant?

    /// Bytes in waiting above which `isWritable` is false.
    public static let writableLimit = 256 << 10

    init() { timeout = TimeoutNode(target: self) }

    // MARK: What the handler may ask

    public var method: MethodPath { serverMethod?.path ?? "/" }

    /// Where the client is, "host:port".
    public var peerAddress: String { session?.peer ?? "" }

    /// No answer is wanted any more: it was given, or the call was cancelled, or its deadline passed.
    public var isClosed: Bool { phase != .running }

    /// Whether a stream should be sent more now; when not, `onWritable` tells when. Not obeying costs memory up
    /// to the connection's limit, then the connection.
    public var isWritable: Bool { phase == .running && outgoing.bufferedBytes < Self.writableLimit }

    /// The last value of a custom header, as text. Gone when the call is closed.
    public func metadata(_ name: String) -> String? { request.text(name) }

    /// The last value of a custom header whose name ends in `-bin`, decoded. Gone when the call is closed.
    public func binaryMetadata(_ name: String) -> Bytes? { request.bytes(name) }

    /// All custom headers.
    public var metadata: Metadata { request.metadata }

    // MARK: Life

    func open(on session: ServerSession, stream id: Int32) {
        self.session = session
        streamID = id
        phase = .opening
        request.listLimit = session.core.options.maxHeaderListBytes
    }

    /// The stream is gone: forgets everything, ready for another.
    func streamClosed() {
        let wasRunning = phase == .running
        phase = .closed
        if let session {
            session.core.deadlines.cancel(timeout)
            releaseInput(session)
            let waiting = outgoing.removeAll()
            if waiting > 0 { session.core.account(outbound: -waiting, of: session) }
        }
        session = nil
        if wasRunning { tellCancelled() }
        forgetHandlers()
        request.removeAll()
        serverMethod = nil
        userTag = 0
        isHalfClosed = false
        isDispatched = false
        isHeldBack = false
        heldBackBytes = 0
        headersSent = false
        isDeferred = false
        isBlocked = false
        outgoing.isEnded = false
        deadline = nil
        if !trailers.isEmpty { trailers = Metadata() }
        if !responseMetadata.isEmpty { responseMetadata = Metadata() }
        if !status.isOK { status = .ok }
    }

    /// Closures often hold the call itself: they must not outlive it.
    private func forgetHandlers() {
        if onMessage != nil { onMessage = nil }
        if onHalfClose != nil { onHalfClose = nil }
        if onCancel != nil { onCancel = nil }
        if onWritable != nil { onWritable = nil }
    }

    func releaseInput(_ session: ServerSession) {
        session.inboundBytes -= assembler.capacity + (heldMessage?.count ?? 0)
        assembler.removeAll()
        heldMessage = nil
    }

    func tellCancelled() {
        guard let onCancel else { return }
        self.onCancel = nil
        onCancel()
    }

    func tellWritable() {
        guard isBlocked, phase == .running, let onWritable else { return }
        guard isWritable else {
            session?.hasWaitingWriters = true
            return
        }
        isBlocked = false
        onWritable()
    }
}

extension ServerCall: TimeoutTarget {
    func timeoutExpired(at now: Instant) {
        guard phase == .running else { return }
        abort(Status(.deadlineExceeded, "the call's deadline passed on the server"))
    }
}
