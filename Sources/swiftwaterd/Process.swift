import Base
import EventLoop
import Gateway
import Glibc
import Logging
import Server

/// The life of the process: one loop on a thread of its own, signals, and the exit code that says how it ended.
enum Process {
    static func run(_ options: MemberOptions, control: String?, logLevel: Logger.Level) throws {
        var log = Logger(label: options.name ?? "swiftwaterd", factory: { StreamLogHandler.standardError(label: $0) })
        log.logLevel = logLevel
        raiseOpenFileLimit()
        returnFreedMemory()
        let thread = LoopThread(name: "member")
        thread.start()
        let life = Life(thread: thread, options: options, control: control, log: log)
        Task { await life.begin() }
        // The main thread has nothing else to do: whoever ends the process calls exit.
        withExtendedLifetime((thread, life)) { while true { pause() } }
    }
}

/// Starts the member, and stops it when a signal says so.
actor Life {
    nonisolated let loop: Loop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private var options: MemberOptions
    private let control: String?
    private let log: Logger
    private var signals: [SignalWatcher] = []
    private var member: Member?
    private var gateway: Gateway?
    private var isStopping = false

    /// The contract: a signal ends the process within five seconds, come what may.
    static let patience = Interval.milliseconds(4_500)

    init(thread: LoopThread, options: MemberOptions, control: String?, log: Logger) {
        loop = thread.loop
        self.options = options
        self.control = control
        self.log = log
    }

    func begin() async {
        signals = [SIGTERM, SIGINT].map { signal in
            SignalWatcher(loop, signal: signal) { [unowned self] in stopRequested() }
        }
        let log = log
        await openGateway()
        do throws(StartFailure) {
            let startup = Startup(loop: loop, options: options, log: log)
            let member = try await startup.start { failure in
                // An fsync that failed must not be tried again, by anybody: the process ends here and now.
                log.critical("\(failure)")
                _exit(failure.exitCode)
            }
            self.member = member
            gateway?.serve(member)
            let address = await member.servedAddress
            log.notice("serving", metadata: ["address": "\(address)"])
            if isStopping { await stop(member) }
        } catch {
            log.critical("\(error)")
            exit(error.exitCode)
        }
    }

    /// Before the member, so that an address that is taken is noticed before anybody is met.
    private func openGateway() async {
        guard let address = options.http else { return }
        do throws(GatewayFailure) {
            let gateway = try await Gateway.start(on: address, control: control, log: log)
            self.gateway = gateway
            options.http = gateway.announced(advertised: options.advertise ?? options.listen)
            log.notice("serving HTTP", metadata: ["address": "\(gateway.address)"])
        } catch {
            log.critical("\(error)")
            exit(error.exitCode)
        }
    }

    private func stopRequested() {
        guard !isStopping else { return }
        isStopping = true
        let timer = EventLoop.Timer(loop) { [log] in
            log.error("stopping took too long; what was acknowledged is on disk")
            exit(0)
        }
        timer.start(after: Self.patience)
        guard let member else { exit(0) }
        Task { await stop(member) }
    }

    private func stop(_ member: Member) async {
        // Side by side: what the gateway still answers, the member answers it.
        async let closed: Void? = gateway?.stop()
        await member.stop()
        await closed
        exit(0)
    }
}
