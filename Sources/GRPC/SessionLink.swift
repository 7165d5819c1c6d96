import Base
import EventLoop

/// Between TCP and nghttp2: bytes go through here both ways as they are. TLS will stand in this place.
///
/// Output is gathered into one buffer and written at the end of the turn; while the peer does not take it,
/// nghttp2 is not asked for more, so that what waits stays in the streams' queues, where it is counted.
final class SessionLink: SessionCarrier {
    let tcp: TCPConnection
    let session: HTTP2Session
    private let buffer: OutputBuffer
    /// Called once, when the connection is gone and the session ended.
    var onClosed: ((ConnectionEvent.Kind) -> Void)?
    /// Called before bytes are fed to the session, and after.
    var willReceive: (() -> Void)?
    var didReceive: (() -> Void)?
    /// The kernel takes no more for now.
    private var isBlocked = false
    private var reason: ConnectionEvent.Kind?

    /// A peer that does not read its answers is not read from either, from so many bytes of answers on.
    static let pauseReadingAbove = 4 << 20

    init(tcp: TCPConnection, session: HTTP2Session, buffer: OutputBuffer) {
        self.tcp = tcp
        self.session = session
        self.buffer = buffer
        session.carrier = self
    }

    func start() {
        tcp.onRead = { [unowned(unsafe) self] bytes in received(bytes) }
        tcp.onDrain = { [unowned(unsafe) self] in drained() }
        // The handlers above need this object until the connection is gone: its last handler holds it.
        tcp.onClose = { [self] reason in closed(reason) }
        tcp.resumeReading()
    }

    private func received(_ bytes: RawSpan) {
        willReceive?()
        _ = bytes.withUnsafeBytes { session.receive($0) }
        didReceive?()
        if session.failure != nil { drop() }
    }

    func flush() {
        guard tcp.isOpen else { return }
        while !isBlocked, buffer.fill(from: session) {
            isBlocked = !buffer.write(to: tcp)
        }
        if session.failure != nil {
            drop()
        } else if session.isOver, !isBlocked {
            finish(session.complaint.map { .dropped($0) } ?? .closed("both sides are done"))
        } else if isBlocked, session.outboundBytes > Self.pauseReadingAbove {
            tcp.pauseReading()
        }
    }

    private func drained() {
        isBlocked = false
        tcp.resumeReading()
        session.markDirty()
    }

    /// Closes because of `session.failure`, with what nghttp2 still wants to say about it.
    private func drop() {
        guard tcp.isOpen else { return }
        reason = .dropped(session.failure ?? session.complaint ?? "unknown")
        tcp.close()
    }

    /// Says goodbye and closes, once what was said has arrived.
    private func finish(_ reason: ConnectionEvent.Kind) {
        if self.reason == nil { self.reason = reason }
        tcp.finish(within: .seconds(1))
    }

    func close(_ reason: ConnectionEvent.Kind) {
        if self.reason == nil { self.reason = reason }
        tcp.close()
    }

    private func closed(_ how: CloseReason) {
        session.carrier = nil
        session.end()
        let onClosed = onClosed
        self.onClosed = nil
        willReceive = nil
        didReceive = nil
        onClosed?(reason ?? Self.kind(of: how))
    }

    private static func kind(of how: CloseReason) -> ConnectionEvent.Kind {
        switch how {
        case .local: .closed("closed here")
        case .endOfStream: .closed("the peer closed it")
        case .failed(let error): .dropped("\(error)")
        case .writeQueueFull: .dropped("the peer does not read")
        case .loopStopped: .closed("the loop stops")
        }
    }
}

/// Where a turn's frames of one connection are gathered. One serves all connections of a loop.
final class OutputBuffer {
    /// A write of this size saves system calls; a larger one would only wait longer.
    static let size = 128 << 10

    private let base = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    private var count = 0

    deinit { base.deallocate() }

    /// Gathers frames; false when there are none.
    func fill(from session: HTTP2Session) -> Bool {
        count = 0
        while Self.size - count >= Self.largestFrame, let frame = session.nextOutput() {
            precondition(frame.count <= Self.largestFrame, "nghttp2 gave a frame larger than the protocol's least limit")
            (base + count).copyMemory(from: frame.baseAddress!, byteCount: frame.count)
            count += frame.count
        }
        return count > 0
    }

    /// SETTINGS_MAX_FRAME_SIZE at its least, which is what nghttp2 uses for what it sends, and the frame's header.
    private static let largestFrame = (16 << 10) + 9

    /// False when the kernel did not take all.
    func write(to tcp: TCPConnection) -> Bool {
        tcp.write(UnsafeRawBufferPointer(start: base, count: count))
    }
}
