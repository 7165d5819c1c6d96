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
    private var channels: [Channel] = []
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
    private var pauseTimer: Timer?
    private var completion: (() -> Void)?
    /// How long a place pauses after an error.
    private static let pause = Interval.milliseconds(10)
    /// Connections that are being made at a time: no server's backlog overflows.
    private static let connectWindow = 128

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
        var options = ChannelOptions()
        options.maxQueuedCalls = 2 * settings.inflight + 16
        options.connectTimeout = .seconds(5)
        for client in clients {
            let endpoint = settings.endpoints[client % settings.endpoints.count]
            options.seed = UInt64(client)
            channels.append(Channel(loop: loop, host: endpoint.host, port: endpoint.port, options: options))
        }
        guard !channels.isEmpty else { return completion(0) }
        var next = 0
        var settled = 0
        var ready = 0
        func connectNext() {
            guard next < channels.count else { return }
            let channel = channels[next]
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
        for channel in channels { channel.close() }
        channels = []
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
            write(place, key: next, now)
        case .running:
            guard now < end else { return retire() }
            let key = Int(random.next(below: UInt64(settings.keys)))
            let isRead = settings.reads > 0 && Double(random.next() >> 11) * 0x1p-53 < settings.reads
            if isRead { read(place, key: key, now) } else { write(place, key: key, now) }
        }
    }

    private func retire() {
        inFlight -= 1
        if inFlight == 0 { finish() }
    }

    private func read(_ place: Int, key: Int, _ now: Instant) {
        let message = codec.encodeRequest(
            .get(key: BenchSettings.key(UInt64(key))), consistency: settings.consistency)
        channels[place].unary(Self.getPath, message: message, timeout: settings.timeout) { [unowned self] result in
            ended(place, key: key, isRead: true, now, result)
        }
    }

    private func write(_ place: Int, key: Int, _ now: Instant) {
        let value = values[Int(random.next(below: UInt64(values.count)))]
        let message = codec.encodeRequest(.set(key: BenchSettings.key(UInt64(key)), value: value))
        channels[place].unary(Self.setPath, message: message, timeout: settings.timeout) { [unowned self] result in
            ended(place, key: key, isRead: false, now, result)
        }
    }

    private func ended(_ place: Int, key: Int, isRead: Bool, _ sent: Instant, _ result: UnaryResult) {
        let now = loop.now
        guard result.isOK else {
            statistics.record(error: "\(result.status)")
            pausing.append(place)
            return
        }
        if case .filling(let next, let step, _) = phase {
            phase = .filling(next: next, step: step, lastSuccess: now)
        } else {
            let second = Int((now - began).nanoseconds / 1_000_000_000)
            statistics.record(isRead: isRead, now - sent, second: second)
        }
        send(place)
    }
}
