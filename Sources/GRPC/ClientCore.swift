import Base
import CNGHTTP2
import EventLoop

/// What the channels of one loop share: one flush at the end of a turn, one wheel of deadlines, one buffer, however
/// many channels there are.
final class ClientCore: @unchecked Sendable {
    let loop: Loop
    let flushList = FlushList()
    let buffer = OutputBuffer()
    /// Deadlines of calls.
    let deadlines: TimeoutWheel
    /// Handshakes and signs of life of connections.
    let lifeSigns: TimeoutWheel
    let callbacks: OpaquePointer
    let nghttp2Options: OpaquePointer
    private var deadlineTimer: Timer?
    private var lifeTimer: Timer?
    private var turnEnd: TurnEnd?
    private var channels = 0
    private var pool: [ClientStream] = []

    /// Finished unary calls kept for the next ones.
    static let maxPooledCalls = 4096

    /// The loop's core, for one more channel, which must `leave` it at its end. On the loop's thread.
    static func join(_ loop: Loop) -> ClientCore {
        let core = loop.residents[ObjectIdentifier(ClientCore.self)] as? ClientCore ?? ClientCore(loop: loop)
        loop.residents[ObjectIdentifier(ClientCore.self)] = core
        core.channels += 1
        core.start()
        return core
    }

    func leave() {
        channels -= 1
        guard channels == 0 else { return }
        turnEnd?.cancel()
        turnEnd = nil
        deadlineTimer?.close()
        lifeTimer?.close()
        deadlineTimer = nil
        lifeTimer = nil
        loop.residents[ObjectIdentifier(ClientCore.self)] = nil
    }

    private init(loop: Loop) {
        self.loop = loop
        deadlines = TimeoutWheel(tick: .milliseconds(5), slots: 2048, now: loop.now)
        lifeSigns = TimeoutWheel(tick: .milliseconds(100), slots: 256, now: loop.now)
        callbacks = ClientSession.makeCallbacks()
        nghttp2Options = HTTP2Setup.makeOptions()
        // Until the server has said how many streams it takes: the channel waits for its settings anyhow.
        nghttp2_option_set_peer_max_concurrent_streams(nghttp2Options, 100)
    }

    deinit {
        nghttp2_session_callbacks_del(callbacks)
        nghttp2_option_del(nghttp2Options)
    }

    private func start() {
        guard turnEnd == nil else { return }
        deadlineTimer = Timer(loop) { [unowned self] in
            deadlines.advance(to: loop.now)
            if deadlines.count == 0 { deadlineTimer?.stop() }
        }
        lifeTimer = Timer(loop) { [unowned self] in
            lifeSigns.advance(to: loop.now)
            if lifeSigns.count == 0 { lifeTimer?.stop() }
        }
        turnEnd = loop.onTurnEnd { [unowned self] in
            if flushList.flush() { loop.perform {} }
        }
    }

    func schedule(_ node: TimeoutNode, deadline: Instant) {
        deadlines.schedule(node, at: deadline)
        guard let deadlineTimer, !deadlineTimer.isActive else { return }
        deadlineTimer.start(after: deadlines.tick, repeating: deadlines.tick)
    }

    func schedule(_ node: TimeoutNode, lifeSign: Instant) {
        lifeSigns.schedule(node, at: lifeSign)
        guard let lifeTimer, !lifeTimer.isActive else { return }
        lifeTimer.start(after: lifeSigns.tick, repeating: lifeSigns.tick)
    }

    // MARK: Calls

    func takeCall() -> ClientStream { pool.popLast() ?? ClientStream() }

    /// Takes a finished unary call back, unless somebody still holds its handle.
    func recycle(_ call: consuming ClientStream) {
        var call = call
        guard pool.count < Self.maxPooledCalls, isKnownUniquelyReferenced(&call) else { return }
        call.reset()
        pool.append(call)
    }
}
