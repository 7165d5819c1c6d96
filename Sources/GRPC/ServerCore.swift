import Base
import CNGHTTP2

/// What a registered method does.
final class ServerMethod {
    enum Handler {
        /// One request message; one answer or many.
        case message((ServerCall, RawSpan) -> Void)
        /// Any number of request messages.
        case stream((ServerCall) -> Void)
    }

    let path: MethodPath
    let handler: Handler

    init(path: MethodPath, handler: Handler) {
        self.path = path
        self.handler = handler
    }
}

/// What all connections of a server share. It knows no loop: `now` is what it is told.
final class ServerCore {
    let options: ServerOptions
    let flushList: FlushList
    private(set) var methods: [Bytes: ServerMethod] = [:]
    /// Deadlines of calls.
    let deadlines: TimeoutWheel
    /// Handshakes and signs of life of connections.
    let lifeSigns: TimeoutWheel
    /// The time of the latest read or tick.
    var now: Instant
    /// Bytes of answers that clients have not read yet.
    private(set) var outboundBytes = 0
    /// Open calls on all connections.
    var openCalls = 0
    private var sessions: [ObjectIdentifier: ServerSession] = [:]
    private var pool: [ServerCall] = []

    let callbacks: OpaquePointer
    let nghttp2Options: OpaquePointer
    /// `:status: 200`, `content-type: application/grpc`.
    let headers: UnsafeMutablePointer<nghttp2_nv>
    /// `grpc-status: 0`.
    let okTrailer: UnsafeMutablePointer<nghttp2_nv>

    /// Finished calls kept for the next ones.
    static let maxPooledCalls = 4096

    init(options: ServerOptions, flushList: FlushList = FlushList(), now: Instant) {
        self.options = options
        self.flushList = flushList
        self.now = now
        deadlines = TimeoutWheel(tick: .milliseconds(5), slots: 2048, now: now)
        lifeSigns = TimeoutWheel(tick: .milliseconds(250), slots: 256, now: now)
        callbacks = ServerSession.makeCallbacks()
        nghttp2Options = HTTP2Setup.makeOptions()
        headers = .allocate(capacity: 2)
        headers.initialize(to: HeaderList.field(":status", "200"))
        (headers + 1).initialize(to: HeaderList.field("content-type", "application/grpc"))
        okTrailer = .allocate(capacity: 1)
        okTrailer.initialize(to: HeaderList.field("grpc-status", "0"))
    }

    deinit {
        nghttp2_session_callbacks_del(callbacks)
        nghttp2_option_del(nghttp2Options)
        headers.deallocate()
        okTrailer.deallocate()
    }

    func register(_ method: ServerMethod) {
        precondition(methods[method.path.bytes] == nil, "\(method.path) is registered twice")
        methods[method.path.bytes] = method
    }

    func withdraw(_ path: MethodPath) {
        methods[path.bytes] = nil
        // A connection that called it before remembers it still.
        for session in sessions.values { session.forgetMethods() }
    }

    func add(_ session: ServerSession) { sessions[ObjectIdentifier(session)] = session }

    func remove(_ session: ServerSession) { sessions[ObjectIdentifier(session)] = nil }

    // MARK: Calls

    func takeCall() -> ServerCall {
        openCalls += 1
        return pool.popLast() ?? ServerCall()
    }

    /// Takes a finished call back, unless its handler still holds it: then it is the handler's alone.
    func recycle(_ call: consuming ServerCall) {
        openCalls -= 1
        var call = call
        guard pool.count < Self.maxPooledCalls, isKnownUniquelyReferenced(&call) else { return }
        pool.append(call)
    }

    // MARK: What clients have not read

    /// Accounts for `more` bytes (fewer, when negative) that wait for the client of `session`.
    func account(outbound more: Int, of session: ServerSession) {
        session.outboundBytes += more
        outboundBytes += more
        guard more > 0 else { return }
        if session.outboundBytes > options.maxOutboundBytesPerConnection {
            session.fail("\(session.outboundBytes) bytes of answers wait for a client that does not read them")
        } else if outboundBytes > options.maxOutboundBytes {
            dropLargest()
        }
    }

    /// Not before those that fail already are gone with what waits for them: until then their bytes count.
    private func dropLargest() {
        var largest: ServerSession?
        var left = outboundBytes
        for session in sessions.values {
            if session.failure != nil {
                left -= session.outboundBytes
            } else if session.outboundBytes > largest?.outboundBytes ?? 0 {
                largest = session
            }
        }
        guard left > options.maxOutboundBytes, let largest else { return }
        largest.fail(
            "\(outboundBytes) bytes of answers wait for clients, \(largest.outboundBytes) of them for this one")
    }
}
