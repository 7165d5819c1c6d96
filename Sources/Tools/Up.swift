import Base
import Client
import EventLoop
import Glibc

/// `swiftwater up`: a cluster of real processes on this machine, for as long as it runs.
///
/// It restarts nobody: a member that ends is reported with its last words, and the others show what they make of it.
public struct Up: Sendable {
    public let plan: UpPlan
    /// The path of `swiftwaterd`.
    public let server: String
    let print: @Sendable (String) -> Void

    /// How long a new cluster may take to elect its first leader.
    static let patience = Interval.seconds(30)
    /// How long members may take to stop when asked, before they are killed.
    static let grace = Interval.seconds(5)
    /// How much of a log is shown when its member ends.
    static let lastLines = 8

    enum Event: Sendable {
        case signal(Int32)
        case ended(String, ChildProcess.Ending)
        case leader(String, term: UInt64)
        case noLeader(String)
        case graceOver
        case order(UpOrder, Answer)
    }

    public init(plan: UpPlan, server: String, print: @escaping @Sendable (String) -> Void) {
        self.plan = plan
        self.server = server
        self.print = print
    }

    /// Runs until Ctrl-C, or until no member is left.
    public func run() async -> ExitCode {
        do {
            let lock = try DirectoryLock(plan.directory)
            defer { lock.release() }
            return await run(isNew: try prepare())
        } catch {
            print("swiftwater up: \(error)")
            return .clusterError
        }
    }

    private func run(isNew: Bool) async -> ExitCode {
        let (events, feed) = AsyncStream.makeStream(of: Event.self)
        let signals = [SIGINT, SIGTERM, SIGHUP]
        Interrupts.install(signals) { feed.yield(.signal($0)) }
        defer { Interrupts.restore(signals) }
        var members = Members()
        print(isNew ? "Starting \(count) in \(plan.directory) …" : "Bringing back \(count) from \(plan.directory) …")
        for member in plan.members {
            do throws(ChildProcess.Failure) {
                let child = try start(member, feed, &members)
                print("  \(member.name)  \(member.address)  process \(child.id)  log \(plan.log(member))")
            } catch {
                print("swiftwater up: \(error)")
                members.isStopping = true
            }
        }
        if members.isStopping { stop(&members, feed) }
        let search = Task { await findLeader(feed) }
        defer { search.cancel() }
        let control = openControl(feed)
        defer { control?.close() }
        return await obey(events, feed, &members, isNew: isNew)
    }

    func start(
        _ member: UpPlan.Member, _ feed: AsyncStream<Event>.Continuation, _ members: inout Members
    ) throws(ChildProcess.Failure) -> ChildProcess {
        let control = member.http == nil ? [] : ["--control", plan.directory]
        let child = try ChildProcess(program: server, arguments: plan.arguments(member) + control, log: plan.log(member)) {
            feed.yield(.ended(member.name, $0))
        }
        members.running[member.name] = child
        members.stopped.remove(member.name)
        writeProcessFile(member, child.id)
        return child
    }

    private var count: String { plan.members.count == 1 ? "1 member" : "\(plan.members.count) members" }

    struct Members {
        var running: [String: ChildProcess] = [:]
        var hasLeader = false
        var isStopping = false
        var code = ExitCode.done
        /// What ends on somebody's order, and who waits for it.
        var ordered: [String: [(UpOrder.Verb, Answer)]] = [:]
        /// What was stopped on an order, and can be restarted on one.
        var stopped: Set<String> = []
    }

    private func obey(
        _ events: AsyncStream<Event>, _ feed: AsyncStream<Event>.Continuation, _ members: inout Members, isNew: Bool
    ) async -> ExitCode {
        if members.running.isEmpty { return .clusterError }
        for await event in events {
            switch event {
            case .signal:
                if members.isStopping {
                    members.running.values.forEach { $0.signal(SIGKILL) }
                } else {
                    print("\nStopping …")
                    stop(&members, feed)
                    if members.running.isEmpty { return members.code }
                }
            case .ended(let name, let ending):
                members.running[name] = nil
                unlink("\(plan.directory)/\(name).pid")
                if !settle(name, feed, &members), !members.isStopping { report(name, ending) }
                if isNew, !members.hasLeader, !members.isStopping {
                    print("A new cluster needs all its members once: giving up.")
                    members.code = .clusterError
                    stop(&members, feed)
                }
                if members.running.isEmpty, members.isStopping || members.stopped.isEmpty {
                    print(members.isStopping ? "All members have stopped." : "No member is left.")
                    return members.isStopping ? members.code : .clusterError
                }
            case .leader(let name, let term):
                members.hasLeader = true
                writeClusterFile()
                print("\(name) leads, in term \(term).\n")
                let leader = members.running[name] ?? members.running.values.first
                plan.suggestions(process: leader?.id ?? 0).forEach(print)
            case .noLeader(let why):
                print("No leader after \(Durations.short(Self.patience)): \(why)")
                print("Their logs are in \(plan.directory)/*.log; Ctrl-C stops them all.")
            case .order(let order, let answer):
                obey(order, answer, feed, &members)
            case .graceOver:
                for (name, child) in members.running.sorted(by: { $0.key < $1.key }) {
                    print("\(name) did not stop within \(Durations.short(Self.grace)): killed.")
                    child.signal(SIGKILL)
                }
            }
        }
        return members.code
    }

    /// SIGTERM to all; those that take longer than `grace` are killed.
    private func stop(_ members: inout Members, _ feed: AsyncStream<Event>.Continuation) {
        if !members.running.isEmpty {
            for child in members.running.values {
                child.signal(SIGTERM)
                // One that is frozen would not hear it.
                child.signal(SIGCONT)
            }
            Task {
                try await Task.sleep(nanoseconds: Self.grace.nanoseconds)
                feed.yield(.graceOver)
            }
        }
        members.isStopping = true
    }
}
