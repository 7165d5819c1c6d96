import Base
import EventLoop
import GRPC
import Keyspace
import Wire

/// Speaks to a cluster: any member will do, and the client finds one that works.
///
/// It lives on an event loop of its own. Calls from many tasks share one connection to each member. A call that a
/// member cannot serve goes to the next one, then round again after a growing wait, until the timeout; see `Verdict`
/// for what is tried again and what is not.
public actor Client {
    public nonisolated let options: ClientOptions
    private nonisolated let thread: LoopThread
    nonisolated var loop: Loop { thread.loop }
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.loop.asUnownedSerialExecutor() }

    /// Where to ask, in this order; never empty. Members that a status told us of come after those given.
    private(set) var endpoints: [Endpoint]
    private var channels: [Endpoint: Channel] = [:]
    let codec = Wire.Codec()
    /// The endpoint that last answered: where the next call begins.
    var preferred = 0
    private var jitter = SplitMix64(seed: UInt64.random(in: .min ... .max))
    private var isClosed = false

    /// The session in which writes travel; nil until the first one.
    var writeSession: WriteSession?
    var isOpeningSession = false
    var sessionWaiters: [UnsafeContinuation<Void, Never>] = []
    /// The cluster is of a version that knows no sessions.
    var sessionsAreUnknown = false

    /// The most members that are remembered.
    static let maxEndpoints = 100

    /// `endpoints` must not be empty. Connects when it is first used.
    public init(endpoints: [Endpoint], options: ClientOptions = ClientOptions()) {
        precondition(!endpoints.isEmpty, "a client needs at least one endpoint")
        self.endpoints = endpoints
        self.options = options
        thread = LoopThread(name: "client")
        thread.start()
    }

    deinit {
        // A loop's thread cannot wait for its own end, and a deinit can run there.
        let thread = thread
        Task.detached { thread.stop() }
    }

    /// Closes the connections. Calls in flight end as cancelled.
    public nonisolated func close() async {
        await closeChannels()
        thread.stop()
    }

    private func closeChannels() {
        isClosed = true
        for channel in channels.values { channel.close() }
        channels = [:]
    }

    func channel(to endpoint: Endpoint) -> Channel {
        if let channel = channels[endpoint] { return channel }
        var channelOptions = ChannelOptions()
        channelOptions.connectTimeout = min(options.connectTimeout, options.timeout)
        channelOptions.maxBackoff = options.maxBackoff
        channelOptions.maxMessageBytes = 64 << 20
        channelOptions.seed = jitter.next()
        let channel = Channel(loop: loop, host: endpoint.host, port: endpoint.port, options: channelOptions)
        channels[endpoint] = channel
        return channel
    }

    /// Remembers where members are.
    func learn(_ found: [Endpoint]) {
        for endpoint in found where !endpoints.contains(endpoint) && endpoints.count < Self.maxEndpoints {
            endpoints.append(endpoint)
        }
    }

    /// The wait after so many rounds in vain.
    func backoff(after rounds: Int) -> Interval {
        var wait = options.initialBackoff
        for _ in 1..<max(1, min(rounds, 20)) where wait < options.maxBackoff { wait = wait + wait }
        let most = min(wait, options.maxBackoff).nanoseconds
        return Interval(nanoseconds: most - jitter.next(below: most / 2 + 1))
    }
}
