import Base
import Consensus
import DequeModule
import Keyspace

// Reads without log entries (dissertation 6.4): all that wait at the same time share one read index.
extension Replica {
    mutating func gather(_ request: Request, _ expiry: Instant) {
        if raft.leader == nil {
            hold(request, until: expiry)
        } else {
            gatheredReads.append(HeldRequest(request: request, expiry: expiry))
        }
    }

    /// At once where this member leads and holds a lease (6.4.1). Its time is that of the turn, which is read after the
    /// request was: a process that stands still in between reads nothing stale.
    mutating func readByLease(_ request: Request, _ expiry: Instant, into effects: inout ReplicaEffects) {
        if raft.role == .leader { input.wantsLease = true }
        guard let index = raft.leaseReadIndex(at: now) else { return gather(request, expiry) }
        if index <= keyspace.appliedIndex {
            answerRead(request, into: &effects)
        } else if let last = confirmed.indices.last, confirmed[last].index >= index {
            confirmed[last].requests.append(HeldRequest(request: request, expiry: expiry))
        } else {
            confirmed.append(
                ConfirmedRound(
                    index: index, expiry: now + limits.leaderWait,
                    requests: [HeldRequest(request: request, expiry: expiry)]))
        }
    }

    /// Begins a round for the reads that gathered, unless enough rounds are under way: then they wait for the next.
    mutating func gatherReads() {
        guard !gatheredReads.isEmpty, rounds.count < limits.maxReadRounds else { return }
        lastReadToken += 1
        let token = ReadToken(lastReadToken)
        rounds.append(ReadRound(token: token, requests: gatheredReads))
        gatheredReads = []
        gatheredReads.reserveCapacity(rounds.last?.requests.count ?? 0)
        input.reads.append(token)
    }

    mutating func settleRounds(into effects: inout ReplicaEffects) {
        for answer in raftEffects.reads {
            guard let position = rounds.firstIndex(where: { $0.token == answer.token }) else {
                preconditionFailure("a read index for a round that does not wait for one")
            }
            let round = rounds.remove(at: position)
            switch answer.outcome {
            case .ready(let index):
                // A read by lease may have come later and need more.
                confirmed.append(
                    ConfirmedRound(
                        index: max(index, confirmed.last?.index ?? 0), expiry: now + limits.leaderWait,
                        requests: round.requests))
            case .lostLeadership, .noLeader, .overloaded:
                // Nothing was read: another leader may be asked, as long as the caller waits.
                pauseDispatch()
                for waiting in round.requests { hold(waiting.request, until: waiting.expiry) }
            }
        }
    }

    /// One that never comes to hold what it was told to read, as it was removed or is cut off, does not let its callers wait
    /// for ever.
    mutating func answerConfirmedReads(into effects: inout ReplicaEffects) {
        while let round = confirmed.first {
            let isApplied = round.index <= keyspace.appliedIndex
            guard isApplied || round.expiry <= now else { return }
            confirmed.removeFirst()
            for waiting in round.requests {
                if isApplied {
                    answerRead(waiting.request, into: &effects)
                } else {
                    answer(waiting.request.id, size: 0, .failed(.behind), into: &effects)
                }
            }
        }
    }

    /// What a local read tells beside its answer. A message that came in this turn is heard after it.
    var age: LocalAge { LocalAge(appliedIndex: keyspace.appliedIndex, leaderHeard: raft.leaderHeard(before: now)) }

    mutating func answerRead(_ request: Request, age: LocalAge? = nil, into effects: inout ReplicaEffects) {
        switch request.body {
        case .read(let command, _):
            // A transaction of half a million reads would hold up the loop as long as an election takes.
            if let refusal = keyspace.refusal(for: command, limits: limits.keyspace) {
                answer(request.id, size: 0, .failed(Failure(refusal)), into: &effects)
            } else {
                answer(request.id, size: 0, .outcome(keyspace.read(command)), age: age, into: &effects)
            }
        case .freeze:
            answer(request.id, size: 0, .frozen(keyspace.frozen()), age: age, into: &effects)
        case .propose, .log, .changeMembers, .transferLeadership:
            preconditionFailure("only reads are gathered into rounds")
        }
    }
}
