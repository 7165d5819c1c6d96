import Base
import EventLoop
import Glibc

/// What `swiftwater lab` and the members' gateways may ask of the `up` that started the members, in lines of text over
/// `LocalSocket`: a question is `list`, or `stop|terminate|freeze|resume|restart NAME`. The answer begins with `ok` or with
/// `no`, and says in words what was done, or why not; `list` is answered with a line `NAME STATE PROCESS` for each member.
enum UpOrder: Equatable, Sendable {
    enum Verb: String, Sendable, CaseIterable { case stop, terminate, freeze, resume, restart }
    case list
    case member(Verb, String)

    init?(_ question: String) {
        let words = question.split(separator: " ", omittingEmptySubsequences: false)
        if words == ["list"] {
            self = .list
        } else if words.count == 2, let verb = Verb(rawValue: String(words[0])), !words[1].isEmpty {
            self = .member(verb, String(words[1]))
        } else {
            return nil
        }
    }

    var text: String {
        switch self {
        case .list: "list"
        case .member(let verb, let name): "\(verb.rawValue) \(name)"
        }
    }
}

extension Up {
    /// How long an order may take: as long as a member that is asked to stop, and a little.
    static let orderPatience = Interval.seconds(7)

    /// An answer on its way.
    typealias Answer = BlockingBox<String>

    /// Answers orders until it is closed; nil, and it is said why, when nobody could reach it.
    func openControl(_ feed: AsyncStream<Event>.Continuation) -> LocalListener? {
        do throws(LocalSocket.Failure) {
            return try LocalListener(in: plan.directory) { question in
                guard let order = UpOrder(question) else { return "no that is no order: \(question)" }
                let answer = Answer()
                feed.yield(.order(order, answer))
                return answer.take(within: Self.orderPatience) ?? "no it takes too long"
            }
        } catch {
            print("swiftwater up: nobody can stop or restart members through the laboratory: \(error)")
            return nil
        }
    }

    func obey(_ order: UpOrder, _ answer: Answer, _ feed: AsyncStream<Event>.Continuation, _ members: inout Members) {
        guard case .member(let verb, let name) = order else { return answer.put("ok\n" + listing(members)) }
        guard let member = plan.members.first(where: { $0.name == name }) else {
            return answer.put("no there is no member '\(name)'; there are \(plan.members.map(\.name).joined(separator: ", "))")
        }
        guard members.hasLeader, !members.isStopping else {
            return answer.put("no " + (members.isStopping ? "the cluster is being stopped" : "the cluster has not got its first leader yet"))
        }
        guard let child = members.running[name] else {
            guard verb == .restart else { return answer.put("no \(name) does not run; it can be restarted") }
            return restart(member, answer, feed, &members)
        }
        switch verb {
        case .stop, .terminate, .restart:
            // Answered when it has ended.
            members.ordered[name, default: []].append((verb, answer))
            child.signal(verb == .terminate ? SIGTERM : SIGKILL)
            if verb == .terminate { child.signal(SIGCONT) }
        case .freeze:
            child.signal(SIGSTOP)
            print("\(name) is frozen, as ordered.")
            answer.put("ok \(name) is frozen: it is there, and does nothing")
        case .resume:
            child.signal(SIGCONT)
            print("\(name) goes on, as ordered.")
            answer.put("ok \(name) goes on")
        }
    }

    /// A member has ended by an order. False: nobody ordered it.
    func settle(_ name: String, _ feed: AsyncStream<Event>.Continuation, _ members: inout Members) -> Bool {
        guard let orders = members.ordered.removeValue(forKey: name), let member = plan.members.first(where: { $0.name == name })
        else { return false }
        for (verb, answer) in orders where verb != .restart {
            answer.put("ok \(name) is stopped")
        }
        if let (_, answer) = orders.first(where: { $0.0 == .restart }) {
            restart(member, answer, feed, &members)
            for (_, other) in orders.filter({ $0.0 == .restart }).dropFirst() { other.put("ok \(name) runs again") }
        } else {
            members.stopped.insert(name)
            print("\(name) is stopped, as ordered.")
        }
        return true
    }

    private func restart(
        _ member: UpPlan.Member, _ answer: Answer, _ feed: AsyncStream<Event>.Continuation, _ members: inout Members
    ) {
        guard !members.isStopping else { return answer.put("no the cluster is being stopped") }
        do throws(ChildProcess.Failure) {
            let child = try start(member, feed, &members)
            print("\(member.name) runs again, as ordered: process \(child.id).")
            answer.put("ok \(member.name) runs again, as process \(child.id)")
        } catch {
            answer.put("no \(error)")
        }
    }

    private func listing(_ members: Members) -> String {
        plan.members.map { member in
            guard let child = members.running[member.name] else { return "\(member.name) stopped\n" }
            return "\(member.name) \(Self.isFrozen(child.id) ? "frozen" : "running") \(child.id)\n"
        }.joined()
    }

    /// Whether a process has been stopped by a signal, by us or by anybody (proc(5): the third field of `stat`).
    static func isFrozen(_ id: pid_t) -> Bool {
        do {
            guard let bytes = try readSmallFile("/proc/\(id)/stat"), let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return false }
            return bytes[end...].dropFirst(2).first == UInt8(ascii: "T")
        } catch {
            return false
        }
    }
}
