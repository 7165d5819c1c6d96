import Base
import Consensus

// Changes of members, one at a time, from the request to the commit (dissertation chapter 4).
extension Replica {
    /// A change that somebody waits for: who asked for it, and who asked for the same again.
    struct PendingChange {
        var ids: [RequestID]
        var expiry: Instant
        /// Of its entry; nil before it is proposed.
        var index: Index?
        /// Who has to vote before it is done.
        var newcomer: MemberID?
    }

    mutating func beginChange(_ request: Request, _ change: MemberChange, into effects: inout ReplicaEffects) {
        guard raft.role == .leader else { return answer(request.id, size: 0, .failed(.notLeader), into: &effects) }
        guard pendingChange == nil else {
            guard isUnderWay(change) else {
                return answer(request.id, size: 0, .failed(.changeInProgress), into: &effects)
            }
            pendingChange?.ids.append(request.id)
            return
        }
        do throws(Configuration.ChangeFailure) {
            let next = try raft.configuration.after(change)
            var pending = PendingChange(
                ids: [request.id], expiry: min(request.deadline, now + limits.membershipTimeout))
            if case .add(let member) = change, next[member.id]?.standing != .learner { pending.newcomer = member.id }
            if case .setVoting(true, let name) = change { pending.newcomer = next[name: name]?.id }
            if next == raft.configuration { pending.index = raft.configurationIndex } else { input.configuration = next }
            pendingChange = pending
        } catch {
            answer(request.id, size: 0, .failed(Failure(error)), into: &effects)
        }
    }

    /// After a step of Raft.
    mutating func settleChange(into effects: inout ReplicaEffects) {
        guard var pending = pendingChange else { return }
        switch raftEffects.membership {
        case .accepted(_, let index): pending.index = index
        case .refused(let refusal): return endChange(.failed(Failure(refusal)), into: &effects)
        case nil: break
        }
        pendingChange = pending
        let isCommitted = pending.index.map { $0 <= raft.commitIndex } ?? false
        let votes = pending.newcomer.map { raft.configuration[$0]?.isVoter == true } ?? true
        if isCommitted, votes, raft.configurationIndex <= raft.commitIndex {
            endChange(.members(raft.configuration), into: &effects)
        } else if raft.role != .leader {
            endChange(.failed(.changeUnknown), into: &effects)
        } else if let newcomer = pending.newcomer, raft.configuration[newcomer] == nil {
            endChange(.failed(.newcomerRemoved), into: &effects)
        } else if now >= pending.expiry {
            endChange(.failed(lateness(of: pending, isCommitted: isCommitted)), into: &effects)
        }
    }

    private mutating func endChange(_ result: Answer.Result, into effects: inout ReplicaEffects) {
        guard let pending = pendingChange else { return }
        pendingChange = nil
        for id in pending.ids { answer(id, size: 0, result, into: &effects) }
    }

    /// Whether this is what the newcomer that is catching up was let in by: it asks for itself, and so may an operator.
    private func isUnderWay(_ change: MemberChange) -> Bool {
        guard case .add(let member) = change, let pending = pendingChange, pending.newcomer == member.id,
            let known = raft.configuration[member.id]
        else { return false }
        return known.name == member.name && known.address == member.address && member.standing != .learner
    }

    /// What held it back.
    private func lateness(of pending: PendingChange, isCommitted: Bool) -> Failure {
        guard isCommitted, let newcomer = pending.newcomer, let member = raft.configuration[newcomer] else {
            return Failure(
                .deadlineExceeded, "no majority has confirmed the change yet: it may still take effect", notApplied: false)
        }
        let peer = raft.view.peers.first { $0.id == newcomer }
        let place = "entry \(peer?.match ?? 0) of \(raft.lastIndex), in round \(peer?.catchUpRound ?? 1) of catching up"
        return Failure(
            .deadlineExceeded,
            "\(member.name) is a learner now and has not caught up yet: it has \(place). It becomes a voter as soon as it "
                + "has; remove it if it is not to",
            notApplied: false)
    }
}

extension Configuration {
    package func after(_ change: MemberChange) throws(ChangeFailure) -> Configuration {
        switch change {
        case .add(let member): try adding(member)
        case .remove(let name): try removing(name: name)
        case .setVoting(let votes, let name): try setting(votes ? .voter : .learner, of: name)
        case .setPriority(let priority, let name): try setting(priority: priority, of: name)
        }
    }
}

extension Failure {
    static let changeInProgress = Failure(
        .failedPrecondition, "another change of members is under way: one at a time", notApplied: true)
    static let changeUnknown = Failure(
        .unknown, "leadership was lost before the change was committed: it may or may not take effect", notApplied: false)
    static let newcomerRemoved = Failure(
        .failedPrecondition, "the member was removed before it had caught up", notApplied: false)

    init(_ failure: Configuration.ChangeFailure) {
        let text =
            switch failure {
            case .nameTaken(let other):
                "the name \(other.name) belongs to member \(other.id) at \(other.address); remove that one first to replace it"
            case .idTaken(let other): "member \(other.id) is called \(other.name)"
            case .addressTaken(let other): "\(other.name) is reached at \(other.address) already"
            case .unknown(let name): "no member is called \(name)"
            case .lastVoter(let name): "\(name) is the last voter"
            case .tooMany: "there are \(Configuration.maxMembers) members already"
            }
        self.init(.failedPrecondition, text, notApplied: true)
    }

    /// Of a change of members.
    init(_ refusal: Consensus.Refusal) {
        switch refusal {
        case .notLeader: self = .notLeader
        case .transferring: self.init(.unavailable, "leadership is being handed over", notApplied: true)
        case .overloaded: self = .tooManyWaiting
        case .changeInProgress:
            self.init(
                .failedPrecondition,
                "an earlier change of members, or the first entry of this leader's term, is not committed yet: try again",
                notApplied: true)
        case .notOneByOne:
            self.init(.failedPrecondition, "at most one voter can be added or removed at a time", notApplied: true)
        }
    }
}
