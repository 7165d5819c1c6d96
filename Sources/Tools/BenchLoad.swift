import Base
import Client
import EventLoop
import GRPC
import Keyspace
import Wire

/// One loop's share of a bench: its connections, each with requests in flight. Callbacks only: no task and no hop on
/// the way of a request. Confined to its loop.
final class BenchLoad: @unchecked Sendable {
    private let loop: Loop
    private let settings: BenchSettings
    /// By client and endpoint. A client has one, and with `follows` one more for each endpoint that it has come to.
    private var channels: [[Channel?]] = []
    /// Which endpoint each client is with, and how often it went on.
    private var homes: [(endpoint: Int, moves: UInt64)] = []
    private let codec = Wire.Codec()
    private let values: [Value]
    private var random: SplitMix64
    private(set) var statistics = BenchStatistics()
    private var phase = Phase.idle
    private var began = Instant.zero
    private var end = Instant.zero
    /// Requests without an answer, and those that wait to be tried again.
    private var inFlight = 0
    /// Places whose last request failed: they pause, so that a dead member is not stormed. At most one for each
    /// request in flight.
    private var pausing: [Int] = []
    /// Those that are sent again after the same pause.
    private var repeats: [Sent] = []
    private var pauseTimer: Timer?
    private var completion: (() -> Void)?
    /// How long a place pauses after an error.
    private static let pause = Interval.milliseconds(10)
    /// Connections that are being made at a time: no server's backlog overflows.
    private static let connectWindow = 128

    /// A request on its way.
    private struct Sent {
        var place: Int
        var key: Int
        var isRead: Bool
        /// When it was sent for the first time.
        var at: Instant
        /// How often its client had gone on by then.
        var moves: UInt64
    }

    private enum Phase {
        case idle
        case filling(next: Int, step: Int, lastSuccess: Instant)
        case running
    }

    private static let getPath = MethodPath(Wire.Path.kvGet)
    private static let setPath = MethodPath(Wire.Path.kvSet)

    init(loop: Loop, settings: BenchSettings, number: Int) {
        self.loop = loop
        self.settings = settings
        values = BenchSettings.values(size: settings.valueSize)
        random = SplitMix64(seed: settings.seed &* 1000 &+ UInt64(number))
    }

    // MARK: Connections

    /// Opens a connection for each of these clients; `completion` gets how many there are, once each has been tried.
    func connect(_ clients: some Sequence<Int>, completion: @escaping (Int) -> Void) {
        for client in clients {
            homes.append((client % settings.endpoints.count, 0))
            channels.append(Array(repeating: nil, count: settings.endpoints.count))
        }
        guard !channels.isEmpty else { return completion(0) }
        var next = 0
        var settled = 0
        var ready = 0
        func connectNext() {
            guard next < channels.count else { return }
            let channel = channel(of: next)
            next += 1
            channel.onStateChange = { [unowned self, unowned channel] state in
                guard state == .ready || state == .transientFailure else { return }
                channel.onStateChange = nil
                if state == .ready { ready += 1 }
                settled += 1
                if settled == channels.count { completion(ready) } else { connectNext() }
            }
            channel.connect()
        }
        for _ in 0..<Self.connectWindow { connectNext() }
    }

    func close() {
        pauseTimer?.close()
        for channel in channels.joined() { channel?.close() }
        channels = []
    }

    /// The connection of a client to the endpoint that it is with.
    private func channel(of place: Int) -> Channel {
        let home = homes[place].endpoint
        if let channel = channels[place][home] { return channel }
        var options = ChannelOptions()
        options.maxQueuedCalls = 2 * settings.inflight + 16
        options.connectTimeout = .seconds(5)
        options.seed = UInt64(place)
        let endpoint = settings.endpoints[home]
        let channel = Channel(loop: loop, host: endpoint.host, port: endpoint.port, options: options)
        channels[place][home] = channel
        return channel
    }

    // MARK: Phases

    /// Writes this load's share of the keys: each `step`th from `first` on. Gives up when nothing succeeds for
    /// `BenchLoad.patience`.
    func fill(first: Int, step: Int, completion: @escaping () -> Void) {
        self.completion = completion
        phase = .filling(next: first, step: step, lastSuccess: loop.now)
        begin()
    }

    static let patience = Interval.seconds(10)

    func run(for duration: Interval, completion: @escaping () -> Void) {
        self.completion = completion
        statistics = BenchStatistics()
        phase = .running
        began = loop.now
        end = began + duration
        begin()
    }

    /// Sends nothing more. What is in flight is still waited for.
    func stop() {
        end = min(end, loop.now)
    }

    /// How long requests were sent.
    var elapsed: Interval { end - began }

    private func begin() {
        let timer = pauseTimer ?? Timer(loop) { [unowned self] in resumePausing() }
        pauseTimer = timer
        timer.start(after: Self.pause, repeating: Self.pause)
        inFlight = channels.count * settings.inflight
        guard inFlight > 0 else { return finish() }
        for place in 0..<channels.count {
            for _ in 0..<settings.inflight { send(place) }
        }
    }

    private func finish() {
        pauseTimer?.stop()
        phase = .idle
        let completion = completion
        self.completion = nil
        completion?()
    }

    private func resumePausing() {
        let places = pausing
        pausing.removeAll(keepingCapacity: true)
        for place in places { send(place) }
        let repeats = repeats
        self.repeats.removeAll(keepingCapacity: true)
        for request in repeats { put(request) }
    }

    // MARK: Requests

    /// Sends the next request on a connection, or ends its part when there is none.
    private func send(_ place: Int) {
        let now = loop.now
        switch phase {
        case .idle:
            retire()
        case .filling(let next, let step, let lastSuccess):
            guard next < settings.keys, now - lastSuccess < Self.patience else { return retire() }
            phase = .filling(next: next + step, step: step, lastSuccess: lastSuccess)
            put(Sent(place: place, key: next, isRead: false, at: now, moves: 0))
        case .running:
            guard now < end else { return retire() }
            let key = Int(random.next(below: UInt64(settings.keys)))
            let isRead = settings.reads > 0 && Double(random.next() >> 11) * 0x1p-53 < settings.reads
            put(Sent(place: place, key: key, isRead: isRead, at: now, moves: 0))
        }
    }

    private func retire() {
        inFlight -= 1
        if inFlight == 0 { finish() }
    }

    private func put(_ request: Sent) {
        var request = request
        request.moves = homes[request.place].moves
        let key = BenchSettings.key(UInt64(request.key))
        let message: Bytes
        if request.isRead {
            message = codec.encodeRequest(.get(key: key), consistency: settings.consistency)
        } else {
            message = codec.encodeRequest(.set(key: key, value: values[Int(random.next(below: UInt64(values.count)))]))
        }
        let sent = request
        channel(of: request.place).unary(
            request.isRead ? Self.getPath : Self.setPath, message: message, timeout: settings.timeout
        ) { [unowned self] result in ended(sent, result) }
    }

    private func ended(_ request: Sent, _ result: UnaryResult) {
        let now = loop.now
        guard result.isOK else {
            if settings.follows, Self.hadNoEffect(request, result), now - request.at < settings.timeout {
                return goOn(request)
            }
            statistics.record(error: "\(result.status)")
            pausing.append(request.place)
            return
        }
        if case .filling(let next, let step, _) = phase {
            phase = .filling(next: next, step: step, lastSuccess: now)
        } else {
            let second = Int((now - began).nanoseconds / 1_000_000_000)
            statistics.record(isRead: request.isRead, now - request.at, second: second)
        }
        send(request.place)
    }

    /// Whether it may be sent again, and another member may do it.
    private static func hadNoEffect(_ request: Sent, _ result: UnaryResult) -> Bool {
        guard result.status.code == .unavailable else { return result.neverSent }
        return request.isRead || result.neverSent || result.trailers["swiftwater-not-applied"] == "1"
    }

    /// Sends it again at the next endpoint, where its client is from now on; the first of those that fail takes it there.
    private func goOn(_ request: Sent) {
        statistics.repeated += 1
        if request.moves == homes[request.place].moves {
            homes[request.place].endpoint = (homes[request.place].endpoint + 1) % settings.endpoints.count
            homes[request.place].moves += 1
        }
        repeats.append(request)
    }
}
