import Base

@testable import Consensus

/// Runs one golden scenario: prose, commands (`> …`) and under each what then happened (indented by two). The
/// language is described in Scenarios/README.md.
struct Scenario {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private var cluster = TestCluster(voters: 1)
    private var logs: [Int: TestDisk] = [:]
    private var parameters = Parameters()
    private let transcript = Transcript()

    /// The same text with the output that the commands gave now.
    static func run(_ text: String) throws(Failure) -> String {
        var scenario = Scenario()
        var lines: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.hasPrefix("  ") { continue }
            lines.append(line)
            guard line.hasPrefix("> ") else { continue }
            let words = line.dropFirst(2).split(separator: " ").map(String.init)
            do {
                try scenario.perform(words)
            } catch {
                throw Failure(description: "\(line): \(error.description)")
            }
            lines += scenario.transcript.take().map { "  " + $0 }
            lines += scenario.cluster.oracle.breaches.map { "  BREACH: \($0)" }
        }
        return lines.joined(separator: "\n")
    }

    private mutating func perform(_ words: [String]) throws(Failure) {
        guard let command = words.first else { throw Failure(description: "no command") }
        let arguments = Array(words.dropFirst())
        switch command {
        case "cluster": try start(arguments)
        case "log": try giveLog(arguments)
        case "show": transcript.shown = Set(arguments)
        case "settle": cluster.settle()
        case "run": cluster.run(try duration(arguments))
        case "pass": cluster.pass(try duration(arguments))
        case "heal": cluster.cut.removeAll()
        case "cut": try cut(arguments)
        case "lose": cluster.network.removeAll()
        case "network": for message in cluster.network { transcript.show(message) }
        case "status": for member in cluster.members { transcript.show(statusOf: member) }
        case "logs": for member in cluster.members { transcript.show(logOf: member) }
        case "deliver", "drop", "double": try handle(command, arguments)
        default: try perform(command, by: try member(arguments), Array(arguments.dropFirst()))
        }
    }

    private mutating func perform(_ command: String, by member: TestMember, _ rest: [String]) throws(Failure) {
        switch command {
        case "timeout": cluster.wakeAtDeadline(member)
        case "wait":
            member.clock = member.clock + (try duration(rest))
            cluster.turn(member)
        case "elect":
            var voters: [TestMember] = []
            for name in rest { voters.append(try self.member([name])) }
            if !cluster.elect(member, by: voters) { transcript.note("\(member.name) is not elected") }
        case "propose": cluster.propose(member, rest)
        case "read":
            let token = cluster.read(member)
            transcript.note("\(member.name) takes read \(token)")
        case "lease":
            let index = member.raft.leaseReadIndex(at: member.clock)
            transcript.note(index.map { "\(member.name) reads at \($0) by lease" } ?? "\(member.name) holds no lease")
            cluster.turn(member) { $0.wantsLease = true }
        case "configure":
            let configuration = try self.configuration(rest)
            cluster.turn(member) { $0.configuration = configuration }
        case "transfer":
            let target = try self.member(rest).id
            cluster.turn(member) { $0.transferTo = target }
        case "unreachable":
            let target = try self.member(rest).id
            cluster.turn(member) { $0.unreachable = [target] }
        case "snapshot": cluster.takeSnapshot(member, keeping: rest.first.flatMap { Int($0) } ?? 0)
        case "carry":
            let endings: [String: TestCluster.Ending] = [
                "fails": .fails, "kills": .diesOnArrival, "unanswered": .answerIsLost,
            ]
            if member.transfers.isEmpty { transcript.note("\(member.name) sends no snapshot") }
            cluster.carry(from: member, rest.first.flatMap { endings[$0] } ?? .arrives)
        case "isolate":
            for other in cluster.members where other.id != member.id { cutLink(member, other) }
        case "hold": cluster.disksHold.insert(member.id)
        case "release":
            cluster.disksHold.remove(member.id)
            cluster.sync(member, .max)
        case "sync": cluster.sync(member, rest.first.flatMap { Int($0) } ?? .max)
        case "crash":
            let numbers = rest.compactMap { Int($0) }
            member.crash(keeping: numbers.first ?? 0, parts: numbers.dropFirst().first ?? 0)
        case "restart": cluster.restart(member)
        default: throw Failure(description: "unknown command")
        }
    }

    // MARK: Commands

    /// `cluster 3 learners=1 others=1 tail=0 batch=100 inflight=2 partial=2`
    private mutating func start(_ arguments: [String]) throws(Failure) {
        var numbers = ["voters": Int(arguments.first ?? "") ?? 0]
        for argument in arguments.dropFirst() {
            let parts = argument.split(separator: "=")
            guard parts.count == 2, let number = Int(parts[1]) else { throw Failure(description: "bad option") }
            numbers[String(parts[0])] = number
        }
        guard let voters = numbers["voters"], voters > 0 else { throw Failure(description: "how many voters?") }
        parameters.tailBytes = numbers["tail"] ?? parameters.tailBytes
        parameters.maxBatchBytes = numbers["batch"] ?? parameters.maxBatchBytes
        parameters.maxProbeBytes = numbers["batch"] ?? parameters.maxProbeBytes
        parameters.maxInflightMessages = numbers["inflight"] ?? parameters.maxInflightMessages
        parameters.maxPartialBatches = numbers["partial"] ?? parameters.maxPartialBatches
        cluster = TestCluster(
            voters: voters, learners: numbers["learners"] ?? 0, others: numbers["others"] ?? 0,
            parameters: parameters, seed: 7, logs: logs)
        let transcript = transcript
        let cluster = cluster
        cluster.carriesSnapshots = false
        cluster.observer = { [unowned cluster] member in
            transcript.show(stepOf: member, holding: cluster.disksHold.contains(member.id))
        }
    }

    /// `log n1 1 1 4 term 6`: before `cluster`, what a member's disk holds.
    private mutating func giveLog(_ arguments: [String]) throws(Failure) {
        guard let name = arguments.first, let number = Int(name.dropFirst()) else {
            throw Failure(description: "whose log?")
        }
        let words = arguments.dropFirst()
        let terms = words.prefix { $0 != "term" }.compactMap { UInt64($0) }
        let entries = terms.enumerated().map { place, term in
            Entry(
                term: Term(term), index: Index(UInt64(place + 1)), kind: .command, timeMs: 0,
                data: Bytes(utf8: "\(term).\(place + 1)"))
        }
        let term = words.last.flatMap { UInt64($0) } ?? 0
        logs[number] = TestDisk(entries: entries, hardState: HardState(term: Term(term)))
    }

    private func cut(_ arguments: [String]) throws(Failure) {
        guard arguments.count == 2 else { throw Failure(description: "cut between whom?") }
        cutLink(try member(arguments), try member([arguments[1]]))
    }

    private func cutLink(_ a: TestMember, _ b: TestMember) {
        cluster.cut.insert(.init(from: a.id, to: b.id))
        cluster.cut.insert(.init(from: b.id, to: a.id))
        cluster.network.removeAll { ($0.from, $0.to) == (a.id, b.id) || ($0.from, $0.to) == (b.id, a.id) }
    }

    /// `deliver n1 n2 [which…]`: messages on the way from n1 to n2, by their place from 1; all when none is named.
    private func handle(_ command: String, _ arguments: [String]) throws(Failure) {
        guard arguments.count >= 2 else { throw Failure(description: "from whom to whom?") }
        let from = try member(arguments).id
        let to = try member([arguments[1]]).id
        let places = cluster.network.indices.filter { cluster.network[$0].from == from && cluster.network[$0].to == to }
        let wanted = arguments.dropFirst(2).compactMap { Int($0) }
        let chosen = wanted.isEmpty ? Array(places) : wanted.filter { $0 <= places.count }.map { places[$0 - 1] }
        let messages = chosen.map { cluster.network[$0] }
        guard !messages.isEmpty else {
            transcript.note("nothing is on its way there")
            return
        }
        if command == "double" {
            cluster.network += messages
            return
        }
        for place in chosen.sorted(by: >) { cluster.network.remove(at: place) }
        if command == "deliver" {
            for message in messages { cluster.deliver([message]) }
        }
    }

    // MARK: Words

    private func member(_ words: [String]) throws(Failure) -> TestMember {
        guard let name = words.first, let member = cluster[name] else { throw Failure(description: "no such member") }
        return member
    }

    private func duration(_ words: [String]) throws(Failure) -> Interval {
        guard let word = words.first, word.hasSuffix("ms"), let number = UInt64(word.dropLast(2)) else {
            throw Failure(description: "how many ms?")
        }
        return .milliseconds(number)
    }

    /// `n1 n2^5 n3* n4+`: a star makes a learner, a plus one that is to become a voter; behind ^ stands a priority.
    private func configuration(_ words: [String]) throws(Failure) -> Configuration {
        var members: [Configuration.Member] = []
        for word in words {
            let member = try self.member([String(word.prefix { !"*+^".contains($0) })])
            let standing: Configuration.Standing = word.hasSuffix("*") ? .learner : word.hasSuffix("+") ? .joining : .voter
            let priority = word.split(separator: "^").dropFirst().first.flatMap { UInt8($0) } ?? 0
            members.append(
                .init(
                    id: member.id, name: member.name, address: "\(member.name):7401", standing: standing,
                    priority: priority))
        }
        return Configuration(members: members)
    }
}
