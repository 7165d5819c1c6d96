import Base
import Consensus
import Keyspace
import Storage
import Testing
import VirtualDisk

@testable import Replica

@Suite("Snapshots of whole members")
struct SnapshotTests {
    private func cluster(_ size: Int, newcomers: Int = 0, seed: UInt64 = 1) -> VirtualCluster {
        let cluster = VirtualCluster(size, newcomers: newcomers, seed: seed)
        for member in cluster.members {
            member.limits.snapshotLogBytes = 6_000
            member.limits.leastDiskBytes = 0
            member.limits.keptEntries = 5
            member.limits.snapshotChunkBytes = 700
            member.limits.snapshotWorkBytes = 1_500
            member.limits.snapshotBacklogBytes = 3_000
        }
        for member in cluster.members { cluster.restart(member.number, losing: .nothing) }
        return cluster
    }

    /// A cluster with 100 entries, and a follower that has a snapshot of its own to take whenever there is anything new, in so
    /// small pieces that it is never done before the leader's comes.
    private func slowSnapshots() -> (VirtualCluster, follower: VirtualMember) {
        let cluster = cluster(3)
        let follower = cluster.members.first { $0.number != cluster.electLeader().number }!
        follower.limits.snapshotLogBytes = 1
        follower.limits.snapshotChunkBytes = 64
        follower.limits.snapshotWorkBytes = 64
        follower.limits.snapshotPause = .milliseconds(50)
        cluster.restart(follower.number)
        fill(cluster, 100)
        return (cluster, follower)
    }

    private func fill(_ cluster: VirtualCluster, _ count: Int, from first: Int = 0, for time: Interval = .seconds(1)) {
        for number in first..<first + count {
            guard let leader = cluster.leader else { continue }
            let value = Value.data(Bytes([UInt8](repeating: UInt8(number % 251), count: 60)))
            cluster.write(.set(key: Bytes(utf8: "key \(number % 40)"), value: value), at: leader.number)
            if number % 10 == 9 { cluster.run(for: .milliseconds(30)) }
        }
        cluster.run(for: time)
    }

    private func expectSame(_ cluster: VirtualCluster, sourceLocation: SourceLocation = #_sourceLocation) {
        let digests = cluster.members.map { $0.replica!.replica.digestOfEverything() }
        #expect(Set(digests).count == 1, "\(cluster.members.map { $0.replica!.replica.appliedIndex })", sourceLocation: sourceLocation)
    }

    @Test("logs are cut behind snapshots while writes go on, and a member starts from its own")
    func compaction() throws {
        let cluster = cluster(3)
        _ = cluster.electLeader()
        fill(cluster, 600)
        for member in cluster.members {
            let view = member.replica!.replica.view
            #expect(view.snapshotIndex > 100 && view.firstIndex > 100, "\(view)")
        }
        let snapshots = cluster.members.map { $0.replica!.replica.view.snapshotIndex }
        for number in 1...3 {
            cluster.restart(number)
            cluster.run(for: .seconds(2))
        }
        expectSame(cluster)
        for (member, index) in zip(cluster.members, snapshots) {
            #expect(member.replica!.replica.view.snapshotIndex >= index)
        }
        #expect(cluster.members[0].replica!.replica.revision == 600)
        fill(cluster, 200, from: 600)
        expectSame(cluster)
    }

    @Test("a member that was away for long, and a new one, get a snapshot, also when it breaks off again and again")
    func installation() throws {
        let cluster = cluster(3, newcomers: 1)
        let leader = cluster.electLeader()
        fill(cluster, 30)
        let away = cluster.members.first { $0.number != leader.number && $0.number < 4 }!
        cluster.isolate(away.number)
        fill(cluster, 500, from: 30)
        #expect(leader.replica!.replica.firstIndex > 300)
        cluster.heal()
        for _ in 0..<3 {
            cluster.run(for: .milliseconds(4))
            cluster.breakTransfers()
            cluster.run(for: .milliseconds(60))
        }
        cluster.run(for: .seconds(2))
        #expect(away.replica!.replica.view.firstIndex > 300 && cluster.snapshotReplies.contains(.installed))
        // A piece that was taken in before is not asked for again.
        let resumed = cluster.snapshotReplies.contains { if case .next(let offset) = $0 { offset > 0 } else { false } }
        #expect(resumed)
        let id = cluster.ask(leader.number, .changeMembers(.add(.init(id: 4, name: "n4", address: "h:4"))))
        #expect(cluster.answer(to: id, at: leader.number)?.members?[4]?.isVoter == true)
        fill(cluster, 20, from: 530)
        expectSame(cluster)
        // What they have is on their disks.
        for number in [away.number, 4] { cluster.restart(number) }
        cluster.run(for: .seconds(2))
        fill(cluster, 20, from: 550)
        expectSame(cluster)
    }

    @Test("a member that has one of its own to take at any time takes the leader's first")
    func yielding() throws {
        let (cluster, away) = slowSnapshots()
        cluster.isolate(away.number)
        fill(cluster, 500, from: 100)
        cluster.heal()
        cluster.run(for: .seconds(3))
        #expect(cluster.snapshotReplies.contains(.installed))
        expectSame(cluster)
    }

    @Test("a member that gave its own snapshot up for the leader's begins no other at once")
    func yieldingForAWhile() throws {
        let (cluster, follower) = slowSnapshots()
        let began = cluster.run(for: .seconds(5)) { follower.replica!.replica.snapshotting != nil }
        #expect(began)
        let view = follower.replica!.replica.view
        follower.turn.snapshotChunks.append(
            SnapshotChunk(
                call: 999, term: view.term, index: view.appliedIndex.advanced(by: 500), indexTerm: view.term, offset: 0, data: "SWsk",
                isLast: false))
        let gaveUp = cluster.run(for: .milliseconds(300)) { follower.replica!.replica.snapshotting == nil }
        #expect(gaveUp)
        let again = cluster.run(for: .milliseconds(500)) { follower.replica!.replica.snapshotting != nil }
        #expect(!again, "the leader asks again, and must find nothing in its way")
    }

    @Test("a small store that wrote its keys again and again has a shorter log than one that only grew")
    func smallStores() throws {
        let cluster = VirtualCluster(1, newcomers: 0, seed: 1)
        let member = cluster.electLeader()
        fill(cluster, 40)
        let growing = member.replica!.replica.allowedLogBytes
        #expect(growing == member.limits.growingLogBytes)
        fill(cluster, 360, from: 40)
        let overwritten = member.replica!.replica.allowedLogBytes
        // A tenth of it made keys: the snapshot of that, the log, and what stays of it are within the bound.
        #expect(overwritten < member.limits.leastDiskBytes * 10 / 13 && overwritten > member.limits.leastDiskBytes / 3)
    }

    @Test("a snapshot goes on with the log, and by itself when nothing is written")
    func pace() throws {
        let pace = SnapshotPace(keyCount: 1_000, logBytes: 500, span: 2_000, now: .zero)
        #expect(pace.isDue(keysDone: 0, logBytes: 500) && !pace.isDue(keysDone: 1, logBytes: 500))
        #expect(pace.isDue(keysDone: 500, logBytes: 1_500) && !pace.isDue(keysDone: 501, logBytes: 1_500))
        #expect(pace.isDue(keysDone: 1_000, logBytes: 2_500))

        let cluster = cluster(1)
        let member = cluster.electLeader()
        member.limits.snapshotWorkBytes = 700
        cluster.restart(member.number)
        cluster.run(for: .seconds(1))
        fill(cluster, 60)
        let before = member.replica!.replica.view.snapshotIndex
        member.replica!.replica.isSnapshotDemanded = true
        fill(cluster, 1, from: 60)
        let isTaken = cluster.run(for: .seconds(3)) { member.replica!.replica.view.snapshotIndex > before }
        #expect(isTaken, "nothing is written meanwhile")
    }

    @Test("each member has its own part of a period to begin a snapshot in, though they count it a little differently")
    func turnsByIndex() {
        var turns: [Set<UInt64>] = []
        for (rank, longest) in [3_010.0, 2_905, 3_067].enumerated() {
            let turn = SnapshotTurn(longest: longest, rank: rank, members: 3)
            #expect(turn.period == 2_816, "eleven sixteenths of 4,096")
            turns.append(Set((UInt64(0)..<40).map { $0 * turn.period + turn.offset }))
            // Wherever it began one, it is in step after three.
            for first in UInt64(1)...6_000 {
                var (last, isInStep) = (first, false)
                for _ in 0..<4 {
                    let next = turn.next(after: last)
                    #expect(next - last > turn.period / 4 && next - last <= turn.longest)
                    #expect(!isInStep || next - last == turn.period)
                    last = next
                    isInStep = isInStep || turns[rank].contains(next)
                }
                #expect(isInStep, "began at \(first)")
            }
        }
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            for mine in turns[a] { #expect(turns[b].allSatisfy { max(mine, $0) - min(mine, $0) > 900 }) }
        }
        let alone = SnapshotTurn(longest: 0.3, rank: 0, members: 1)
        #expect(alone.next(after: 7) == 8)
    }

    @Test("members take turns: no two begin a snapshot at about the same index")
    func turns() throws {
        let cluster = cluster(3)
        for member in cluster.members {
            member.limits.snapshotLogBytes = 60_000
            member.limits.turnBytes = 1
            cluster.restart(member.number, losing: .nothing)
        }
        _ = cluster.electLeader()
        var began: [[UInt64]] = [[], [], []]
        for number in 0..<400 {
            fill(cluster, 10, from: number * 10, for: .milliseconds(5))
            for (at, member) in cluster.members.enumerated() {
                let index = member.replica!.replica.view.snapshotIndex.rawValue
                if index > 0, index != began[at].last { began[at].append(index) }
            }
        }
        // They are in step when the log's entries have been of one size for some periods.
        began = began.map { $0.filter { $0 > 1_300 } }
        #expect(began.allSatisfy { $0.count > 7 }, "\(began)")
        let period = began[0][4] - began[0][3]
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            for index in began[a] { #expect(began[b].allSatisfy { max($0, index) - min($0, index) > period / 6 }, "\(began)") }
        }
    }

    @Test("a member that starts again with a part of the log that it may have takes no snapshot for that")
    func turnAfterRestart() throws {
        let cluster = cluster(1)
        let member = cluster.electLeader()
        member.limits.snapshotLogBytes = 800_000
        member.limits.turnBytes = 1
        cluster.restart(1)
        cluster.run(for: .seconds(1))
        var number = 0
        func part() -> Double {
            let replica = member.replica!
            return Double(replica.replica.storage.logBytesSinceSnapshot) / Double(replica.replica.snapshotSpan.start)
        }
        while member.replica!.replica.view.snapshotIndex == 0 || part() < 0.36 {
            fill(cluster, 1, from: number)
            number += 1
        }
        let before = member.replica!.replica.view.snapshotIndex
        cluster.restart(1)
        cluster.run(for: .seconds(1))
        fill(cluster, 1, from: number)
        #expect(member.replica!.replica.view.snapshotIndex == before)
    }

    @Test("no snapshot begins in a term that the disk does not know yet")
    func termOnDisk() throws {
        let cluster = cluster(3)
        let leader = cluster.electLeader()
        fill(cluster, 20)
        let others = cluster.members.filter { $0.number != leader.number }
        let (slow, next) = (others[0], others[1])
        slow.isDiskHung = true
        cluster.ask(leader.number, .transferLeadership(to: MemberID(UInt64(next.number))))
        let led = cluster.run { cluster.leader?.number == next.number }
        #expect(led)
        fill(cluster, 20, from: 20)
        // What others have committed in the new term it has applied, and its disk knows neither.
        let view = slow.replica!.replica.view
        #expect(view.term == next.replica!.replica.view.term && view.appliedIndex == next.replica!.replica.view.appliedIndex)
        slow.replica!.replica.isSnapshotDemanded = true
        fill(cluster, 5, from: 40)
        #expect(slow.replica!.replica.snapshotting == nil && slow.replica!.replica.isSnapshotDemanded)
        slow.isDiskHung = false
        let taken = cluster.run { slow.replica!.replica.view.snapshotIndex > view.appliedIndex }
        #expect(taken)
        cluster.restart(slow.number)
        fill(cluster, 5, from: 45)
        expectSame(cluster)
    }

    @Test("a transfer that entries overtook does not keep a member from taking snapshots of its own")
    func overtaken() throws {
        let cluster = cluster(3)
        let leader = cluster.electLeader()
        fill(cluster, 10)
        let follower = cluster.members.first { $0.number != leader.number }!
        let view = follower.replica!.replica.view
        follower.turn.snapshotChunks.append(
            SnapshotChunk(
                call: 999, term: view.term, index: view.appliedIndex.advanced(by: 20), indexTerm: view.term, offset: 0,
                data: "SWsk", isLast: false))
        fill(cluster, 600, from: 10)
        #expect(cluster.snapshotReplies.contains(.next(offset: 4)))
        #expect(follower.replica!.replica.view.snapshotIndex > 100)
        expectSame(cluster)
    }

    @Test("sessions survive in snapshots: a repeated request is known to a member that never saw the first")
    func sessions() throws {
        let cluster = cluster(3)
        let leader = cluster.electLeader()
        let away = cluster.members.first { $0.number != leader.number }!
        cluster.isolate(away.number)
        let opened = cluster.answer(to: cluster.ask(leader.number, .openSession()), at: leader.number)?.outcome
        guard case .session(let session)? = opened?.result else { Issue.record("no session"); return }
        let body = Request.Body.write(
            Command.single(.append(key: "once", suffix: "x")).encode(), version: Command.version, session: session, sequence: 1)
        let first = cluster.answer(to: cluster.ask(leader.number, body), at: leader.number)?.outcome
        fill(cluster, 500)
        cluster.heal()
        cluster.run(for: .seconds(2))
        #expect(away.replica!.replica.view.firstIndex > 100)
        let transfer = cluster.ask(leader.number, .transferLeadership(to: away.id))
        _ = cluster.answer(to: transfer, at: leader.number)
        cluster.run(for: .seconds(1))
        #expect(cluster.leader?.number == away.number)
        #expect(cluster.answer(to: cluster.ask(away.number, body), at: away.number)?.outcome == first)
        expectSame(cluster)
    }

    /// A cluster of three with a member that needs a snapshot, and the leader.
    private func withOneBehind() -> (VirtualCluster, away: VirtualMember) {
        let cluster = cluster(3)
        let leader = cluster.electLeader()
        let away = cluster.members.first { $0.number != leader.number }!
        cluster.isolate(away.number)
        fill(cluster, 500)
        return (cluster, away)
    }

    @Test("a read of a member that does not catch up is answered, and not held for ever")
    func readOfOneBehind() throws {
        let (cluster, away) = withOneBehind()
        // What it is sent comes to no end, while it knows how far it would have to be.
        away.isDiskHung = true
        cluster.heal()
        cluster.run(for: .milliseconds(200))
        let read = cluster.read(.get(key: "key 1"), at: away.number)
        let failure = try #require(cluster.answer(to: read, at: away.number, within: .seconds(5))?.failure)
        #expect(failure.code == .unavailable && failure.message.contains("lags behind") && failure.notApplied, "\(failure)")
        away.isDiskHung = false
        cluster.run(for: .seconds(2))
        let again = cluster.read(.get(key: "key 1"), at: away.number)
        #expect(cluster.answer(to: again, at: away.number)?.value != nil)
    }

    @Test("a snapshot for which there is no space is not sent again and again, and comes when there is space")
    func noSpaceForSnapshot() throws {
        let (cluster, away) = withOneBehind()
        away.disk.capacity = away.disk.used + 2_000
        cluster.heal()
        let before = cluster.snapshotReplies.count
        cluster.run(for: .seconds(5))
        #expect(cluster.snapshotReplies.contains(.refused("the disk is full")))
        #expect(cluster.snapshotReplies.count - before < 200, "\(cluster.snapshotReplies.count - before) pieces in five seconds")
        away.disk.capacity = .max
        cluster.run(for: .seconds(12))
        expectSame(cluster)
    }

    @Test("power failures at any instant of writing, sending and installing snapshots lose nothing", arguments: 1...12)
    func storms(seed: Int) throws {
        let cluster = cluster(3, seed: UInt64(seed))
        _ = cluster.electLeader()
        var random = SplitMix64(seed: UInt64(seed) &* 77)
        var acknowledged: UInt64 = 0
        for round in 0..<40 {
            let target = cluster.members[Int(random.next(below: 3))]
            for number in 0..<25 {
                guard let leader = cluster.leader else { break }
                let value = Value.data(Bytes([UInt8](repeating: UInt8(round), count: 80)))
                let id = cluster.write(.set(key: Bytes(utf8: "\(number)"), value: value), at: leader.number)
                if number == 24 { acknowledged = max(acknowledged, cluster.answer(to: id, at: leader.number, within: .milliseconds(200))?.outcome?.revision ?? 0) }
            }
            switch random.next(below: 6) {
            case 0: cluster.isolate(target.number)
            case 1: cluster.heal()
            case 2:
                cluster.breakTransfers()
                cluster.heal()
            case 3, 4:
                cluster.run(for: .microseconds(random.next(below: 20_000)))
                cluster.restart(target.number, losing: random.next(below: 2) == 0 ? .everything : .someSectors)
            default: cluster.run(for: .milliseconds(random.next(below: 500)))
            }
            for member in cluster.members { #expect(member.failure == nil, "seed \(seed): \(String(describing: member.failure))") }
        }
        cluster.heal()
        cluster.breakTransfers()
        cluster.run(for: .seconds(5))
        expectSame(cluster)
        #expect(cluster.members[0].replica!.replica.revision >= acknowledged && acknowledged > 0)
        #expect(cluster.members.allSatisfy { $0.replica!.replica.view.snapshotIndex > 0 })
    }
}
