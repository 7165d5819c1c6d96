public import Base
import CUV
import DequeModule
import Glibc

/// Why a connection ended.
public enum CloseReason: Sendable {
    /// `close()`, `finish()` or `reset()` was called here.
    case local
    /// The peer has said all it had to say.
    case endOfStream
    case failed(NetworkError)
    /// More was written than the peer would read: `TCPConnection.writeLimit`.
    case writeQueueFull
    case loopStopped
}

/// A TCP connection. It reads nothing until `resumeReading()`, so that its handlers can be set first.
///
/// Handlers are called on the loop's thread, never from inside a call to the connection.
public final class TCPConnection: Handle {
    /// Bytes as they come, at most `Loop.readBufferSize` at once, borrowed for the time of the call.
    public var onRead: ((RawSpan) -> Void)?
    /// The peer has ended its side and still listens. Without this handler the connection closes then.
    public var onEnd: (() -> Void)?
    /// Called once, last of all, and on every way a connection can end.
    public var onClose: ((CloseReason) -> Void)?
    /// All that was queued has been handed to the kernel.
    public var onDrain: (() -> Void)?

    /// How many bytes may wait for a peer that does not read. A write beyond closes the connection.
    public var writeLimit = 16 * 1024 * 1024

    public let peerAddress: SocketAddress?

    /// How many bytes the peer has sent.
    public internal(set) var bytesRead: UInt64 = 0
    /// When it last sent any, to the millisecond of a turn: how the owner finds connections that went silent.
    public internal(set) var lastRead: Instant

    var isReading = false
    /// While it has something to read, and waits for a turn that has time for it.
    var place: ReadBudget.Place?
    var hasEnded = false
    /// After `finish()`: what arrives is thrown away.
    var isFinishing = false
    var lingering: Timer?
    var closeReason = CloseReason.local

    /// What waits for the kernel; the first `inFlight` of them are libuv's until its write callback.
    var queue = Deque<Bytes>()
    var inFlight = 0
    var waitingBytes = 0
    let writeRequest = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
    let shutdownRequest = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)

    var stream: UnsafeMutablePointer<uv_stream_t>? {
        UnsafeMutableRawPointer(raw)?.assumingMemoryBound(to: uv_stream_t.self)
    }
    var tcp: UnsafeMutablePointer<uv_tcp_t>? {
        UnsafeMutableRawPointer(raw)?.assumingMemoryBound(to: uv_tcp_t.self)
    }

    /// Takes over an open, connected socket.
    init(loop: Loop, connected tcp: UnsafeMutablePointer<uv_tcp_t>, peer: SocketAddress?) {
        peerAddress = peer ?? SocketAddress { uv_tcp_getpeername(tcp, $0, $1) }
        lastRead = loop.turnTime
        super.init(loop: loop)
        adopt(tcp)
    }

    deinit {
        writeRequest.deallocate()
        shutdownRequest.deallocate()
    }

    /// Our own end of the connection; nil when it is closed.
    public var localAddress: SocketAddress? {
        guard let tcp, isUsable else { return nil }
        return SocketAddress { uv_tcp_getsockname(tcp, $0, $1) }
    }

    /// The peer's address as text, for messages.
    var peer: String { peerAddress?.description ?? "an unknown address" }

    /// Whether `close()` or what amounts to it has not happened yet.
    public var isOpen: Bool { isUsable }

    // MARK: Options

    /// Sends small writes at once (TCP_NODELAY). On for every connection we make or accept.
    public func setNoDelay(_ on: Bool) {
        guard let tcp, isUsable else { return }
        uv_tcp_nodelay(tcp, on ? 1 : 0)
    }

    /// Lets the kernel ask an idle peer for a sign of life after `idle` (whole seconds, at least one), then
    /// every second, ten times: libuv's numbers.
    public func setKeepAlive(after idle: Interval?) {
        guard let tcp, isUsable else { return }
        let seconds = UInt32(clamping: (idle?.milliseconds ?? 0) / 1000)
        uv_tcp_keepalive(tcp, idle == nil ? 0 : 1, max(1, seconds))
    }

    /// Ends the connection when sent data stays unacknowledged this long (TCP_USER_TIMEOUT): how a peer that
    /// vanished without a word is noticed while we have something to tell it.
    public func setUnacknowledgedTimeout(_ limit: Interval) {
        guard let raw, isUsable else { return }
        var descriptor: uv_os_fd_t = -1
        guard uv_fileno(raw, &descriptor) == 0 else { return }
        var milliseconds = UInt32(clamping: limit.milliseconds)
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &milliseconds, socklen_t(MemoryLayout<UInt32>.size))
    }

    // MARK: Reading

    /// Starts reading, or goes on after `pauseReading()`.
    public func resumeReading() {
        guard let stream, isUsable, !isReading, !hasEnded else { return }
        isReading = true
        let failure = uv_read_start(stream, lendBuffer, readDone)
        if failure != 0 { fail(.read, failure) }
    }

    /// Lets the peer wait: what it sends fills the kernel's buffers, then its own.
    public func pauseReading() {
        guard let stream, isUsable, isReading else { return }
        isReading = false
        loop.readBudget.leave(&place)
        uv_read_stop(stream)
    }

    /// False: later, it is asked again in the next turn.
    fileprivate func mayRead() -> Bool { loop.readBudget.allows(&place, now: loop.now) }

    fileprivate func didRead(_ count: Int, _ buffer: UnsafePointer<uv_buf_t>?) {
        guard !isClosing else { return }
        if count > 0 {
            bytesRead &+= UInt64(count)
            lastRead = loop.turnTime
            guard !isFinishing, let onRead else { return }
            let bytes = UnsafeRawBufferPointer(start: buffer?.pointee.base, count: count)
            onRead(bytes.bytes)
        } else if count == Int(UV_EOF.rawValue) {
            pauseReading()
            hasEnded = true
            if isFinishing || onEnd == nil { close(because: isFinishing ? .local : .endOfStream) } else { onEnd?() }
        } else if count < 0, count != Int(UV_ENOBUFS.rawValue) {
            fail(.read, Int32(count))
        }
    }

    // MARK: Ending

    /// Closes at once; what is still queued is not sent.
    public func close() { close(because: .local) }

    /// Closes at once with a reset, which tells the peer that something is wrong.
    public func reset() {
        guard isUsable else { return }
        closeReason = .local
        beginClosing { raw in
            let tcp = UnsafeMutableRawPointer(raw).assumingMemoryBound(to: uv_tcp_t.self)
            // Refused while a shutdown is under way; then an ordinary close must do.
            if uv_tcp_close_reset(tcp, handleClosed) != 0 { uv_close(raw, handleClosed) }
        }
    }

    /// Sends what is queued, then says goodbye, waits for the peer to do the same, and closes. What the peer
    /// still sends is read and thrown away: closing on unread bytes would reset the connection, and that may
    /// destroy what we sent last. `limit` bounds all of it.
    public func finish(within limit: Interval = .seconds(1)) {
        guard isUsable, !isFinishing else { return }
        isFinishing = true
        let timer = Timer(loop) { [unowned self] in close(because: .local) }
        timer.start(after: limit)
        lingering = timer
        if queue.isEmpty { shutDown() }
    }

    func shutDown() {
        guard let stream, isUsable else { return }
        if uv_shutdown(shutdownRequest, stream, shutdownDone) != 0 {
            close(because: .local)
        } else if hasEnded {
            return
        } else {
            resumeReading()
        }
    }

    fileprivate func didShutDown() {
        if hasEnded { close(because: .local) }
    }

    func close(because reason: CloseReason) {
        guard isUsable else { return }
        closeReason = reason
        beginClosing()
    }

    func fail(_ operation: NetworkError.Operation, _ code: Int32) {
        close(because: .failed(NetworkError(operation, peer, code)))
    }

    override func closeForStop() { close(because: .loopStopped) }

    override func didClose() {
        loop.readBudget.leave(&place)
        lingering?.close()
        lingering = nil
        queue.removeAll(keepingCapacity: false)
        waitingBytes = 0
        let told = onClose
        onRead = nil
        onEnd = nil
        onDrain = nil
        onClose = nil
        told?(closeReason)
    }
}

private func lendBuffer(
    _ handle: UnsafeMutablePointer<uv_handle_t>?, _: Int, _ buffer: UnsafeMutablePointer<uv_buf_t>?
) {
    // Without a buffer libuv reads nothing and says UV_ENOBUFS.
    guard let handle, let connection = handle.pointee.data?.owner(as: TCPConnection.self), connection.mayRead() else { return }
    let shared = connection.loop.readBuffer.assumingMemoryBound(to: CChar.self)
    buffer?.pointee = uv_buf_t(base: shared, len: Loop.readBufferSize)
}

private func readDone(_ stream: UnsafeMutablePointer<uv_stream_t>?, _ count: Int, _ buffer: UnsafePointer<uv_buf_t>?) {
    stream?.pointee.data?.owner(as: TCPConnection.self).didRead(count, buffer)
}

private func shutdownDone(_ request: UnsafeMutablePointer<uv_shutdown_t>?, _: Int32) {
    request?.pointee.handle.pointee.data?.owner(as: TCPConnection.self).didShutDown()
}
