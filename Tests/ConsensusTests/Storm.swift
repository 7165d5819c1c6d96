import Base

@testable import Consensus

/// One random schedule, told by its seed.
final class Storm {
    let cluster: TestCluster
    let seed: UInt64
    private var chance: SplitMix64
    private var proposals = 0
    private let changesMembers: Bool
    private let takesSnapshots: Bool

    init(voters: Int, others: Int = 0, changesMembers: Bool = false, takesSnapshots: Bool = false, seed: UInt64) {
        self.seed = seed
        self.changesMembers = changesMembers
        self.takesSnapshots = takesSnapshots
        chance = SplitMix64(seed: seed)
        var parameters = Parameters()
        // Small limits, so that each is reached.
        parameters.maxBatchBytes = [40, 200, 1 << 20][Int(chance.next(below: 3))]
        parameters.maxProbeBytes = 60
        parameters.maxInflightMessages = 1 + Int(chance.next(below: 6))
        parameters.maxPartialBatches = 1 + Int(chance.next(below: 3))
        parameters.tailBytes = [0, 150, 1 << 20][Int(chance.next(below: 3))]
        cluster = TestCluster(voters: voters, others: others, parameters: parameters, seed: seed)
        cluster.disksHold = Set(cluster.members.map(\.id))
    }

    private func maybe(_ percent: UInt64) -> Bool { chance.next(below: 100) < percent }
    private func anyone() -> TestMember { cluster.members[Int(chance.next(below: UInt64(cluster.members.count)))] }

    func rage(steps: Int) {
        for _ in 0..<steps where cluster.oracle.breaches.isEmpty {
            act()
            // A network holds so much and no more.
            while cluster.network.count > 150 { lose() }
        }
    }

    private func act() {
        switch chance.next(below: 1000) {
        case 0..<500: deliver()
        case 500..<515: lose()
        case 515..<535: double()
        case 535..<735: workDisk()
        case 735..<825: letTimePass()
        case 825..<890: propose()
        case 890..<930: _ = cluster.read(anyone())
        case 930..<945: cluster.answerLoads(anyone(), failing: maybe(20))
        case 945..<953: crash()
        case 953..<965: restart()
        case 965..<975: partition()
        case 975..<981: unreach()
        case 981..<988: transfer()
        case 988..<992: if takesSnapshots { cluster.takeSnapshot(anyone(), keeping: maybe(50) ? 0 : 5) }
        default: if changesMembers { changeMembers() }
        }
        if maybe(6), let member = cluster.members.first(where: { $0.isUp && !$0.transfers.isEmpty }) {
            let endings: [TestCluster.Ending] = [.arrives, .arrives, .arrives, .fails, .answerIsLost, .diesOnArrival]
            cluster.carry(from: member, endings[Int(chance.next(below: 6))])
        }
        if maybe(20), let member = cluster.members.first(where: { !$0.loads.isEmpty }) {
            cluster.answerLoads(member)
        }
    }

    /// Up to four messages for one member in one turn: mostly the oldest, sometimes any.
    private func deliver() {
        guard !cluster.network.isEmpty else { return }
        let any = maybe(30)
        let place = any ? Int(chance.next(below: UInt64(cluster.network.count))) : 0
        let receiver = cluster.network[place].to
        var batch = [cluster.network.remove(at: place)]
        for _ in 0..<chance.next(below: 4) {
            guard let next = cluster.network.firstIndex(where: { $0.to == receiver }) else { break }
            batch.append(cluster.network.remove(at: next))
        }
        if cluster[receiver]?.isUp == true { cluster.deliver(batch) }
    }

    private func lose() {
        guard !cluster.network.isEmpty else { return }
        cluster.network.remove(at: Int(chance.next(below: UInt64(cluster.network.count))))
    }

    private func double() {
        guard !cluster.network.isEmpty else { return }
        cluster.network.append(cluster.network[Int(chance.next(below: UInt64(cluster.network.count)))])
    }

    private func workDisk() {
        let busy = cluster.members.filter { $0.isUp && !$0.disk.queue.isEmpty }
        guard !busy.isEmpty else { return }
        let member = busy[Int(chance.next(below: UInt64(busy.count)))]
        cluster.sync(member, 1 + Int(chance.next(below: UInt64(member.disk.queue.count))))
    }

    private func letTimePass() {
        let most: UInt64 = maybe(5) ? 600 : 40
        for member in cluster.members where maybe(70) {
            member.clock = member.clock + .milliseconds(chance.next(below: most))
        }
        cluster.turn(anyone())
        for member in cluster.members where member.isUp && member.raft.deadline <= member.clock && maybe(80) {
            cluster.turn(member)
        }
    }

    private func propose() {
        let leaders = cluster.members.filter { $0.isUp && $0.raft.role == .leader }
        let member = leaders.isEmpty || maybe(5) ? anyone() : leaders[Int(chance.next(below: UInt64(leaders.count)))]
        let count = 1 + Int(chance.next(below: maybe(10) ? 40 : 3))
        cluster.propose(member, (0..<count).map { "\(proposals + $0)" })
        proposals += count
    }

    private func crash() {
        let member = maybe(40) ? cluster.leader ?? anyone() : anyone()
        guard member.isUp else { return }
        member.crash(
            keeping: Int(chance.next(below: UInt64(member.disk.queue.count + 1))), parts: Int(chance.next(below: 4)))
    }

    private func restart() {
        guard let member = cluster.members.first(where: { !$0.isUp }) else { return }
        cluster.restart(member, tail: Int(chance.next(below: 20)))
    }

    private func partition() {
        cluster.cut.removeAll()
        guard maybe(50) else { return }
        let alone = maybe(50) ? cluster.leader ?? anyone() : anyone()
        for other in cluster.members where other.id != alone.id && maybe(80) {
            cluster.cut.insert(.init(from: alone.id, to: other.id))
            if maybe(80) { cluster.cut.insert(.init(from: other.id, to: alone.id)) }
        }
    }

    private func unreach() {
        let lost = anyone().id
        cluster.turn(cluster.leader ?? anyone()) { $0.unreachable = [lost] }
    }

    private func transfer() {
        let target = anyone().id
        cluster.turn(cluster.leader ?? anyone()) { $0.transferTo = target }
    }

    /// Adds, removes, promotes or demotes one member; the leader may refuse.
    private func changeMembers() {
        guard let leader = cluster.leader else { return }
        let subject = anyone()
        var members = leader.raft.configuration.members
        if let place = members.firstIndex(where: { $0.id == subject.id }) {
            switch chance.next(below: 10) {
            case 0..<4: members.remove(at: place)
            case 4..<7: members[place].isVoter.toggle()
            case 7: members[place].priority = UInt8(chance.next(below: 3))
            default: if !members[place].isVoter { members[place].standing = .joining }
            }
        } else {
            let standing: Configuration.Standing = maybe(30) ? .voter : maybe(70) ? .joining : .learner
            members.append(.init(id: subject.id, name: subject.name, address: "", standing: standing))
        }
        cluster.turn(leader) { $0.configuration = Configuration(members: members) }
    }

    /// Everything works again: within seconds there is one leader, it commits a new entry, everybody has it.
    func calm() {
        cluster.cut.removeAll()
        cluster.disksHold.removeAll()
        for member in cluster.members {
            if member.isUp { cluster.sync(member, .max) } else { cluster.restart(member) }
        }
        cluster.run(.seconds(5))
        guard let leader = cluster.leader else {
            cluster.oracle.breach("no leader in the calm")
            return
        }
        cluster.propose(leader, ["last"])
        let read = cluster.read(anyone(in: leader.raft.configuration))
        cluster.run(.seconds(1))
        if cluster.members.contains(where: { $0.reads[read] != nil }) {
            cluster.oracle.breach("a read without an answer in the calm")
        }
        for id in leader.raft.configuration.members.map(\.id) {
            guard let member = cluster[id] else { continue }
            if member.raft.commitIndex != leader.raft.lastIndex || member.log != leader.log {
                cluster.oracle.breach("\(member.name) did not catch up: commit \(member.raft.commitIndex)")
            }
        }
        if leader.log.last?.data != "last" { cluster.oracle.breach("the last entry is not there") }
    }

    private func anyone(in configuration: Configuration) -> TestMember {
        let ids = configuration.members.map(\.id)
        return cluster[ids[Int(chance.next(below: UInt64(ids.count)))]] ?? cluster.members[0]
    }
}
