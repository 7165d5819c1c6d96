import Base
import Consensus
import Keyspace
import Replica
import Testing

@Suite("Changes of members")
struct MembershipTests {
    private func member(_ number: Int, _ standing: Configuration.Standing = .voter) -> Configuration.Member {
        .init(id: MemberID(UInt64(number)), name: "n\(number)", address: "h:\(number)", standing: standing)
    }

    private func change(_ cluster: VirtualCluster, _ change: MemberChange, within limit: Interval = .seconds(10)) -> Answer.Result? {
        guard let leader = cluster.leader else { return nil }
        return cluster.answer(to: cluster.ask(leader.number, .changeMembers(change)), at: leader.number, within: limit)
    }

    @Test("a newcomer catches up, votes, and the request is answered when it does; then every original one is replaced")
    func replaceAll() throws {
        let cluster = VirtualCluster(3, newcomers: 3)
        _ = cluster.electLeader()
        for number in 0..<200 { cluster.write(.set(key: "k", value: .data(Bytes(utf8: "\(number)"))), at: cluster.leader!.number) }
        cluster.run(for: .seconds(1))
        for number in 1...3 {
            let grown = try #require(change(cluster, .add(member(number + 3)))?.members)
            #expect(grown[MemberID(UInt64(number + 3))]?.isVoter == true && grown.voters.count == 4)
            cluster.run(until: { cluster.leader != nil })
            let shrunk = try #require(change(cluster, .remove(name: "n\(number)"))?.members)
            #expect(shrunk.voters.count == 3 && shrunk[name: "n\(number)"] == nil)
            cluster.run(until: { cluster.leader != nil && cluster.leader!.number != number })
        }
        cluster.run(for: .seconds(2))
        let leader = try #require(cluster.leader)
        #expect(leader.number > 3 && leader.replica!.replica.configuration.voters == [4, 5, 6])
        let id = cluster.write(.set(key: "k", value: .data("last")), at: leader.number)
        #expect(cluster.answer(to: id, at: leader.number)?.outcome?.revision == 201)
        cluster.run(for: .seconds(1))
        for member in cluster.members[3...] { #expect(member.replica!.replica.revision == 201) }
        // Two of those that left while others led were told.
        #expect(cluster.members[..<3].contains { $0.replica!.replica.isRemoved })
    }

    @Test("a newcomer and an operator may ask for the same: both hear when it votes")
    func askedTwice() throws {
        let cluster = VirtualCluster(3, newcomers: 1)
        let leader = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        cluster.isolate(4)
        let first = cluster.ask(leader.number, .changeMembers(.add(member(4))))
        cluster.run(for: .milliseconds(100))
        let second = cluster.ask(leader.number, .changeMembers(.add(member(4))))
        cluster.run(for: .milliseconds(100))
        cluster.heal()
        for id in [first, second] {
            #expect(cluster.answer(to: id, at: leader.number)?.members?[4]?.isVoter == true)
        }
    }

    @Test("what cannot be done is refused in words, and a second change while one is under way")
    func refusals() throws {
        let cluster = VirtualCluster(3, newcomers: 2)
        let leader = cluster.electLeader()
        cluster.run(for: .milliseconds(200))
        func refusal(_ step: MemberChange) -> Failure? { change(cluster, step)?.failure }
        #expect(refusal(.remove(name: "n9"))?.message == "no member is called n9")
        #expect(refusal(.add(.init(id: 9, name: "n1", address: "h:9")))?.code == .failedPrecondition)
        let follower = cluster.members.first { $0.number != leader.number }!
        let asked = cluster.ask(follower.number, .changeMembers(.remove(name: "n1")))
        #expect(cluster.answer(to: asked, at: follower.number)?.failure == .notLeader)
        // The newcomer cannot be reached: the caller hears what holds it back.
        cluster.isolate(4)
        let late = cluster.ask(
            leader.number, .changeMembers(.add(member(4))), deadline: cluster.now + .seconds(3))
        cluster.run(for: .milliseconds(100))
        #expect(refusal(.add(member(5)))?.message == "another change of members is under way: one at a time")
        let failure = try #require(cluster.answer(to: late, at: leader.number)?.failure)
        #expect(failure.code == .deadlineExceeded && failure.message.contains("n4 is a learner now"), "\(failure)")
        // It is a learner, and asked again, and reachable, it becomes a voter.
        cluster.heal()
        let grown = try #require(change(cluster, .add(member(4)))?.members)
        #expect(grown[4]?.isVoter == true)
        #expect(change(cluster, .add(member(5, .learner)))?.members?[5]?.standing == .learner)
        #expect(change(cluster, .setVoting(false, name: "n4"))?.members?[4]?.standing == .learner)
        #expect(change(cluster, .add(.init(id: 5, name: "n5", address: "moved:5", standing: .learner)))?.members?[5]?.address == "moved:5")
        #expect(change(cluster, .setPriority(3, name: "n2"))?.members?[2]?.priority == 3)
    }
}
