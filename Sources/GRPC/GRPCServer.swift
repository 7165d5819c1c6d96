public import Base
public import EventLoop

/// A gRPC server over HTTP/2 (prior knowledge, no TLS). Confined to its loop: make it, register methods, and stop
/// it on the loop's thread; handlers are called there too, straight from the read of the socket.
///
/// Answers are not written when they are given but at the end of the loop's turn, all of a connection in one write.
public final class GRPCServer: @unchecked Sendable {
    public let loop: Loop
    let core: ServerCore
    private let buffer = OutputBuffer()
    private var listeners: [TCPListener] = []
    private var links: [ObjectIdentifier: SessionLink] = [:]
    private var turnEnd: TurnEnd?
    private var deadlineTimer: Timer!
    private var lifeTimer: Timer!
    private var graceTimer: Timer?
    private var onStopped: (() -> Void)?
    private var isStopping = false
    private var onDepartures: [() -> Void] = []

    public init(loop: Loop, options: ServerOptions = ServerOptions()) {
        self.loop = loop
        core = ServerCore(options: options, now: loop.now)
        deadlineTimer = Timer(loop) { [unowned self] in deadlinesTick() }
        lifeTimer = Timer(loop) { [unowned self] in lifeTick() }
        turnEnd = loop.onTurnEnd { [unowned self] in flush() }
    }

    deinit { turnEnd?.cancel() }

    // MARK: Methods

    /// A method with one request message: unary, or answered by a stream (`send` … `finish`). The handler is called
    /// when the request is complete; the message is lent for the time of the call.
    public func register(_ path: MethodPath, handler: @escaping (ServerCall, RawSpan) -> Void) {
        core.register(ServerMethod(path: path, handler: .message(handler)))
    }

    /// A method with a stream of request messages. The handler is called when the headers have come, and sets
    /// `onMessage` and `onHalfClose`.
    public func register(stream path: MethodPath, handler: @escaping (ServerCall) -> Void) {
        core.register(ServerMethod(path: path, handler: .stream(handler)))
    }

    /// Forgets a method: a call to it is answered UNIMPLEMENTED until it is registered anew. Calls that it has go on.
    public func withdraw(_ path: MethodPath) { core.withdraw(path) }

    /// The registered paths, in byte order.
    public var methods: [MethodPath] { core.methods.values.map(\.path).sorted { $0.bytes < $1.bytes } }

    // MARK: Running

    /// Listens; port 0 lets the system choose. The port it got. May be called for several addresses.
    @discardableResult
    public func listen(host: String, port: UInt16) throws(NetworkError) -> UInt16 {
        let listener = try TCPListener(loop, host: host, port: port)
        listener.onAccept = { [unowned self] tcp in accept(tcp) }
        listener.onError = { [unowned self] error in
            core.options.onEvent?(ConnectionEvent(peer: error.address, kind: .refused("\(error)")))
        }
        listeners.append(listener)
        return listener.port
    }

    public var connectionCount: Int { links.count }
    public var openCallCount: Int { core.openCalls }
    /// Bytes of answers that clients have not read yet.
    public var outboundBytes: Int { core.outboundBytes }

    /// Stops: no new connections and calls, those in flight may finish within `grace`, then what is left is closed.
    /// `completion` is called once the last connection is gone, never from inside this call.
    public func shutdown(grace: Interval, completion: (() -> Void)? = nil) {
        guard !isStopping else { return }
        isStopping = true
        onStopped = completion
        for listener in listeners { listener.close() }
        listeners = []
        for onDeparture in onDepartures { onDeparture() }
        for link in links.values { (link.session as? ServerSession)?.depart() }
        let timer = Timer(loop) { [unowned self] in closeAll("the server stops and the call took too long") }
        timer.start(after: grace)
        graceTimer = timer
        loop.perform { [self] in stopIfDone() }
    }

    /// Calls `handler` when the server begins to stop: the moment to end calls that would go on for ever.
    public func onDeparture(_ handler: @escaping () -> Void) { onDepartures.append(handler) }

    private func closeAll(_ reason: String) {
        for link in links.values { link.close(.closed(reason)) }
    }

    private func stopIfDone() {
        guard isStopping, links.isEmpty else { return }
        turnEnd?.cancel()
        turnEnd = nil
        // Sessions that have ended since the last turn's end: nobody else would let go of them.
        _ = core.flushList.flush()
        deadlineTimer.close()
        lifeTimer.close()
        graceTimer?.close()
        graceTimer = nil
        let onStopped = onStopped
        self.onStopped = nil
        onDepartures = []
        onStopped?()
    }

    // MARK: Connections

    private func accept(_ tcp: TCPConnection) {
        let peer = tcp.peerAddress?.description ?? "unknown"
        guard links.count < core.options.maxConnections else {
            core.options.onEvent?(
                ConnectionEvent(peer: peer, kind: .refused("there are \(links.count) connections already")))
            return tcp.close()
        }
        core.now = loop.now
        let session = ServerSession(core: core, peer: peer)
        let link = SessionLink(tcp: tcp, session: session, buffer: buffer)
        let id = ObjectIdentifier(link)
        links[id] = link
        link.willReceive = { [unowned(unsafe) self] in core.now = loop.now }
        link.didReceive = { [unowned(unsafe) self] in startDeadlineTimer() }
        link.onClosed = { [unowned self] kind in
            links[id] = nil
            core.options.onEvent?(ConnectionEvent(peer: peer, kind: kind))
            stopIfDone()
        }
        core.options.onEvent?(ConnectionEvent(peer: peer, kind: .opened))
        if !lifeTimer.isActive { lifeTimer.start(after: core.lifeSigns.tick, repeating: core.lifeSigns.tick) }
        link.start()
    }

    private func flush() {
        // What is left is flushed in the next turn, which a job brings at once.
        if core.flushList.flush() { loop.perform {} }
    }

    /// Closes all connections as a broken network would: for tests.
    func dropConnections() { for link in links.values { link.tcp.reset() } }

    /// Reads no more from any connection: for tests.
    func pauseConnections() { for link in links.values { link.tcp.pauseReading() } }

    // MARK: Time

    private func startDeadlineTimer() {
        guard core.deadlines.count > 0, !deadlineTimer.isActive else { return }
        deadlineTimer.start(after: core.deadlines.tick, repeating: core.deadlines.tick)
    }

    private func deadlinesTick() {
        core.now = loop.now
        core.deadlines.advance(to: core.now)
        if core.deadlines.count == 0 { deadlineTimer.stop() }
    }

    private func lifeTick() {
        core.now = loop.now
        core.lifeSigns.advance(to: core.now)
        if core.lifeSigns.count == 0 { lifeTimer.stop() }
    }
}
