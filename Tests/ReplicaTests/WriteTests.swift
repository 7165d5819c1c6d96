import Base
import Consensus
import Keyspace
import Replica
import Storage
import Testing
import VirtualDisk

@Suite("Writes of a whole member")
struct WriteTests {
    @Test("a write is answered once a majority has it, and every member applies it")
    func writeIsReplicated() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        let id = cluster.write(.set(key: "a", value: .data("1")), at: leader.number)
        #expect(cluster.answer(to: id, at: leader.number)?.outcome?.revision == 1)
        cluster.run(for: .seconds(1))
        for member in cluster.members { #expect(member.replica!.replica.revision == 1) }
    }

    @Test("no write is answered before the disks of a majority have synced it", arguments: [1, 3, 5])
    func answerWaitsForDisks(size: Int) throws {
        let cluster = VirtualCluster(size)
        let leader = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        // All disks but a minority's hang: one more must come back before the answer may leave.
        let others = cluster.members.filter { $0.number != leader.number }
        let hung = [leader] + others.prefix(size / 2)
        for member in hung { member.isDiskHung = true }
        let id = cluster.write(.set(key: "a", value: .data("1")), at: leader.number)
        #expect(cluster.answer(to: id, at: leader.number, within: .milliseconds(100)) == nil)
        hung.last!.isDiskHung = false
        #expect(cluster.answer(to: id, at: leader.number)?.outcome?.revision == 1)
    }

    @Test("an acknowledgement and a vote leave only after the disk has them")
    func promisesWaitForTheDisk() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        let follower = cluster.members.first { $0.number != leader.number }!
        follower.isDiskHung = true
        let before = follower.replica!.replica.view.durableIndex
        cluster.write(.set(key: "a", value: .data("1")), at: leader.number)
        cluster.run(for: .milliseconds(100))
        for message in cluster.sent where message.from == follower.id {
            guard case .appendEntriesReply(let reply) = message.body, case .success(let match) = reply.result else { continue }
            #expect(match <= before, "acknowledged \(match) with \(before) on disk")
        }
        // With the leader gone a campaign needs its own vote on disk: nobody is asked for one before.
        cluster.isolate(leader.number)
        let votes = cluster.sent.count
        cluster.run(for: .seconds(2))
        for message in cluster.sent[votes...] where message.from == follower.id {
            if case .requestVote(let request) = message.body { #expect(request.preVote) }
            if case .requestVoteReply(let reply) = message.body { #expect(reply.preVote || !reply.voteGranted) }
        }
    }

    @Test("a turn applies a bounded number of entries, and the next one comes at once for the rest")
    func applyingInSlices() throws {
        let cluster = VirtualCluster(1)
        let leader = cluster.electLeader()
        leader.limits.applyEntriesPerTurn = 10
        cluster.restart(leader.number)
        _ = cluster.electLeader()
        leader.isDiskHung = true
        for number in 0..<35 { cluster.write(.set(key: Bytes(utf8: "\(number)"), value: .data("v")), at: leader.number) }
        cluster.run(for: .milliseconds(100))
        let start = leader.replica!.replica.revision
        leader.isDiskHung = false
        var steps: [UInt64] = [0]
        while steps.count < 50, steps.last != 35 {
            leader.runDisk()
            leader.step(now: cluster.now, send: { _ in }, forward: { _ in })
            steps.append(leader.replica!.replica.revision - start)
            #expect(steps.last == 35 || steps.last == 0 || leader.deadline <= cluster.now)
        }
        #expect(steps.last == 35)
        #expect(zip(steps, steps.dropFirst()).allSatisfy { $1 - $0 <= 10 }, "\(steps)")
    }

    @Test("writes gather while the disk writes, and leave together")
    func writesGather() throws {
        let cluster = VirtualCluster(1)
        let leader = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        leader.isDiskHung = true
        var ids = [cluster.write(.append(key: "a", suffix: "x"), at: 1)]
        cluster.run(for: .milliseconds(5))
        ids += (0..<50).map { _ in cluster.write(.append(key: "a", suffix: "x"), at: 1) }
        cluster.run(for: .milliseconds(5))
        #expect(leader.operations.filter { $0.lane == .log }.count == 1)
        let syncs = leader.disk.syncs
        leader.isDiskHung = false
        cluster.run(for: .milliseconds(50)) { ids.allSatisfy { leader.answers[$0] != nil } }
        for id in ids { #expect(leader.answers[id]?.outcome != nil) }
        #expect(leader.disk.syncs - syncs <= 3, "51 writes took \(leader.disk.syncs - syncs) syncs")
    }

    @Test("a follower passes a write on, and the client never learns of it")
    func followerForwards() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        let follower = cluster.members.first { $0.number != leader.number }!
        let id = cluster.write(.append(key: "a", suffix: "x"), at: follower.number)
        #expect(cluster.answer(to: id, at: follower.number)?.outcome?.revision == 1)
        #expect(follower.forwards.count == 1)
    }

    @Test("a write whose outcome became unknown is not sent again")
    func unknownIsNotRepeated() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        let follower = cluster.members.first { $0.number != leader.number }!
        let id = cluster.write(.append(key: "a", suffix: "x"), at: follower.number)
        cluster.run(for: .milliseconds(1))
        cluster.restart(leader.number)
        let failure = cluster.answer(to: id, at: follower.number)?.failure
        #expect(failure?.code == .unknown && failure?.notApplied == false)
        _ = cluster.electLeader()
        cluster.run(for: .seconds(1))
        #expect(follower.forwards.count == 1)
    }

    @Test("losing leadership makes what was proposed unknown, and never says OK")
    func lostLeadership() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        cluster.isolate(leader.number)
        let id = cluster.write(.set(key: "a", value: .data("lost")), at: leader.number)
        let failure = cluster.answer(to: id, at: leader.number)?.failure
        #expect(failure?.code == .unknown && failure?.notApplied == false)
        let successor = cluster.electLeader()
        #expect(successor.number != leader.number)
        let second = cluster.write(.set(key: "a", value: .data("kept")), at: successor.number)
        #expect(cluster.answer(to: second, at: successor.number)?.outcome != nil)
        cluster.heal()
        cluster.run(for: .seconds(2))
        let read = cluster.read(.get(key: "a"), at: leader.number)
        #expect(cluster.answer(to: read, at: leader.number)?.value == .data("kept"))
    }

    @Test("without a leader a write waits, and is then refused as certainly not applied")
    func heldWritesExpire() throws {
        let cluster = VirtualCluster(3)
        cluster.isolate(1)
        let id = cluster.write(.set(key: "a", value: .data("1")), at: 1)
        let failure = cluster.answer(to: id, at: 1)?.failure
        #expect(failure == .noLeader)
        #expect(failure?.notApplied == true)
    }

    @Test("a transaction is applied whole or not at all, everywhere")
    func transactions() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        let good = Command.transaction([.set(key: "a", value: .data("b")), .append(key: "a", suffix: "1"), .get(key: "a")])
        let id = cluster.ask(leader.number, .write(good.encode(), version: Command.version))
        guard case .transaction(let results) = cluster.answer(to: id, at: leader.number)?.outcome?.result else {
            Issue.record("the transaction was not answered")
            return
        }
        #expect(results.last == .value(.data("b1"), revision: 1))
        let bad = Command.transaction([.set(key: "c", value: .data("d")), .appendItem(key: "a", item: "x")])
        let second = cluster.ask(leader.number, .write(bad.encode(), version: Command.version))
        guard case .failed = cluster.answer(to: second, at: leader.number)?.outcome?.result else {
            Issue.record("a transaction that cannot be applied was")
            return
        }
        let read = cluster.read(.get(key: "c"), at: leader.number)
        #expect(cluster.answer(to: read, at: leader.number)?.value == nil)
        #expect(leader.replica!.replica.revision == 1)
    }
}
