import Base

@testable import Consensus

/// Several members in memory over a network that does what it is told. Every step is watched by an `Oracle`.
final class TestCluster {
    let members: [TestMember]
    var oracle = Oracle()
    /// On their way, in the order in which they were sent.
    var network: [Message] = []
    /// Links that lose everything.
    var cut: Set<Link> = []
    /// Whether disks do what they are told at once.
    var disksHold: Set<MemberID> = []
    /// Whether snapshots arrive by themselves while the network settles.
    var carriesSnapshots = true
    private var seed: UInt64
    private var nextRead: UInt64 = 1
    /// Told of every step, after it.
    var observer: ((TestMember) -> Void)?

    struct Link: Hashable {
        var from: MemberID
        var to: MemberID
    }

    /// Members n1, n2, …: `voters` of them vote from the start, the `others` know no configuration yet.
    init(
        voters: Int, learners: Int = 0, others: Int = 0, parameters: Parameters = Parameters(), seed: UInt64 = 1,
        logs: [Int: TestDisk] = [:]
    ) {
        self.seed = seed
        let known = (1...voters + learners).map {
            Configuration.Member(
                id: MemberID(UInt64($0)), name: "n\($0)", address: "n\($0):7401", isVoter: $0 <= voters)
        }
        let configuration = Configuration(members: known)
        members = (1...voters + learners + others).map { number in
            TestMember(
                MemberID(UInt64(number)), name: "n\(number)",
                configuration: number <= known.count ? configuration : Configuration(members: []),
                cluster: configuration.clusterID, parameters: parameters, disk: logs[number] ?? TestDisk(),
                seed: seed &* 1_000_003 &+ UInt64(number))
        }
        for member in members {
            for entry in member.log { oracle.sawEntry(entry, after: term(before: entry, in: member.log)) }
        }
    }

    subscript(id: MemberID) -> TestMember? { members.first { $0.id == id } }
    subscript(name: String) -> TestMember? { members.first { $0.name == name } }
    var leader: TestMember? {
        members.filter { $0.isUp && $0.raft.role == .leader }.max { $0.raft.term < $1.raft.term }
    }

    private func term(before entry: Entry, in log: [Entry]) -> Term {
        entry.index == 1 ? 0 : log[Int(entry.index.rawValue) - 2].term
    }

    // MARK: Steps

    /// One turn of a member, with its own disk's answer after it unless disks hold.
    func turn(_ member: TestMember, _ fill: (inout Input) -> Void = { _ in }) {
        guard member.isUp else { return }
        var input = Input(now: member.clock, wallMs: member.clock.nanoseconds / 1_000_000)
        input.applied = member.raft.commitIndex
        fill(&input)
        let before = member.raft.commitIndex
        let configuration = member.raft.configuration
        for token in input.reads { member.reads[token] = oracle.commitIndex }
        send(member.step(&input))
        watch(member, commitBefore: before, configurationBefore: configuration)
        observer?(member)
        if !disksHold.contains(member.id) { sync(member, member.disk.queue.count) }
    }

    private func send(_ messages: [Message]) {
        for message in messages where !cut.contains(Link(from: message.from, to: message.to)) {
            network.append(message)
        }
    }

    func sync(_ member: TestMember, _ count: Int) {
        guard member.isUp, let (token, messages) = member.sync(count) else { return }
        send(messages)
        turn(member) { $0.durable = token }
    }

    /// Hands over messages, all in one turn of their receiver.
    func deliver(_ messages: [Message]) {
        guard let receiver = messages.first.flatMap({ self[$0.to] }) else { return }
        turn(receiver) { $0.messages = messages }
    }

    func answerLoads(_ member: TestMember, failing: Bool = false) {
        guard member.isUp, !member.loads.isEmpty else { return }
        let loads = member.loads
        member.loads.removeAll()
        turn(member) { input in
            input.loaded = loads.map {
                Loaded(token: $0.token, entries: failing ? [] : member.disk.read($0))
            }
        }
    }

    /// Lets a member sleep until its deadline, and wakes it.
    func wakeAtDeadline(_ member: TestMember) {
        guard member.raft.deadline != .never else { return }
        member.clock = max(member.clock, member.raft.deadline)
        turn(member)
    }

    func read(_ member: TestMember) -> ReadToken {
        defer { nextRead += 1 }
        let token = ReadToken(nextRead)
        turn(member) { $0.reads = [token] }
        return token
    }

    func propose(_ member: TestMember, _ texts: [String]) {
        turn(member) { $0.proposals = texts.map { Proposal(data: Bytes(utf8: $0)) } }
    }

    func restart(_ member: TestMember, tail: Int = .max) {
        seed &+= 1
        member.restart(seed: seed &* 7_919 &+ member.id.rawValue, tail: tail)
    }

    // MARK: Snapshots

    /// A member takes a snapshot of what it has applied, which is durable at once, and cuts its log but for `keeping`
    /// entries.
    func takeSnapshot(_ member: TestMember, keeping: Int = 0) {
        guard member.isUp else { return }
        turn(member)
        guard let point = member.snapshotPoint() else { return }
        member.disk.keep(point, Array(member.log.prefix(Int(point.index.rawValue))))
        turn(member) {
            $0.tookSnapshot = point
            $0.compactThrough = Index(point.index.rawValue - min(point.index.rawValue, UInt64(keeping)))
        }
    }

    enum Ending { case arrives, fails, diesOnArrival, answerIsLost }

    /// Ends the oldest transfer of a member.
    func carry(from sender: TestMember, _ ending: Ending = .arrives) {
        guard sender.isUp, !sender.transfers.isEmpty else { return }
        let transfer = sender.transfers.removeFirst()
        var installed: Index?
        if ending != .fails, let receiver = self[transfer.send.to], take(transfer, receiver, ending), ending == .arrives {
            installed = transfer.point.index
        }
        turn(sender) { $0.snapshotsSent = [SnapshotSent(token: transfer.send.token, installed: installed)] }
    }

    private func take(_ transfer: TestMember.Transfer, _ receiver: TestMember, _ ending: Ending) -> Bool {
        let link = Link(from: MemberID(0), to: receiver.id)
        guard receiver.isUp, !cut.contains(link), receiver.disk.hardState.term >= transfer.send.term else { return false }
        if transfer.point.index <= receiver.raft.commitIndex { return true }
        receiver.disk.keep(transfer.point, transfer.entries)
        if ending == .diesOnArrival {
            receiver.crash(keeping: 0, parts: 1)
        } else {
            turn(receiver) {
                $0.installed = InstalledSnapshot(point: transfer.point, senderTerm: transfer.send.term)
            }
        }
        return true
    }

    // MARK: Runs

    /// Delivers everything, in order, until nothing is on its way. No time passes.
    func settle(limit: Int = 10_000) {
        for _ in 0..<limit {
            for member in members { answerLoads(member) }
            if carriesSnapshots { for member in members { carry(from: member) } }
            guard !network.isEmpty else { return }
            deliver([network.removeFirst()])
        }
        oracle.breach("messages without end")
    }

    /// Lets everybody forget the leader it heard, wakes a member until it campaigns, and delivers votes between it and
    /// `voters`, nothing else. Gives whether it leads then.
    func elect(_ candidate: TestMember, by voters: [TestMember]) -> Bool {
        for member in members { member.clock = member.clock + .seconds(1) }
        for _ in 0..<4 where candidate.raft.role != .leader {
            if candidate.raft.role == .follower { wakeAtDeadline(candidate) }
            while let place = network.firstIndex(where: { isVote($0, of: candidate, by: voters) }) {
                deliver([network.remove(at: place)])
            }
        }
        return candidate.raft.role == .leader
    }

    private func isVote(_ message: Message, of candidate: TestMember, by voters: [TestMember]) -> Bool {
        switch message.body {
        case .requestVote: message.from == candidate.id && voters.contains { $0.id == message.to }
        case .requestVoteReply: message.to == candidate.id && voters.contains { $0.id == message.from }
        default: false
        }
    }

    /// Lets `duration` pass for all members alike, waking each at its deadlines, delivering at once.
    func run(_ duration: Interval) {
        var left = duration
        settle()
        while true {
            let waits = members.filter(\.isUp).map { ($0.raft.deadline - $0.clock, $0) }
            guard let (wait, next) = waits.min(by: { $0.0 < $1.0 }), wait <= left else { break }
            pass(wait)
            turn(next)
            left = Interval(nanoseconds: left.nanoseconds - wait.nanoseconds)
            settle()
        }
        pass(left)
    }

    /// Time passes for everybody, and nobody notices yet.
    func pass(_ time: Interval) {
        for member in members { member.clock = member.clock + time }
    }

    // MARK: Watching

    private func watch(_ member: TestMember, commitBefore: Index, configurationBefore: Configuration) {
        let raft = member.effects
        if let write = raft.write {
            for entry in write.entries { oracle.sawEntry(entry, after: term(before: entry, in: member.log)) }
        }
        if member.raft.role == .leader {
            oracle.sawLeader(member.id, term: member.raft.term, log: member.log)
        }
        if member.raft.commitIndex > commitBefore {
            let isFirst = member.raft.commitIndex > oracle.commitIndex
            oracle.sawCommit(
                from: commitBefore, through: member.raft.commitIndex, by: member.name, log: member.log)
            // A leader commits, and then may change the members, in one step.
            if isFirst { checkCopies(of: member, in: configurationBefore) }
        }
        for answer in raft.reads {
            guard let atLeast = member.reads.removeValue(forKey: answer.token) else {
                oracle.breach("\(member.name) answers a read that does not wait")
                continue
            }
            if case .ready(let index) = answer.outcome, index < atLeast {
                oracle.breach("\(member.name) reads at \(index), but \(atLeast) was committed before")
            }
        }
    }

    /// What is committed is on the disks of a quorum (3.5): were every process to die now, it would still be there.
    private func checkCopies(of leader: TestMember, in configuration: Configuration) {
        let index = leader.raft.commitIndex
        guard let entry = leader.log.last(where: { $0.index == index }) else { return }
        let copies = configuration.voters.count { id in
            self[id]?.disk.holds(entry) ?? false
        }
        if copies < configuration.quorum {
            oracle.breach("\(leader.name) commits \(index), which only \(copies) disks hold")
        }
    }
}
