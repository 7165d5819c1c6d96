import Base
import Consensus
import Keyspace
import Replica
import Testing

@Suite("Reads of a whole member")
struct ReadTests {
    @Test("a read on any member sees every write that was acknowledged before it", arguments: 1...3)
    func readYourWrites(reader: Int) throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        for round in 0..<5 {
            let value = Value.data(Bytes(utf8: "\(round)"))
            let write = cluster.write(.set(key: "a", value: value), at: leader.number)
            #expect(cluster.answer(to: write, at: leader.number)?.outcome != nil)
            let read = cluster.read(.get(key: "a"), at: reader)
            #expect(cluster.answer(to: read, at: reader)?.value == value)
        }
    }

    @Test("reads cost no entry, and those that wait share a round")
    func readsShareARound() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        let last = leader.replica!.replica.view.lastIndex
        let sent = cluster.sent.count
        let ids = (0..<100).map { _ in cluster.read(.get(key: "a"), at: leader.number) }
        cluster.run(for: .milliseconds(20)) { ids.allSatisfy { leader.answers[$0] != nil } }
        #expect(ids.allSatisfy { leader.answers[$0]?.outcome != nil })
        #expect(leader.replica!.replica.view.lastIndex == last)
        #expect(cluster.sent.count - sent <= 8, "100 reads took \(cluster.sent.count - sent) messages")
    }

    @Test("a leader that was cut off answers no read with what is old")
    func cutOffLeader() throws {
        let cluster = VirtualCluster(3)
        let old = cluster.electLeader()
        let first = cluster.write(.set(key: "a", value: .data("old")), at: old.number)
        #expect(cluster.answer(to: first, at: old.number)?.outcome != nil)
        cluster.isolate(old.number)
        let read = cluster.read(.get(key: "a"), at: old.number)
        let successor = cluster.electLeader()
        let second = cluster.write(.set(key: "a", value: .data("new")), at: successor.number)
        #expect(cluster.answer(to: second, at: successor.number)?.outcome != nil)
        #expect(old.answers[read]?.value == nil, "an answer without a quorum")
        cluster.heal()
        // It is asked again of the new leader, or refused: never answered with the old value.
        let answer = cluster.answer(to: read, at: old.number)
        #expect(answer?.value == .data("new") || answer?.failure?.code == .unavailable)
    }

    @Test("a local read is answered at once, also by a member that is alone")
    func localReads() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        let write = cluster.write(.set(key: "a", value: .data("1")), at: leader.number)
        #expect(cluster.answer(to: write, at: leader.number)?.outcome != nil)
        cluster.run(for: .seconds(1))
        cluster.isolate(3)
        let read = cluster.read(.get(key: "a"), at: 3, .local)
        #expect(cluster.answer(to: read, at: 3, within: .milliseconds(1))?.value == .data("1"))
    }

    @Test("a local read tells what it is as of, and how long ago its member heard a leader")
    func ageOfLocalReads() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        let away = leader.number % 3 + 1
        #expect(try age(of: cluster.read(.get(key: "a"), at: leader.number, .local), leader.number, cluster).leaderHeard == .zero)
        cluster.isolate(away)
        let before = try age(of: cluster.read(.get(key: "a"), at: away, .local), away, cluster)
        let write = cluster.write(.set(key: "a", value: .data("1")), at: leader.number)
        #expect(cluster.answer(to: write, at: leader.number)?.outcome != nil)
        cluster.run(for: .seconds(3))
        let after = try age(of: cluster.read(.get(key: "a"), at: away, .local), away, cluster)
        #expect(after.appliedIndex == before.appliedIndex)
        #expect(after.leaderHeard ?? .zero >= .seconds(3) && before.leaderHeard ?? .seconds(9) < .milliseconds(100))
        cluster.restart(away)
        #expect(try age(of: cluster.read(.get(key: "a"), at: away, .local), away, cluster).leaderHeard == nil)
        cluster.heal()
        cluster.run(for: .seconds(2))
        let healed = try age(of: cluster.read(.get(key: "a"), at: away, .local), away, cluster)
        #expect(healed.appliedIndex > before.appliedIndex && healed.leaderHeard ?? .seconds(9) < .milliseconds(100))
    }

    private func age(of read: RequestID, _ number: Int, _ cluster: VirtualCluster) throws -> LocalAge {
        #expect(cluster.answer(to: read, at: number, within: .milliseconds(1))?.outcome != nil)
        return try #require(cluster[number].ages[read])
    }

    @Test("reads by lease cost no message while the lease lasts, and see every write before them")
    func leaseReads() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        // The first finds no lease: it is as any other, and its round gives one.
        let first = cluster.read(.get(key: "a"), at: leader.number, .lease)
        #expect(cluster.answer(to: first, at: leader.number)?.outcome != nil)
        for round in 0..<20 {
            let value = Value.data(Bytes(utf8: "\(round)"))
            let write = cluster.write(.set(key: "a", value: value), at: leader.number)
            #expect(cluster.answer(to: write, at: leader.number)?.outcome != nil)
            cluster.run(for: .milliseconds(70))
            let sent = cluster.sent.count
            let ids = (0..<50).map { _ in cluster.read(.get(key: "a"), at: leader.number, .lease) }
            cluster.run(for: .microseconds(1)) { ids.allSatisfy { leader.answers[$0] != nil } }
            #expect(ids.allSatisfy { leader.answers[$0]?.value == value })
            #expect(cluster.sent.count == sent, "50 reads by lease took messages")
        }
        // A follower asks the leader.
        let away = leader.number % 3 + 1
        let read = cluster.read(.get(key: "a"), at: away, .lease)
        #expect(cluster.answer(to: read, at: away)?.value == .data("19"))
    }

    @Test("a leader that was cut off reads nothing by lease when another one may lead")
    func leaseOfACutOffLeader() throws {
        let cluster = VirtualCluster(3)
        let old = cluster.electLeader()
        let write = cluster.write(.set(key: "a", value: .data("old")), at: old.number)
        #expect(cluster.answer(to: write, at: old.number)?.outcome != nil)
        let first = cluster.read(.get(key: "a"), at: old.number, .lease)
        #expect(cluster.answer(to: first, at: old.number)?.value == .data("old"))
        cluster.isolate(old.number)
        var successor: VirtualMember?
        for _ in 0..<400 where successor == nil {
            let read = cluster.read(.get(key: "a"), at: old.number, .lease)
            cluster.run(for: .milliseconds(5))
            successor = cluster.members.first { $0.number != old.number && $0.replica?.replica.role == .leader }
            if successor != nil { #expect(old.answers[read] == nil, "a lease outlived its promise") }
        }
        #expect(successor != nil)
        let last = cluster.read(.get(key: "a"), at: old.number, .lease)
        cluster.run(for: .milliseconds(50))
        #expect(old.answers[last]?.value == nil)
    }

    @Test("a transaction of too many reads is refused, as one of too many writes is")
    func tooManyReads() {
        let cluster = VirtualCluster(1)
        _ = cluster.electLeader()
        let reads = [Operation](repeating: .get(key: "a"), count: Limits().operations + 1)
        for (count, code) in [(reads.count, Failure.Code.invalidArgument), (reads.count - 1, nil)] as [(Int, Failure.Code?)] {
            let read = cluster.ask(1, .read(.transaction(Array(reads[..<count])), .linearizable))
            #expect(cluster.answer(to: read, at: 1)?.failure?.code == code)
        }
    }

    @Test("a new leader answers no read before an entry of its own term is committed")
    func readsWaitForTheNoOperation() throws {
        let cluster = VirtualCluster(3)
        let first = cluster.electLeader()
        let write = cluster.write(.set(key: "a", value: .data("1")), at: first.number)
        #expect(cluster.answer(to: write, at: first.number)?.outcome != nil)
        cluster.run(for: .milliseconds(200))
        cluster.isolate(first.number)
        // The successor gets votes, but nothing that it appends is acknowledged.
        cluster.lets = { message in
            if case .appendEntriesReply = message.body { false } else { true }
        }
        let elected = cluster.run(for: .seconds(5)) { cluster.leader != nil && cluster.leader!.number != first.number }
        #expect(elected)
        let successor = try #require(cluster.leader)
        let read = cluster.read(.get(key: "a"), at: successor.number)
        cluster.run(for: .milliseconds(100))
        #expect(successor.answers[read]?.outcome == nil)
    }

    @Test("a frozen keyspace and the member's own log are given on request")
    func frozenAndLog() throws {
        let cluster = VirtualCluster(1)
        _ = cluster.electLeader()
        for number in 0..<300 {
            let write = cluster.write(.set(key: Bytes(utf8: "key\(number)"), value: .data("v")), at: 1)
            #expect(cluster.answer(to: write, at: 1)?.outcome != nil)
        }
        let freeze = cluster.ask(1, .freeze(.linearizable))
        guard case .frozen(let frozen) = cluster.answer(to: freeze, at: 1) else {
            Issue.record("no frozen keyspace")
            return
        }
        #expect(frozen.count == 300)
        var next: Index = 1
        while true {
            let read = cluster.ask(1, .log(from: next, maxBytes: 1000))
            guard case .log(let entries, let commitIndex) = cluster.answer(to: read, at: 1) else {
                Issue.record("no log")
                return
            }
            guard let last = entries.last else { break }
            #expect(entries.map(\.index) == Array(next...last.index))
            #expect(commitIndex == 301)
            next = last.index.next
        }
        #expect(next == 302)
    }
}
