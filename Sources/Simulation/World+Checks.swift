import Base
import Consensus
import Keyspace
internal import LogFormat
import Replica
import Storage

// The checkers that look at every step. Each cites what it holds.
extension World {
    /// After a step, before its effects are obeyed.
    func look(at member: SimulatedMember, _ process: SimulatedMember.Process, _ glance: Glance) {
        swap(&process.replica.record, &member.record)
        if let write = member.record?.write { checkLog(write, member, process) }
        if glance.commitIndex > member.last.commitIndex { checkCommit(glance, member, process) }
        // What a leader commits it commits before it changes anything.
        if let write = member.record?.write { followConfigurations(write, glance, member, process) }
        checkConfiguration(glance, member, process)
        if let applied = member.record?.applied, !applied.isEmpty { checkApplied(applied, member) }
        member.record?.removeAll()
        checkKeyspace(glance, member)
        if glance.term > member.last.term { checkTerm(glance, member) }
        if glance.role == .leader, member.last.role != .leader || glance.term != member.last.term {
            checkLeader(glance, member, process)
        }
        if glance.role == .leader { checkRetirement(glance, member) }
        for place in member.effects.send.indices { check(member.effects.send[place], of: member) }
        if member.effects.failure == nil { checkBounds(glance, member) }
        checkDisk(glance, member)
        hash.fold(
            now, 5 << 8 | member.number,
            glance.term.rawValue << 40 ^ glance.lastIndex.rawValue << 20 ^ glance.commitIndex.rawValue << 4
                ^ UInt64(glance.role.rawValue))
        statistics.highestTerm = max(statistics.highestTerm, glance.term.rawValue)
        listen(glance, member)
        member.last.role = glance.role
        member.last.term = glance.term
        member.last.commitIndex = glance.commitIndex
        member.last.appliedIndex = glance.appliedIndex
    }

    /// Log matching (figure 3.2).
    private func checkLog(_ write: Write, _ member: SimulatedMember, _ process: SimulatedMember.Process) {
        if let from = write.truncateFrom, from <= member.last.commitIndex {
            report("committed", "n\(member.number) cut its log from \(from) on, and had committed \(member.last.commitIndex)")
        }
        guard let first = write.entries.first else { return }
        var previous: UInt64 = 0
        if first.index > 1 { previous = process.replica.term(at: first.index.previous)?.rawValue ?? 0 }
        for entry in write.entries {
            guard oracle.note(entry, previousTerm: previous) else {
                return report(
                    "log-matching",
                    "n\(member.number) has another entry \(entry.index) of term \(entry.term) than others, or another one before it")
            }
            previous = entry.term.rawValue
        }
    }

    /// State machine safety, of the log: what is committed stays, and is on a quorum's disks.
    private func checkCommit(_ glance: Glance, _ member: SimulatedMember, _ process: SimulatedMember.Process) {
        var index = Int(member.last.commitIndex.rawValue) + 1
        let last = Int(glance.commitIndex.rawValue)
        // What a snapshot covers was committed before it was taken.
        index = max(index, min(Int(glance.baseIndex.rawValue), oracle.committed.count))
        if index == 0 { index = 1 }
        while index <= last {
            let term = process.replica.term(at: Index(UInt64(index)))?.rawValue ?? 0
            if index <= oracle.committed.count {
                guard oracle.committed[index - 1] == term else {
                    return report(
                        "committed",
                        "n\(member.number) commits entry \(index) of term \(term), and it was committed with term \(oracle.committed[index - 1])")
                }
            } else {
                let voters = member.configuration.voters
                let copies = copies(of: index, term, among: voters)
                guard copies > voters.count / 2 else {
                    return report(
                        "durable-quorum",
                        "n\(member.number) commits entry \(index) of term \(term), which is durable on \(copies) of \(voters.count) voters")
                }
                if oracle.commit(index, term, in: glance.term.rawValue, by: voters) { publish(oracle.inForce) }
                if let operation = oracle.operation(at: index, term) { checkOnce(operation, at: index) }
            }
            index += 1
        }
        // "Only log entries from the leader's current term are committed by counting replicas" (3.6.2).
        if glance.role == .leader, member.last.role == .leader,
            process.replica.term(at: glance.commitIndex) != glance.term {
            return report("committed", "n\(member.number) leads term \(glance.term) and commits entry \(glance.commitIndex) of an earlier one")
        }
        for other in members where other.last.role == .leader && other.last.term > glance.term && other.isUp {
            guard let process = other.process else { continue }
            checkCompleteness(other, process, term: other.last.term)
        }
    }

    /// How many of them have this entry for certain. A disk that was lost later counts: it had it.
    func copies(of index: Int, _ term: UInt64, among voters: MemberSet) -> Int {
        var count = 0
        for member in members where voters.contains(member.number) && member.durable.holds(index, term) { count += 1 }
        return count
    }

    /// "If a server has applied a log entry at a given index, no other server will ever apply a different one for the
    /// same index" (figure 3.2), and the keyspaces are the same after it.
    private func checkApplied(_ applied: [StepRecord.Applied], _ member: SimulatedMember) {
        for entry in applied {
            let index = Int(entry.index.rawValue)
            guard index <= oracle.committed.count, oracle.committed[index - 1] == entry.term.rawValue else {
                return report("state-machine", "n\(member.number) applies entry \(index) of term \(entry.term), which is not committed")
            }
            if index <= oracle.digests.count {
                guard oracle.digests[index - 1] == entry.digest else {
                    return report("state-machine", "n\(member.number) has another keyspace after entry \(index) than others had")
                }
            } else {
                checkSession(entry)
                oracle.digests.append(entry.digest)
                while oracle.indexOfRevision.count < Int(entry.revision) { oracle.indexOfRevision.append(index) }
            }
        }
    }

    /// The same again of the whole, for one who got it from a snapshot.
    private func checkKeyspace(_ glance: Glance, _ member: SimulatedMember) {
        guard glance.appliedIndex != member.last.appliedIndex else { return }
        if glance.appliedIndex < member.last.appliedIndex {
            return report("state-machine", "n\(member.number) had applied \(member.last.appliedIndex) and goes back to \(glance.appliedIndex)")
        }
        let index = Int(glance.appliedIndex.rawValue)
        guard index <= oracle.digests.count, oracle.digests[index - 1] == glance.digest else {
            return report("state-machine", "n\(member.number) has another keyspace at entry \(index) than others had")
        }
    }

    /// "At most one leader can be elected in a given term", and it has all that is committed (figure 3.2).
    private func checkLeader(_ glance: Glance, _ member: SimulatedMember, _ process: SimulatedMember.Process) {
        statistics.elections += 1
        let term = glance.term.rawValue
        if let other = oracle.leaders[term], other != member.number {
            return report("election-safety", "n\(member.number) leads term \(term), and so does n\(other)")
        }
        oracle.leaders[term] = member.number
        checkBallot(of: member, term)
        checkLeases(against: member, in: glance.term)
        checkCompleteness(member, process, term: glance.term)
    }

    /// While somebody holds a lease nobody else can be elected in a later term (6.4.1), unless a clock has leapt. Votes that come
    /// late may still make one the leader of an earlier term: it can commit nothing, and answers no reads.
    private func checkLeases(against elected: SimulatedMember, in term: Term) {
        guard plan.checksLeases, now >= leaptUntil else { return }
        for member in members where member.isUp && member.number != elected.number {
            guard let process = member.process, process.replica.term < term,
                process.replica.holdsLease(at: member.clock.instant(at: now))
            else { continue }
            report("lease", "n\(elected.number) leads a new term while n\(member.number) holds a lease")
        }
    }

    /// "If a log entry is committed in a given term, then that entry will be present in the logs of the leaders for all
    /// higher-numbered terms" (figure 3.2). With log matching the last one speaks for those before it.
    private func checkCompleteness(_ member: SimulatedMember, _ process: SimulatedMember.Process, term: Term) {
        let index = oracle.lastCommitted(before: term.rawValue)
        guard index > 0, index > process.replica.firstIndex.rawValue,
            process.replica.term(at: Index(UInt64(index)))?.rawValue != oracle.committed[index - 1]
        else { return }
        report("leader-completeness", "n\(member.number) leads term \(term) and lacks entry \(index), which is committed")
    }

    /// A leader's disk hangs, the others commit without it, and it leads on: nothing new can be written (hashicorp/raft 503).
    private func checkDisk(_ glance: Glance, _ member: SimulatedMember) {
        let before = member.last.stuck
        let isStuck = glance.role == .leader && glance.durableIndex < glance.commitIndex
        // One that stands still notices nothing.
        let goesOn = isStuck && glance.durableIndex == before.durable && now < before.turn + 400_000_000
        member.last.stuck = (glance.durableIndex, goesOn ? before.since : now, now)
        guard goesOn, now >= before.since + 3_000_000_000 else { return }
        report("stuck-leader", "n\(member.number) leads while its disk has not got beyond entry \(glance.durableIndex) for 3 s")
    }

    /// What leaves must be durable: votes (3.8), once in a term (3.4), and acknowledgements.
    private func check(_ message: Message, of member: SimulatedMember) {
        switch message.body {
        case .requestVoteReply(let reply) where reply.voteGranted && !reply.preVote:
            let term = message.term.rawValue
            let last = oracle.votes[member.number]
            if term < last.term || term == last.term && last.candidate != message.to {
                return report("hard-state", "n\(member.number) votes for n\(message.to.rawValue) in term \(term), after n\(last.candidate.rawValue) in term \(last.term)")
            }
            oracle.votes[member.number] = (term, message.to)
            count(message, preVote: false)
            let durable = member.durable.hardState
            guard durable.term.rawValue > term || durable.term.rawValue == term && durable.votedFor == message.to else {
                return report("hard-state", "n\(member.number) votes in term \(term) before its vote is on disk")
            }
        case .requestVote(let request) where !request.preVote:
            // What waited for a disk that hung may leave when its sender has long given up, and was removed.
            if let process = member.process, process.replica.role == .candidate { checkCandidate(member) }
            let durable = member.durable.hardState
            guard durable.term >= message.term else {
                return report("hard-state", "n\(member.number) campaigns in term \(message.term) before it is on disk")
            }
            if !request.disruptLeader { checkPreVotes(of: member, message.term.rawValue) }
        case .requestVote: checkCandidate(member)
        case .requestVoteReply(let reply) where reply.voteGranted:
            count(message, preVote: true)
            checkPatience(of: member, message)
        case .timeoutNow: checkTransfer(message, member)
        case .appendEntriesReply(let reply):
            guard case .success(let match) = reply.result else { return }
            guard member.durable.hardState.term >= message.term else {
                return report("hard-state", "n\(member.number) follows in term \(message.term) before it is on disk")
            }
            guard Int(match.rawValue) <= member.durable.count else {
                return report("hard-state", "n\(member.number) acknowledges entry \(match), and has \(member.durable.count) on disk")
            }
        default: break
        }
    }

    /// Law 11: everything that a member holds has a bound.
    private func checkBounds(_ glance: Glance, _ member: SimulatedMember) {
        let limits = plan.replicaLimits
        if glance.requests > limits.maxRequests || glance.requestBytes > limits.maxRequestBytes || glance.requests < 0 {
            return report("memory-bounds", "n\(member.number) holds \(glance.requests) requests of \(glance.requestBytes) bytes")
        }
        let needed = min(glance.appliedIndex, glance.durableIndex)
        if glance.bytesInMemory > plan.parameters.tailBytes, glance.firstIndexInMemory <= min(member.last.appliedIndex, needed) {
            return report(
                "memory-bounds",
                "n\(member.number) keeps \(glance.bytesInMemory) bytes from entry \(glance.firstIndexInMemory) on, and \(needed) is applied and durable")
        }
        // Each leader, and each connection of one, may have that much on its way; the batch that reaches a limit still goes.
        let onTheirWay =
            plan.parameters.maxInflightBytes + plan.parameters.maxBatchBytes + plan.parameters.maxUncommittedBytes
        if glance.backlogBytes > 4 * onTheirWay + limits.proposeBytesPerTurn {
            return report("memory-bounds", "n\(member.number) holds \(glance.backlogBytes) bytes for its disk")
        }
    }

    /// What a disk had synced is found again (3.8), and nothing but that, or what was on its way.
    func judge(_ recovered: borrowing Recovered, of member: SimulatedMember) {
        var terms = [UInt64](repeating: DurableState.covered, count: Int(recovered.firstIndex.rawValue) - 1)
        for place in recovered.runs.indices {
            let end = place + 1 < recovered.runs.count ? recovered.runs[place + 1].first : recovered.lastIndex.next
            let count = recovered.runs[place].first.distance(to: end)
            terms.append(contentsOf: repeatElement(recovered.runs[place].term.rawValue, count: count))
        }
        if !member.durable.mayBe(terms) {
            report("recovery", "n\(member.number) had \(member.durable.count) entries synced, and finds \(terms.count) or others")
        }
        if recovered.hardState != member.durable.hardState, recovered.hardState != member.durable.nextHardState {
            report(
                "hard-state",
                "n\(member.number) had synced term \(member.durable.hardState.term), vote \(String(describing: member.durable.hardState.votedFor)), and finds term \(recovered.hardState.term), vote \(String(describing: recovered.hardState.votedFor))")
        }
        let snapshot = recovered.snapshot.map { (index: Int($0.index.rawValue), term: $0.term.rawValue) }
        member.durable.found(terms, snapshot: snapshot, recovered.hardState)
        find(terms, covered: snapshot?.index ?? 0, member)
    }

    // MARK: The calm

    /// Within `Plan.liveness` of the calm there is a leader, and a write has succeeded.
    func demandLiveness() {
        let leader = members.first { $0.isUp && $0.last.role == .leader }
        if leader == nil {
            return report("liveness", "nobody leads \(Plan.liveness.shown) after the calm began")
        }
        if clients.lastWrite < plan.storm.nanoseconds {
            report("liveness", "no write succeeded within \(Plan.liveness.shown) after the calm began")
        }
        begin(errand: [.handOver])
    }

    /// In the end all members of the configuration that is in force have applied all that is committed, hold the same, and
    /// nobody owes an answer.
    func demandAgreement() {
        isOver = true
        if errands.contains(where: { $0.isHandOver }) {
            return report("liveness", "leadership could not be handed over in the calm, asked again and again")
        }
        var digest: UInt64?
        for member in members where member.isUp && member.calls.count > 0 {
            return report("answers", "n\(member.number) owes \(member.calls.count) answers at the end of the calm")
        }
        for known in oracle.inForce.configuration.members {
            let member = members[Int(known.id.rawValue) - 1]
            guard member.life != .out else { continue }
            guard let process = member.process, member.isUp else {
                return report("liveness", "n\(member.number) is not up at the end of the calm")
            }
            let glance = process.replica.glance()
            guard Int(glance.appliedIndex.rawValue) == oracle.committed.count else {
                return report("liveness", "n\(member.number) has applied \(glance.appliedIndex) of \(oracle.committed.count) entries at the end of the calm")
            }
            guard glance.requests == 0 else {
                return report("answers", "n\(member.number) holds \(glance.requests) requests at the end of the calm")
            }
            let own = process.replica.digestOfEverything()
            guard own == oracle.lastDigest else {
                return report("state-machine", "n\(member.number) holds another keyspace than its entries made")
            }
            // All hold the same: one stands for them.
            if plan.workload.isOfAppends, digest == nil { countAppends(at: member, process) }
            if let digest, digest != own {
                return report("state-machine", "n\(member.number) holds another keyspace than others at the end of the calm")
            }
            digest = own
        }
    }
}
