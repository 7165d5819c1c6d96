import Base
import Consensus
import Keyspace
import Replica
import Testing

@Suite("Sessions of a whole cluster")
struct SessionTests {
    private func append(_ session: UInt64, _ sequence: UInt64) -> Request.Body {
        let command = Command.single(.append(key: "k", suffix: "x"))
        return .write(command.encode(), version: Command.version, session: session, sequence: sequence)
    }

    private func open(_ cluster: VirtualCluster, at number: Int) -> UInt64 {
        let outcome = cluster.answer(to: cluster.ask(number, .openSession()), at: number)?.outcome
        guard case .session(let id)? = outcome?.result else {
            Issue.record("a session was to be opened: \(String(describing: outcome))")
            return 0
        }
        return id
    }

    @Test("a request that is sent again, to whomever, is applied once and answered as the first time")
    func again() throws {
        let cluster = VirtualCluster(3)
        let leader = cluster.electLeader()
        let follower = cluster.members.first { $0.number != leader.number }!
        let session = open(cluster, at: follower.number)
        #expect(session > 0)
        var answers: [Outcome?] = []
        for number in [follower.number, leader.number, follower.number] {
            answers.append(cluster.answer(to: cluster.ask(number, append(session, 1)), at: number)?.outcome)
        }
        #expect(answers[0]?.result == .single(.appended(length: 1)) && answers.allSatisfy { $0 == answers[0] })
        // Both before either is committed.
        let twice = [cluster.ask(leader.number, append(session, 2)), cluster.ask(leader.number, append(session, 2))]
        for id in twice {
            #expect(cluster.answer(to: id, at: leader.number)?.outcome?.result == .single(.appended(length: 2)))
        }
        cluster.run(for: .seconds(1))
        for member in cluster.members { #expect(member.replica!.replica.revision == 2) }
    }

    @Test("the next leader knows what the last one answered, and what it never answered is applied once")
    func nextLeader() throws {
        let cluster = VirtualCluster(3)
        let first = cluster.electLeader()
        let session = open(cluster, at: first.number)
        let one = cluster.answer(to: cluster.ask(first.number, append(session, 1)), at: first.number)?.outcome
        // The second gets into the log, and its answer is lost with the leader.
        cluster.ask(first.number, append(session, 2))
        cluster.run(for: .milliseconds(20))
        cluster.isolate(first.number)
        cluster.run(until: { cluster.leader != nil && cluster.leader!.number != first.number })
        let next = try #require(cluster.leader)
        #expect(cluster.answer(to: cluster.ask(next.number, append(session, 1)), at: next.number)?.outcome == one)
        let two = cluster.answer(to: cluster.ask(next.number, append(session, 2)), at: next.number)?.outcome
        #expect(two?.result == .single(.appended(length: 2)))
        cluster.heal()
        cluster.run(for: .seconds(2))
        for member in cluster.members { #expect(member.replica!.replica.revision == 2) }
    }

    @Test("a session that is closed, and one that never was, is told from one that is open")
    func closed() throws {
        let cluster = VirtualCluster(1)
        let leader = cluster.electLeader()
        let session = open(cluster, at: leader.number)
        let zero = cluster.answer(to: cluster.ask(leader.number, append(session, 0)), at: leader.number)?.failure
        #expect(zero?.code == .invalidArgument)
        let end = cluster.answer(to: cluster.ask(leader.number, .closeSession(session)), at: leader.number)?.outcome
        #expect(end?.result == Outcome.Result.none)
        for id in [session, 4_711] {
            let outcome = cluster.answer(to: cluster.ask(leader.number, append(id, 1)), at: leader.number)?.outcome
            guard case .failed(let failure)? = outcome?.result else { Issue.record("\(String(describing: outcome))"); return }
            #expect(failure.reason == .sessionExpired(session: id))
            let told = Failure(failure, inTransaction: false)
            #expect(told.code == .failedPrecondition && !told.notApplied && told.message.hasPrefix("session expired"))
        }
        #expect(leader.replica!.replica.revision == 0)
    }
}
