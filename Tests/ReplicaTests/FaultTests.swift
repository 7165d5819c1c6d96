import Base
import Consensus
import Keyspace
import Replica
import Storage
import Testing
import VirtualDisk

@Suite("Limits and faults of a whole member")
struct FaultTests {
    @Test("writers go on when the leader's disk hangs, and the old leader follows when it is done")
    func hungDiskOfTheLeader() {
        let cluster = VirtualCluster(3)
        let old = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        old.isDiskHung = true
        let before = cluster.now
        let lost = cluster.write(.set(key: "a", value: .data("1")), at: old.number)
        let away = old.number % 3 + 1
        cluster.run(for: .milliseconds(20))
        // It gathers at the leader while its disk writes the first.
        let write = cluster.write(.set(key: "b", value: .data("2")), at: away)
        cluster.run { cluster[away].answers[write] != nil }
        #expect(cluster.leader?.number != old.number)
        let again = cluster.write(.set(key: "b", value: .data("3")), at: away)
        #expect(cluster.answer(to: again, at: away)?.outcome != nil)
        #expect(cluster.now - before < .seconds(3), "\(cluster.now - before)")
        old.isDiskHung = false
        cluster.run(for: .seconds(2))
        #expect(old.role == .follower && old.answers[lost] != nil)
        let read = cluster.read(.get(key: "a"), at: old.number)
        #expect(cluster.answer(to: read, at: old.number)?.value == .data("1"))
    }

    @Test("one request more than fits is refused at once")
    func tooManyRequests() throws {
        let cluster = VirtualCluster(3)
        cluster[1].limits.maxRequests = 10
        cluster[1].start(now: cluster.now)
        cluster.isolate(1)
        let ids = (0..<11).map { _ in cluster.write(.set(key: "a", value: .data("1")), at: 1) }
        cluster.run(for: .milliseconds(1))
        #expect(cluster[1].answers[ids[10]]?.failure == .tooManyWaiting)
        #expect(cluster[1].answers[ids[9]] == nil)
        // The room comes back when the others are answered.
        cluster.run(for: .seconds(4))
        #expect(ids[..<10].allSatisfy { cluster[1].answers[$0]?.failure == .noLeader })
        let next = cluster.write(.set(key: "a", value: .data("1")), at: 1)
        cluster.run(for: .milliseconds(1))
        #expect(cluster[1].answers[next] == nil)
    }

    @Test("the value limit is the leader's when it proposes; no member's limit decides what an entry does")
    func limitsDoNotDiverge() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        for member in cluster.members where member.number != leader.number {
            member.limits.keyspace.valueSize = 1
            cluster.restart(member.number)
        }
        cluster.run(for: .seconds(1))
        let follower = cluster.members.first { $0.role != .leader }!
        let write = cluster.write(.set(key: "a", value: .data("longer than one byte")), at: follower.number)
        #expect(cluster.answer(to: write, at: follower.number)?.outcome?.revision == 1)
        cluster.run(for: .seconds(1))
        for member in cluster.members { #expect(member.replica!.replica.revision == 1) }
        let large = cluster.write(.set(key: "b", value: .data(Bytes([UInt8](repeating: 7, count: 64 << 10)))), at: leader.number)
        #expect(cluster.answer(to: large, at: leader.number)?.failure == .tooLarge)
    }

    @Test("a sync that fails stops the member, and nothing is acknowledged by it afterwards")
    func failedSync() throws {
        let cluster = VirtualCluster(1)
        let member = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        member.disk.syncFails = true
        let write = cluster.write(.set(key: "a", value: .data("1")), at: 1)
        cluster.run(for: .seconds(1))
        guard case .storage(.disk) = member.failure else {
            Issue.record("the member goes on: \(String(describing: member.failure))")
            return
        }
        #expect(member.answers[write] == nil)
    }

    @Test("a full disk refuses writes, answers reads, and recovers by itself")
    func fullDisk() throws {
        let cluster = VirtualCluster(1)
        let member = cluster.electLeader()
        member.disk.capacity = member.disk.used
        let value = Value.data(Bytes([UInt8](repeating: 7, count: 4 << 10)))
        var refusal: Failure?
        var kept = 0
        for number in 0..<200 where refusal == nil {
            let write = cluster.write(.set(key: Bytes(utf8: "k\(number)"), value: value), at: 1)
            let answer = cluster.answer(to: write, at: 1)
            refusal = answer?.failure
            if answer?.outcome != nil { kept += 1 }
        }
        #expect(refusal == .diskFull)
        #expect(kept > 0)
        let read = cluster.read(.get(key: "k0"), at: 1)
        #expect(cluster.answer(to: read, at: 1)?.value == value)
        member.disk.capacity = .max
        cluster.run(for: .seconds(3))
        let write = cluster.write(.set(key: "after", value: value), at: 1)
        #expect(cluster.answer(to: write, at: 1)?.outcome != nil)
    }

    @Test("a follower on a full disk takes no more commands, still votes, and catches up when there is space")
    func fullFollower() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        let full = cluster.members.first { $0.number != leader.number }!
        full.disk.capacity = full.disk.used
        let value = Value.data(Bytes([UInt8](repeating: 7, count: 4 << 10)))
        for number in 0..<200 {
            let write = cluster.write(.set(key: Bytes(utf8: "k\(number)"), value: value), at: leader.number)
            #expect(cluster.answer(to: write, at: leader.number)?.outcome != nil)
        }
        let isFull = full.replica!.replica.isDiskFull
        #expect(isFull)
        #expect(full.replica!.replica.revision < 200)
        // Its vote is what the healthy one needs now: a term and a vote are written on the full disk.
        cluster.isolate(leader.number)
        let other = cluster.members.first { $0.number != leader.number && $0.number != full.number }!
        cluster.run(for: .seconds(3))
        #expect(other.replica!.replica.role == .leader)
        cluster.heal()
        full.disk.capacity = .max
        cluster.run(for: .seconds(5))
        #expect(full.replica!.replica.revision == 200)
    }

    @Test("a restart replays a log longer than its memory, and ends with the same keyspace")
    func restartReplays() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        let value = Value.data(Bytes([UInt8](repeating: 7, count: 500)))
        for number in 0..<200 {
            let write = cluster.write(.set(key: Bytes(utf8: "k\(number)"), value: value), at: leader.number)
            #expect(cluster.answer(to: write, at: leader.number)?.outcome != nil)
        }
        for number in 1...3 { cluster.restart(number) }
        let again = cluster.electLeader()
        let read = cluster.ask(again.number, .freeze(.linearizable))
        guard case .frozen(let frozen) = cluster.answer(to: read, at: again.number) else {
            Issue.record("no answer after the restart")
            return
        }
        #expect(frozen.count == 200 && frozen.revision == 200)
        cluster.run(for: .seconds(1))
        for member in cluster.members { #expect(member.replica!.replica.revision == 200) }
    }

    @Test("a follower that missed more than memory holds catches up from the leader's disk")
    func slowFollower() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        let absent = cluster.members.first { $0.number != leader.number }!
        cluster.isolate(absent.number)
        let value = Value.data(Bytes([UInt8](repeating: 7, count: 500)))
        for number in 0..<200 {
            let write = cluster.write(.set(key: Bytes(utf8: "k\(number)"), value: value), at: leader.number)
            #expect(cluster.answer(to: write, at: leader.number)?.outcome != nil)
        }
        cluster.heal()
        #expect(cluster.run(for: .seconds(20)) { absent.replica!.replica.revision == 200 })
    }

    @Test("leadership is handed over on request, and writes go on")
    func transfer() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        let target = cluster.members.first { $0.number != leader.number }!
        let transfer = cluster.ask(leader.number, .transferLeadership(to: target.id))
        let write = cluster.write(.set(key: "a", value: .data("1")), at: leader.number)
        guard case .leadershipTransferred = cluster.answer(to: transfer, at: leader.number) else {
            Issue.record("leadership was not handed over")
            return
        }
        #expect(cluster.run { target.role == .leader })
        #expect(cluster.answer(to: write, at: leader.number)?.outcome != nil)
    }

    @Test("the same script gives the same effects")
    func deterministic() throws {
        func transcript() -> [Message] {
            let cluster = VirtualCluster(3, seed: 5)
            let leader = cluster.electLeader()
            for number in 0..<50 { cluster.write(.append(key: "a", suffix: Bytes(utf8: "\(number)")), at: leader.number) }
            cluster.run(for: .seconds(1))
            cluster.restart(leader.number)
            cluster.run(for: .seconds(3))
            return cluster.sent
        }
        #expect(transcript() == transcript())
    }
}
