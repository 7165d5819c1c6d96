@_spi(Sabotage) import Base
import Consensus
import DequeModule
import Keyspace
import Storage

// One step of Raft, and obedience to its effects, in their order (house law: the order is part of the algorithm).
extension Replica {
    mutating func advanceRaft(into effects: inout ReplicaEffects) {
        gatherReads()
        let proposing = propose()
        input.applied = keyspace.appliedIndex
        if storage.isFull { spareSpace() }
        raft.step(&input, into: &raftEffects)
        input.removeAll()
        // Only a simulator lives to see this.
        if raft.brokenLaw != nil { return }
        effects.send.append(contentsOf: raftEffects.sendNow)
        write()
        sendWhenDurable(into: &effects)
        settleProposals(proposing, into: &effects)
        settleRounds(into: &effects)
        for load in raftEffects.loads { self.load(load) }
        sendSnapshots(into: &effects)
        if let index = raftEffects.compacted {
            storage.compact(through: index)
            firstIndex = storage.firstIndex
        }
        if raftEffects.roleChanged != nil, raft.role != .leader { loseLeadership(into: &effects) }
        settleTransfer(into: &effects)
        settleChange(into: &effects)
        effects.events.append(contentsOf: raftEffects.events)
        raftEffects.removeAll()
    }

    /// On a full disk the rest of the last segment is kept for what the cluster needs to go on: terms, votes, no-ops,
    /// configurations. A follower that took commands until nothing more fits could not even vote; so it takes none, as
    /// a leader proposes none, until there is space.
    ///
    /// One AppendEntries in half a heartbeat is heard without its commands, so that both sides know of each other. The
    /// others are as good as lost: answered, each would bring the next at once.
    private mutating func spareSpace() {
        let pause = Interval(nanoseconds: raft.parameters.heartbeatInterval.nanoseconds / 2)
        var kept = 0
        for place in input.messages.indices {
            if case .appendEntries(var append) = input.messages[place].body,
                let first = append.entries.firstIndex(where: { $0.kind == .command })
            {
                guard now >= sparedAt + pause else { continue }
                sparedAt = now
                append.entries.removeSubrange(first...)
                input.messages[place].body = .appendEntries(append)
            }
            input.messages.swapAt(kept, place)
            kept += 1
        }
        input.messages.removeSubrange(kept...)
    }

    /// Moves gathered writes into Raft's input, unless the disk is busy: they then go out together when it is done,
    /// in one write and one message to each follower (group commit).
    private mutating func propose() -> Int {
        guard !gathered.isEmpty, issued == durable else { return 0 }
        var bytes = 0
        var count = 0
        for waiting in gathered {
            let proposal = waiting.request.body.proposal
            guard count == 0 || bytes + proposal.data.count <= limits.proposeBytesPerTurn else { break }
            bytes += proposal.data.count
            count += 1
            input.proposals.append(proposal)
        }
        return count
    }

    private mutating func write() {
        guard let write = raftEffects.write else { return }
        issued = write.token
        record.update { $0.write = write }
        storage.write(
            token: write.token.rawValue, hardState: write.hardState, truncateFrom: write.truncateFrom,
            restartAfter: write.restartAfter, entries: write.entries)
        if write.restartAfter != nil { firstIndex = storage.firstIndex }
    }

    /// Pitfalls 4 and 36: a vote or an acknowledgement waits for the write it stands for. Without a write of its own it
    /// waits for all earlier ones.
    private mutating func sendWhenDurable(into effects: inout ReplicaEffects) {
        guard !raftEffects.sendAfterWrite.isEmpty else { return }
        if issued == durable || limits.sabotage == .sentBeforeSync {
            effects.send.append(contentsOf: raftEffects.sendAfterWrite)
        } else {
            for message in raftEffects.sendAfterWrite { whenDurable.append((issued, message)) }
        }
    }

    private mutating func settleProposals(_ count: Int, into effects: inout ReplicaEffects) {
        guard count > 0 else { return }
        guard case .accepted(let term, let first, _) = raftEffects.proposals else {
            for _ in 0..<count { refuse(gathered.removeFirst(), into: &effects) }
            return
        }
        for offset in 0..<count {
            let request = gathered.removeFirst().request
            if limits.sabotage == .answeredBeforeCommit {
                let outcome = Outcome(revision: keyspace.revision + 1, result: .none)
                answer(request.id, size: request.body.size, .outcome(outcome), into: &effects)
                continue
            }
            proposed.append(
                ProposedWrite(
                    id: request.id, index: first.advanced(by: offset), term: term, size: request.body.size))
        }
    }

    /// A write that Raft did not take: nothing of it is anywhere.
    private mutating func refuse(_ write: HeldRequest, into effects: inout ReplicaEffects) {
        if raftEffects.proposals == .refused(.overloaded) {
            answer(write.request.id, size: write.request.body.size, .failed(.tooManyWaiting), into: &effects)
        } else {
            giveBack(write, into: &effects)
        }
    }

    /// A write that was gathered by a leader that is none any more, and so was never proposed.
    private mutating func giveBack(_ write: HeldRequest, into effects: inout ReplicaEffects) {
        guard !write.request.body.isForwarded, write.expiry > now else {
            answer(write.request.id, size: write.request.body.size, .failed(.notLeader), into: &effects)
            return
        }
        pauseDispatch()
        hold(write.request, until: write.expiry)
    }

    /// "If leadership is lost the outcome is unknown": a later leader may commit what was proposed here or not. What is
    /// committed already is in no doubt, and is answered when it is applied: a leader that removes itself steps down in the
    /// very turn in which its last writes are committed.
    private mutating func loseLeadership(into effects: inout ReplicaEffects) {
        let inDoubt = proposed.drop { $0.index <= raft.commitIndex }
        proposed.removeLast(inDoubt.count)
        for write in inDoubt { answer(write.id, size: write.size, .failed(.leadershipLost), into: &effects) }
        while let write = gathered.popFirst() { giveBack(write, into: &effects) }
    }

    private mutating func settleTransfer(into effects: inout ReplicaEffects) {
        guard let pending = transfer else { return }
        let result: Answer.Result
        switch raftEffects.transfer {
        case .done: result = .leadershipTransferred
        case .refused:
            result = .failed(
                Failure(.failedPrecondition, "that member cannot lead: it is no voter of this cluster", notApplied: true))
        case .timedOut: result = .failed(.transferTimedOut)
        case nil:
            guard now >= pending.expiry else { return }
            result = .failed(.transferTimedOut)
        }
        transfer = nil
        answer(pending.id, size: 0, result, into: &effects)
    }
}
