import Base
import CNGHTTP2

/// The server's side of one connection: streams become calls.
final class ServerSession: HTTP2Session {
    let core: ServerCore
    /// The call whose header block is being read: header blocks are never interleaved (RFC 9113, 4.3).
    unowned(unsafe) var reading: ServerCall?
    /// Open calls, as a ring through them: nghttp2 does not tell which streams are open when it is deleted.
    unowned(unsafe) var firstCall: ServerCall?
    private(set) var openCalls = 0
    private var paths = PathCache()
    var resets: TokenBucket
    var controls: TokenBucket

    /// What the peer was told about going away.
    enum Departure { case no, noticed, final }
    private(set) var departure = Departure.no

    private var lifeSign: TimeoutNode!
    private var bytesAtLastSign: UInt64 = 0
    private var isPinged = false

    init(core: ServerCore, peer: String) {
        self.core = core
        resets = TokenBucket(core.options.resetAllowance, now: core.now)
        controls = TokenBucket(core.options.controlFrameAllowance, now: core.now)
        super.init(peer: peer, flushList: core.flushList)
        var session: OpaquePointer?
        let own = Unmanaged.passUnretained(self).toOpaque()
        let result = nghttp2_session_server_new2(&session, core.callbacks, own, core.nghttp2Options)
        precondition(result == 0, "out of memory")
        adopt(session!)
        HTTP2Setup(
            streamWindowBytes: core.options.streamWindowBytes,
            connectionWindowBytes: core.options.connectionWindowBytes,
            maxHeaderListBytes: core.options.maxHeaderListBytes,
            maxConcurrentStreams: core.options.maxConcurrentStreams
        ).announce(on: session!)
        lifeSign = TimeoutNode(target: self)
        core.lifeSigns.schedule(lifeSign, at: core.now + core.options.handshakeTimeout)
        core.add(self)
        markDirty()
    }

    /// The connection is gone: its calls are cancelled. Not from within `receive` or `nextOutput`.
    override func end() {
        guard session != nil else { return }
        core.lifeSigns.cancel(lifeSign)
        while let call = firstCall { closeCall(Unmanaged.passUnretained(call).toOpaque()) }
        paths.removeAll()
        super.end()
        core.remove(self)
    }

    // MARK: Calls

    func openCall(stream id: Int32) {
        let call = core.takeCall()
        call.open(on: self, stream: id)
        link(call)
        reading = call
        nghttp2_session_set_stream_user_data(session, id, Unmanaged.passRetained(call).toOpaque())
    }

    /// The stream is closed, or goes with the connection. `data` is what `openCall` gave to the stream; with
    /// it goes the stream's hold on the call, and often the last one.
    func closeCall(_ data: UnsafeMutableRawPointer) {
        let call = Unmanaged<ServerCall>.fromOpaque(data).takeRetainedValue()
        unlink(call)
        if reading === call { reading = nil }
        call.streamClosed()
        core.recycle(consume call)
    }

    private func link(_ call: ServerCall) {
        openCalls += 1
        call.next = firstCall
        call.previous = nil
        firstCall?.previous = call
        firstCall = call
    }

    private func unlink(_ call: ServerCall) {
        openCalls -= 1
        if let previous = call.previous { previous.next = call.next } else { firstCall = call.next }
        call.next?.previous = call.previous
        call.next = nil
        call.previous = nil
    }

    /// The method that a `:path` names. The same client sends the same few paths again and again, and nghttp2
    /// then gives the same buffer out of its compression table: seen once, it is known by its address.
    func method(at path: OpaquePointer) -> ServerMethod? {
        if let known = paths[path] { return known }
        let text = nghttp2_rcbuf_get_buf(path)
        guard let method = core.methods[Bytes(copying: UnsafeRawBufferPointer(start: text.base, count: text.len))]
        else { return nil }
        paths.insert(path, method)
        return method
    }

    /// Looks every method up anew at its next call.
    func forgetMethods() { paths.removeAll() }

    override func flushed() {
        // Calls that asked to be told of room: the list is taken first, as a call may ask again.
        guard hasWaitingWriters else { return }
        hasWaitingWriters = false
        var call = firstCall
        while let current = call {
            call = current.next
            current.tellWritable()
        }
    }

    /// Some call's handler waits until it may send again.
    var hasWaitingWriters = false

    // MARK: Leaving

    /// Lets calls in flight finish and takes no new ones: first a notice, so that calls already on their way are
    /// still taken, then, a round trip later, the last word (RFC 9113, 6.8).
    func depart() {
        guard departure == .no, let session else { return }
        guard hasSettings else { return fail("the server stops") }
        departure = .noticed
        nghttp2_submit_shutdown_notice(session)
        ping()
    }

    /// The answer to a ping came.
    func pingAcknowledged() {
        guard departure == .noticed, let session else { return }
        departure = .final
        nghttp2_submit_goaway(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nghttp2_session_get_last_proc_stream_id(session),
            NGHTTP2_NO_ERROR.rawValue, nil, 0)
        markDirty()
    }

    /// The last word was said and the last call is done.
    var isDrained: Bool { departure == .final && openCalls == 0 }
}

extension ServerSession: TimeoutTarget {
    /// Half-open connections and those that never shake hands cost memory: they are let go.
    func timeoutExpired(at now: Instant) {
        guard session != nil, failure == nil else { return }
        let options = core.options
        if !hasSettings {
            fail("no HTTP/2 settings within \(options.handshakeTimeout.milliseconds) ms")
        } else if bytesReceived != bytesAtLastSign {
            bytesAtLastSign = bytesReceived
            isPinged = false
            core.lifeSigns.schedule(lifeSign, at: now + options.keepaliveInterval)
        } else if !isPinged {
            isPinged = true
            ping()
            core.lifeSigns.schedule(lifeSign, at: now + options.keepaliveTimeout)
        } else {
            let silence = options.keepaliveTimeout.milliseconds
            fail("no sign of life within \(silence) ms of being asked; \(outboundBytes) bytes wait for it")
        }
    }
}

/// A few `:path` buffers of nghttp2's, held so that their addresses stay theirs.
struct PathCache: ~Copyable {
    private static let size = 16
    private var entries: [(path: OpaquePointer, method: ServerMethod)] = []
    private var oldest = 0

    subscript(path: OpaquePointer) -> ServerMethod? {
        for entry in entries where entry.path == path { return entry.method }
        return nil
    }

    mutating func insert(_ path: OpaquePointer, _ method: ServerMethod) {
        nghttp2_rcbuf_incref(path)
        if entries.count < Self.size {
            entries.append((path, method))
        } else {
            nghttp2_rcbuf_decref(entries[oldest].path)
            entries[oldest] = (path, method)
            oldest = (oldest + 1) % Self.size
        }
    }

    mutating func removeAll() {
        for entry in entries { nghttp2_rcbuf_decref(entry.path) }
        entries = []
        oldest = 0
    }
}
