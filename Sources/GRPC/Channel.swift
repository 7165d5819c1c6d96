public import Base
import DequeModule
public import EventLoop

/// A client's way to one server: one HTTP/2 connection at a time, made when it is needed, made again when it is lost,
/// and any number of calls on it. Confined to its loop: make it, use it and close it there.
///
/// A call is written at the end of the loop's turn, all of a turn in one write. Completions are never called from
/// inside the call that started them.
public final class Channel: @unchecked Sendable {
    public enum State: Sendable, Equatable {
        /// No connection, and nobody needs one.
        case idle
        case connecting
        case ready
        /// The last attempt failed; the next one comes after the backoff.
        case transientFailure
        case closed
    }

    public let loop: Loop
    public let host: String
    public let port: UInt16
    public let options: ChannelOptions
    public private(set) var state = State.idle {
        didSet { if state != oldValue { onStateChange?(state) } }
    }
    public var onStateChange: ((State) -> Void)?
    /// Why the last attempt to connect failed, or the last connection ended.
    public private(set) var lastFailure = ""

    let core: ClientCore
    private var attempt: ConnectAttempt?
    /// The connection that new calls go to, once its server's settings have come.
    private var current: SessionLink?
    /// Earlier connections with calls still in flight.
    private var departing: [ObjectIdentifier: SessionLink] = [:]
    private var queue = Deque<ClientStream>()
    /// Calls in `queue` that have not ended in the meantime.
    private var queuedCalls = 0
    /// Bytes of messages of the calls in `queue`.
    var queuedBytes = 0
    /// Attempts that failed, and connections that did not last, one after the other.
    private var failures = 0
    private var readyAt = Instant.zero
    /// A connection that lasted so long was a good one: the backoff starts anew after it.
    private static let shortLife = Interval.seconds(1)
    private var backoffTimer: Timer?
    private var jitter: SplitMix64
    private var refused: [(ClientStream, Status)] = []
    private var hasLeft = false

    public init(loop: Loop, host: String, port: UInt16, options: ChannelOptions = ChannelOptions()) {
        self.loop = loop
        self.host = host
        self.port = port
        self.options = options
        core = ClientCore.join(loop)
        jitter = SplitMix64(seed: options.seed)
    }

    deinit {
        // Its loop has ended, or nobody closed it: then what it shares with others stays for them.
        guard !hasLeft, loop.isCurrent else { return }
        backoffTimer?.close()
        core.leave()
    }

    /// "host:port", as it stands in `:authority`.
    public var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Calls that have been started and have not ended.
    public var openCalls: Int { queuedCalls + (session?.openCalls ?? 0) }

    private var session: ClientSession? { current?.session as? ClientSession }

    // MARK: Calls

    /// Starts a call with one message and one answer. `timeout` is told to the server too; without it the call may
    /// take for ever.
    @discardableResult
    public func unary(
        _ path: MethodPath, message: Bytes, timeout: Interval? = nil, metadata: Metadata = Metadata(),
        completion: @escaping (UnaryResult) -> Void
    ) -> CallHandle {
        let call = core.takeCall()
        call.completion = completion
        call.start(on: self, path: path, metadata: metadata, timeout: timeout, now: loop.now)
        call.outgoing.append(message)
        call.outgoing.isEnded = true
        begin(call)
        return CallHandle(call: call)
    }

    /// Starts a call with any number of messages either way. Set the handlers before the loop's turn ends.
    public func stream(
        _ path: MethodPath, timeout: Interval? = nil, metadata: Metadata = Metadata()
    ) -> ClientStream {
        let call = ClientStream()
        call.start(on: self, path: path, metadata: metadata, timeout: timeout, now: loop.now)
        begin(call)
        return call
    }

    private func begin(_ call: ClientStream) {
        if let refusal = refusal(of: call) { return refuse(call, refusal) }
        if let session, state == .ready {
            if session.open(call) { return }
            // The connection was used up in this very call: the next one takes it.
            guard state != .closed else { return refuse(call, Status(.unavailable, "the channel is closed")) }
        }
        queue.append(call)
        queuedCalls += 1
        queuedBytes += call.outgoing.bufferedBytes
        if state == .idle { connect() }
    }

    private func refusal(of call: ClientStream) -> Status? {
        switch state {
        case .closed: return Status(.unavailable, "the channel is closed")
        case .transientFailure where !options.waitForReady: return Status(.unavailable, lastFailure)
        case .ready:
            guard let session, session.hasRoom else {
                return Status(.unavailable, "too many calls wait for \(authority)")
            }
        default:
            guard queuedCalls < options.maxQueuedCalls else {
                return Status(.unavailable, "\(queuedCalls) calls wait for a connection to \(authority)")
            }
        }
        guard mayQueue(call.outgoing.bufferedBytes, on: session) else {
            return Status(.resourceExhausted, "too many bytes wait to be sent to \(authority)")
        }
        return nil
    }

    /// Whether so many more bytes may wait for the server.
    func mayQueue(_ bytes: Int, on session: ClientSession?) -> Bool {
        (session?.outboundBytes ?? 0) + queuedBytes + bytes <= options.maxOutboundBytes
    }

    /// Ends a call that never started, once its maker has it in hand.
    private func refuse(_ call: ClientStream, _ status: Status) {
        refused.append((call, status))
        guard refused.count == 1 else { return }
        loop.perform { [self] in
            let calls = refused
            refused = []
            for (call, status) in calls { call.fail(status, neverSent: true) }
        }
    }

    /// A call in the queue has ended.
    func forgetQueued(_ bytes: Int) {
        guard queuedCalls > 0 else { return }
        queuedCalls -= 1
        queuedBytes -= bytes
        // The queue itself may hold ended calls, but never more of them than live ones.
        if queue.count > 2 * queuedCalls + 64 { queue.removeAll { $0.isEnded } }
    }
}

// MARK: - The connection

extension Channel {
    /// Connects now rather than at the first call.
    public func connect() {
        guard state == .idle else { return }
        state = .connecting
        attempt = TCPConnection.connect(to: host, port: port, on: loop, timeout: options.connectTimeout) {
            [weak self] result in self?.connected(result)
        }
    }

    private func connected(_ result: Result<TCPConnection, NetworkError>) {
        attempt = nil
        switch result {
        case .failure(let error):
            attemptFailed("\(error)")
        case .success(let tcp):
            guard state == .connecting else { return tcp.close() }
            let session = ClientSession(core: core, options: options, authority: authority, channel: self)
            let link = SessionLink(tcp: tcp, session: session, buffer: core.buffer)
            // The link holds the channel until its connection is gone: sessions speak to it without asking.
            link.onClosed = { [self, unowned(unsafe) link] kind in closed(link, kind) }
            current = link
            link.start()
        }
    }

    /// The server's settings have come.
    func becameReady(_ session: ClientSession) {
        guard current?.session === session, state == .connecting else { return }
        readyAt = loop.now
        state = .ready
        report(.opened)
        while state == .ready, let call = queue.popFirst() {
            guard !call.isEnded else { continue }
            queuedCalls -= 1
            queuedBytes -= call.outgoing.bufferedBytes
            guard !session.open(call) else { continue }
            queuedCalls += 1
            queuedBytes += call.outgoing.bufferedBytes
            queue.prepend(call)
        }
    }

    /// The connection takes no new calls: the next call makes a new one.
    func becameDeparting(_ session: ClientSession) {
        guard let link = current, link.session === session else { return }
        current = nil
        departing[ObjectIdentifier(link)] = link
        lost(session.complaint ?? "\(authority) is going away")
    }

    private func closed(_ link: SessionLink, _ kind: ConnectionEvent.Kind) {
        report(kind)
        let wasCurrent = current === link
        departing[ObjectIdentifier(link)] = nil
        (link.session as? ClientSession)?.channel = nil
        if wasCurrent {
            current = nil
            lost(Self.reason(kind))
        }
        leaveIfDone()
    }

    /// There is no connection for new calls any more.
    private func lost(_ reason: String) {
        switch state {
        case .connecting: attemptFailed(reason)
        case .ready:
            lastFailure = reason
            let wasShort = loop.now - readyAt < Self.shortLife
            if !wasShort { failures = 0 }
            state = .idle
            guard state == .idle else { return }
            // A server that lets everybody in and throws them out again is not to be stormed.
            if wasShort, queuedCalls == 0 { startBackoff() } else { connectIfNeeded() }
        case .idle, .transientFailure, .closed: break
        }
    }

    private static func reason(_ kind: ConnectionEvent.Kind) -> String {
        switch kind {
        case .opened: ""
        case .closed(let reason), .dropped(let reason), .refused(let reason), .connectFailed(let reason): reason
        }
    }

    private func connectIfNeeded() {
        if state == .idle, options.staysConnected || queuedCalls > 0 { connect() }
    }

    private func attemptFailed(_ reason: String) {
        guard state == .connecting else { return }
        lastFailure = reason
        report(.connectFailed(reason))
        state = .transientFailure
        guard state == .transientFailure else { return }
        if !options.waitForReady { failQueued(Status(.unavailable, reason)) }
        // Whoever was told may have closed the channel.
        guard state == .transientFailure else { return }
        startBackoff()
    }

    private func startBackoff() {
        let timer = backoffTimer ?? Timer(loop) { [unowned self] in backoffPassed() }
        backoffTimer = timer
        timer.start(after: nextBackoff())
    }

    private func nextBackoff() -> Interval {
        var nanoseconds = Double(options.initialBackoff.nanoseconds)
        for _ in 0..<min(failures, 64) { nanoseconds = min(nanoseconds * 1.6, Double(options.maxBackoff.nanoseconds)) }
        failures += 1
        let spread = 0.8 + 0.4 * Double(jitter.next(below: 1 << 20)) / Double(1 << 20)
        return Interval(nanoseconds: UInt64(nanoseconds * spread))
    }

    private func backoffPassed() {
        guard state == .transientFailure || state == .idle else { return }
        state = .idle
        connectIfNeeded()
    }

    /// Forgets the backoff: for an owner who knows that the server is back.
    public func resetBackoff() {
        failures = 0
        backoffTimer?.stop()
        backoffPassed()
    }

    private func failQueued(_ status: Status) {
        let calls = queue
        queue = Deque()
        for call in calls { call.fail(status, neverSent: true) }
    }

    // MARK: Closing

    /// Ends the channel: calls that have not ended fail with UNAVAILABLE. Once only; nothing is called after the
    /// calls' ends.
    public func close() {
        guard state != .closed else { return }
        state = .closed
        attempt?.cancel()
        attempt = nil
        backoffTimer?.close()
        backoffTimer = nil
        failQueued(Status(.unavailable, "the channel is closed"))
        current?.close(.closed("the channel is closed"))
        for link in departing.values { link.close(.closed("the channel is closed")) }
        leaveIfDone()
    }

    private func leaveIfDone() {
        guard state == .closed, current == nil, departing.isEmpty, !hasLeft else { return }
        hasLeft = true
        core.leave()
    }

    private func report(_ kind: ConnectionEvent.Kind) {
        options.onEvent?(ConnectionEvent(peer: authority, kind: kind))
    }
}
