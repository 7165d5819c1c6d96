public import Base
import CNGHTTP2

/// What became of a unary call.
public struct UnaryResult: Sendable {
    public let status: Status
    /// The answer; empty unless the status is OK.
    public let message: Bytes
    public let trailers: Metadata
    /// It is certain that the server's application never saw the call: it was never written to a connection, or the
    /// server refused it before looking at it. A caller may try again whatever the call does.
    public let neverSent: Bool

    public var isOK: Bool { status.isOK }
}

/// A call from this side, from its making to its status. Confined to the channel's loop.
///
/// A unary call lives inside its channel and is known by a `CallHandle`; a streaming one is in its owner's hands.
public final class ClientStream: @unchecked Sendable {
    // What the owner of a stream may set.

    /// Each answer in turn, lent for the time of the call.
    public var onMessage: ((RawSpan) -> Void)?
    /// The call is over; called once, last of all.
    public var onEnd: ((Status, Metadata) -> Void)?
    /// There is room to send again, after `isWritable` was false.
    public var onWritable: (() -> Void)? {
        didSet { if isBlocked { session?.hasWaitingWriters = true } }
    }
    /// The headers of the answer have come.
    public var onHeaders: ((Metadata) -> Void)?
    /// Anything the owner wants to find again.
    public var userTag: UInt64 = 0

    // The stream.

    unowned(unsafe) var channel: Channel?
    unowned(unsafe) var session: ClientSession?
    var streamID: Int32 = 0
    unowned(unsafe) var next: ClientStream?
    unowned(unsafe) var previous: ClientStream?

    // The request.

    var path: MethodPath = "/-"
    var requestMetadata = Metadata()
    var outgoing = MessageQueue()
    var isDeferred = false
    /// `isWritable` has been false, and `onWritable` has not been called since.
    var isBlocked = false
    /// The request's headers have been given to the connection.
    var isSent = false
    /// Nil for a stream.
    var completion: ((UnaryResult) -> Void)?
    private(set) var timeout: TimeoutNode!
    private var timeoutGiven: Interval?
    private(set) var deadline: Instant?
    private var startedAt = Instant.zero

    // The answer.

    var assembler = MessageAssembler()
    var message: Bytes?
    var head = ResponseHead()
    var isHeldBack = false
    var heldBackBytes = 0
    public internal(set) var isEnded = false
    /// See `UnaryResult.neverSent`; decided when the call has ended.
    public internal(set) var neverSent = false

    /// Bytes in waiting above which `isWritable` is false.
    public static let writableLimit = 256 << 10

    init() { timeout = TimeoutNode(target: self) }

    func start(on channel: Channel, path: MethodPath, metadata: Metadata, timeout: Interval?, now: Instant) {
        self.channel = channel
        self.path = path
        if !metadata.isEmpty { requestMetadata = metadata }
        guard let timeout else { return }
        timeoutGiven = timeout
        startedAt = now
        deadline = now + timeout
        channel.core.schedule(self.timeout, deadline: now + timeout)
    }

    /// What to tell the server: the timeout as it was given, unless the call had to wait.
    func timeoutLeft(at now: Instant) -> Interval? {
        guard let timeoutGiven, let deadline else { return nil }
        return now - startedAt < .milliseconds(1) ? timeoutGiven : max(deadline - now, .milliseconds(1))
    }

    // MARK: What the owner may say

    /// Sends one message of a stream. The bytes go out at the end of the turn, or when the server has read enough of
    /// what went before: see `isWritable`.
    public func send(_ message: Bytes) { send(message.count) { $0.append(message) } }

    /// The same for a message that is made as it goes out.
    public func send(_ message: any MessageSource) { send(message.count) { $0.append(message) } }

    private func send(_ count: Int, _ append: (inout MessageQueue) -> Void) {
        guard !isEnded, !outgoing.isEnded, let channel else { return }
        let size = count + MessageQueue.prefixBytes
        guard channel.mayQueue(size, on: session) else {
            return cancel(with: Status(.resourceExhausted, "the server does not read what it is sent"))
        }
        append(&outgoing)
        session?.outboundBytes += size
        if session == nil { channel.queuedBytes += size }
        if !isWritable {
            isBlocked = true
            session?.hasWaitingWriters = true
        }
        submit()
    }

    /// Says that no message will follow.
    public func finishSending() {
        guard !isEnded, !outgoing.isEnded else { return }
        outgoing.isEnded = true
        submit()
    }

    public var isWritable: Bool { !isEnded && !outgoing.isEnded && outgoing.bufferedBytes < Self.writableLimit }

    /// The deadline is the caller's to lift or to keep; this ends the call now, with CANCELLED on both sides.
    public func cancel() { cancel(with: Status(.cancelled, "cancelled by the caller")) }

    /// Takes no more bytes from this stream than its window allows, until `resumeInput`.
    public func holdInput() { isHeldBack = true }

    /// Lets the server go on.
    public func resumeInput() {
        guard isHeldBack else { return }
        isHeldBack = false
        session?.consumeStream(streamID, heldBackBytes)
        heldBackBytes = 0
    }

    private func submit() {
        guard let session else { return }
        if isDeferred {
            isDeferred = false
            nghttp2_session_resume_data(session.session, streamID)
        }
        session.markDirty()
    }

    func cancel(with status: Status) {
        guard !isEnded else { return }
        session?.resetStream(streamID, NGHTTP2_CANCEL)
        fail(status, neverSent: !isSent)
    }

    func tellWritable() {
        guard isBlocked, !isEnded, let onWritable else { return }
        guard isWritable else {
            session?.hasWaitingWriters = true
            return
        }
        isBlocked = false
        onWritable()
    }

    // MARK: Ends

    /// Tells the owner how it ended, once.
    func fail(_ status: Status, trailers: Metadata = Metadata(), neverSent: Bool) {
        guard !isEnded else { return }
        isEnded = true
        self.neverSent = neverSent
        channel?.core.deadlines.cancel(timeout)
        let waiting = outgoing.removeAll()
        if let session {
            session.outboundBytes -= waiting
        } else if streamID == 0 {
            channel?.forgetQueued(waiting)
        }
        let (completion, onEnd) = (completion, onEnd)
        let message = status.isOK ? message : nil
        forgetHandlers()
        completion?(UnaryResult(status: status, message: message ?? Bytes(), trailers: trailers, neverSent: neverSent))
        onEnd?(status, trailers)
    }

    private func forgetHandlers() {
        completion = nil
        if onMessage != nil { onMessage = nil }
        if onEnd != nil { onEnd = nil }
        if onWritable != nil { onWritable = nil }
        if onHeaders != nil { onHeaders = nil }
    }

    /// The stream is gone. Whoever holds this sees a call that has ended.
    func streamClosed() {
        session?.inboundBytes -= assembler.capacity
        assembler.removeAll()
        session = nil
        channel = nil
    }

    /// Ready for another call.
    func reset() {
        userTag = 0
        streamID = 0
        if !requestMetadata.isEmpty { requestMetadata = Metadata() }
        outgoing.isEnded = false
        isDeferred = false
        isBlocked = false
        isSent = false
        timeoutGiven = nil
        deadline = nil
        message = nil
        head.reset()
        isHeldBack = false
        heldBackBytes = 0
        isEnded = false
        neverSent = false
    }
}

extension ClientStream: TimeoutTarget {
    func timeoutExpired(at now: Instant) {
        guard !isEnded else { return }
        let after = timeoutGiven.map { " after \($0.milliseconds) ms" } ?? ""
        cancel(with: Status(.deadlineExceeded, "no answer\(after)"))
    }
}

/// Lets the maker of a unary call end it early.
public struct CallHandle: Sendable {
    let call: ClientStream

    /// The completion is called with CANCELLED, unless the call is over.
    public func cancel() { call.cancel() }

    public var isEnded: Bool { call.isEnded }
}
