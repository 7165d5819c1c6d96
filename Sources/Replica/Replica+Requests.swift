@_spi(Sabotage) import Base
import Consensus
import DequeModule
import Keyspace
import Storage

// Where a request goes when it comes in: to the gathered writes, to the next read round, to the leader, or into the
// waiting room until there is one.
extension Replica {
    mutating func take(_ request: Request, into effects: inout ReplicaEffects) {
        let size = request.body.size
        guard requestCount < limits.maxRequests, requestBytes + size <= limits.maxRequestBytes else {
            effects.answers.append(Answer(id: request.id, result: .failed(.tooManyWaiting)))
            return
        }
        requestCount += 1
        requestBytes += size
        dispatch(request, expiry: min(request.deadline, now + limits.leaderWait), into: &effects)
    }

    /// Answers a request and gives its room back.
    mutating func answer(
        _ id: RequestID, size: Int, _ result: Answer.Result, age: LocalAge? = nil, into effects: inout ReplicaEffects
    ) {
        requestCount -= 1
        requestBytes -= size
        effects.answers.append(Answer(id: id, result: result, age: age))
    }

    mutating func dispatch(_ request: Request, expiry: Instant, into effects: inout ReplicaEffects) {
        switch request.body {
        case .propose(let proposal, _):
            dispatchWrite(request, proposal, expiry, into: &effects)
        case .read(_, .local), .freeze(.local):
            answerRead(request, age: age, into: &effects)
        case .read(_, .linearizable), .freeze(.linearizable):
            gather(request, expiry)
        case .read(_, .lease), .freeze(.lease):
            readByLease(request, expiry, into: &effects)
        case .log(let from, let maxBytes):
            readLog(request.id, from: from, maxBytes: maxBytes, into: &effects)
        case .changeMembers(let change):
            beginChange(request, change, into: &effects)
        case .transferLeadership(let target):
            beginTransfer(request.id, to: target, into: &effects)
        }
    }

    private mutating func dispatchWrite(
        _ request: Request, _ proposal: Proposal, _ expiry: Instant, into effects: inout ReplicaEffects
    ) {
        if raft.role == .leader {
            if let failure = judge(proposal) {
                answer(request.id, size: request.body.size, .failed(failure), into: &effects)
            } else {
                gathered.append(HeldRequest(request: request, expiry: expiry))
            }
        } else if request.body.isForwarded {
            answer(request.id, size: request.body.size, .failed(.notLeader), into: &effects)
        } else if let leader = raft.leader, leader != id {
            forwarded[request.id] = HeldRequest(request: request, expiry: expiry)
            effects.forwards.append(
                .init(
                    id: request.id, to: leader, deadline: request.deadline, kind: proposal.kind,
                    session: proposal.sessionID, sequence: proposal.sequence, version: proposal.version,
                    data: proposal.data))
        } else {
            hold(request, until: expiry)
        }
    }

    /// What a leader refuses to propose. Its limits are judged here and nowhere else: once in the log, an entry is
    /// applied whatever this process was started with (pitfall: replicas that diverge by their flags).
    private func judge(_ proposal: Proposal) -> Failure? {
        if storage.isFull { return .diskFull }
        guard proposal.data.count + Entry.headroom <= storage.maxEntryBytes else { return .tooLarge }
        do {
            switch proposal.kind {
            case .command:
                guard proposal.sessionID == 0 || proposal.sequence > 0 else {
                    return Failure(.invalidArgument, "a session's sequences begin at 1", notApplied: true)
                }
                return try keyspace.refusal(
                    encoded: proposal.data, version: proposal.version, limits: limits.keyspace
                ).map { Failure($0) }
            case .openSession:
                _ = try SessionLimits(decoding: proposal.data, version: proposal.version)
                return nil
            case .closeSession:
                return nil
            default:
                return Failure(.invalidArgument, "nobody may ask for an entry of this kind", notApplied: true)
            }
        } catch {
            return Failure(.invalidArgument, "the command cannot be read: \(error)", notApplied: true)
        }
    }

    /// Keeps a request until there is a leader to ask.
    mutating func hold(_ request: Request, until expiry: Instant) {
        held.append(HeldRequest(request: request, expiry: expiry))
    }

    /// Gives the held requests another chance, and up on those whose time is over.
    mutating func redispatchHeld(into effects: inout ReplicaEffects) {
        while let first = held.first, first.expiry <= now || waitsInVain {
            held.removeFirst()
            let failure = waitsInVain ? Failure.removed : .noLeader
            answer(first.request.id, size: first.request.body.size, .failed(failure), into: &effects)
        }
        guard !held.isEmpty, raft.leader != nil, mayRedispatch else { return }
        for _ in 0..<held.count {
            let next = held.removeFirst()
            dispatch(next.request, expiry: next.expiry, into: &effects)
        }
    }

    /// Who leads now, or nobody, is not to be asked again at once; another one is.
    mutating func pauseDispatch() {
        redispatchAt = now + limits.redispatchPause
        refusedBy = raft.leader
    }

    var mayRedispatch: Bool { now >= redispatchAt || raft.leader != refusedBy }

    /// Nobody will tell a member that was removed who leads now: those who wait here ask another.
    var waitsInVain: Bool { raft.isRemoved && raft.leader == nil }

    /// What became of writes that the leader was asked to propose.
    mutating func settle(_ results: inout [Turn.ForwardResult], into effects: inout ReplicaEffects) {
        for result in results {
            guard let waiting = forwarded.removeValue(forKey: result.id) else { continue }
            let size = waiting.request.body.size
            switch result.result {
            case .success(let outcome):
                answer(result.id, size: size, .outcome(outcome), into: &effects)
            case .failure(let failure)
            where failure.code == .unavailable && (failure.notApplied || limits.sabotage == .forwardRetried)
                && waiting.expiry > now,
                .failure(let failure)
            where failure.code == .unknown && limits.sabotage == .forwardRetried && waiting.expiry > now:
                // Certain that nothing was applied, so asking the next leader cannot apply it twice.
                pauseDispatch()
                hold(waiting.request, until: waiting.expiry)
            case .failure(let failure):
                answer(result.id, size: size, .failed(failure), into: &effects)
            }
        }
        results.clear()
    }

    private mutating func beginTransfer(_ request: RequestID, to target: MemberID?, into effects: inout ReplicaEffects) {
        guard raft.role == .leader, transfer == nil, let target = target ?? raft.view.transferCandidate else {
            let failure =
                raft.role != .leader ? Failure.notLeader
                : Failure(.failedPrecondition, "there is no other voter to lead, or a transfer is under way", notApplied: true)
            answer(request, size: 0, .failed(failure), into: &effects)
            return
        }
        transfer = PendingTransfer(id: request, expiry: now + limits.transferTimeout)
        input.transferTo = target
    }
}

extension Request.Body {
    /// What the request counts in bytes against `ReplicaLimits.maxRequestBytes`.
    var size: Int {
        switch self {
        case .propose(let proposal, _): proposal.data.count
        case .read, .freeze, .log, .changeMembers, .transferLeadership: 0
        }
    }

    /// What is to be proposed.
    var proposal: Proposal {
        switch self {
        case .propose(let proposal, _): proposal
        case .read, .freeze, .log, .changeMembers, .transferLeadership: preconditionFailure("only writes are gathered")
        }
    }

    var isForwarded: Bool {
        if case .propose(_, isForwarded: true) = self { true } else { false }
    }
}
