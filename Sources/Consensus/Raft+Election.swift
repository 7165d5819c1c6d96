@_spi(Sabotage) import Base

/// Leader election (3.4), the restriction on it (3.6.1), pre-vote (9.6) and what keeps a leader from being disrupted
/// (4.2.3).
extension Raft {
    // MARK: Time

    /// "Raft uses randomized election timeouts" (3.4): drawn anew each time the timer starts.
    mutating func resetElectionTimer() {
        let range = parameters.electionTimeout
        let spread = range.upperBound.nanoseconds - range.lowerBound.nanoseconds
        let extra = spread == 0 ? 0 : generator.next(below: spread + 1)
        electionDeadline = now + range.lowerBound + Interval(nanoseconds: extra)
        mayOversleep = true
    }

    mutating func fireTimers(into effects: inout Effects) {
        expireReads(into: &effects)
        switch role {
        case .leader:
            checkQuorum(into: &effects)
            expireTransfer(into: &effects)
            if role == .leader { checkDisk(into: &effects) }
        case .follower, .preCandidate, .candidate:
            guard mayCampaign, now >= electionDeadline else { return }
            if leader != nil, overslept(electionDeadline, into: &effects) {
                electionDeadline = now + parameters.heartbeatInterval
                return
            }
            effects.note(.electionTimedOut)
            preCampaign(into: &effects)
        }
    }

    /// Whether its election timer counts.
    var mayCampaign: Bool { electorate.mayCampaign || sabotage == .removedCampaigns }

    /// A step that comes more than a heartbeat after its deadline shows that this process slept; what the others
    /// said meanwhile may still be in its buffers. One more heartbeat's time is granted, once until the next word.
    mutating func overslept(_ deadline: Instant, into effects: inout Effects) -> Bool {
        guard mayOversleep, now - deadline > parameters.heartbeatInterval else { return false }
        mayOversleep = false
        effects.note(.sleptThroughDeadline)
        return true
    }

    /// "A leader steps down if an election timeout elapses without a successful round of heartbeats to a majority of
    /// its cluster" (6.2).
    private mutating func checkQuorum(into effects: inout Effects) {
        guard now >= leading.quorumDeadline, !peers.isEmpty else { return }
        var contacts: [Instant] = []
        for voter in electorate.voters {
            contacts.append(voter == id ? now : peer(voter).map { peers[$0].lastContact } ?? .zero)
        }
        let heard = Quorum.reached(by: electorate.quorum, of: &contacts) ?? .zero
        let deadline = heard + parameters.electionTimeout.upperBound
        if deadline > now {
            leading.quorumDeadline = deadline
            mayOversleep = true
        } else if overslept(leading.quorumDeadline, into: &effects) {
            leading.quorumDeadline = now + parameters.heartbeatInterval
        } else {
            stepDown(.noQuorum, into: &effects)
        }
    }

    // MARK: Campaigns

    /// Asks first whether it would be elected; until a quorum says so, its term stays (9.6).
    mutating func preCampaign(into effects: inout Effects) {
        if sabotage == .noPreVote { return campaign(transfer: false, into: &effects) }
        role = .preCandidate
        leader = nil
        ballot = Ballot()
        resetElectionTimer()
        effects.note(.preCampaign(term: term.next))
        // Its own answer changes nothing, so it need not be durable.
        ballot.count(id, granted: true)
        if ballot.outcome(in: electorate) == true { return campaignWhenFree(into: &effects) }
        let request = RequestVote(lastLogIndex: log.lastIndex, lastLogTerm: log.lastTerm, preVote: true)
        for voter in electorate.voters where voter != id {
            send(.requestVote(request), to: voter, term: term.next, into: &effects)
        }
    }

    /// A candidate votes for itself, and so must owe its silence to nobody. A timer that ran out on purpose, or the restart
    /// of an only voter, may bring it here too early: then it asks again when it is free.
    private mutating func campaignWhenFree(into effects: inout Effects) {
        guard now < promisedUntil else { return campaign(transfer: false, into: &effects) }
        role = .follower
        electionDeadline = promisedUntil
    }

    /// "Increments its current term and transitions to candidate state. It then votes for itself and issues
    /// RequestVote RPCs" (3.4), when its term and vote are durable.
    mutating func campaign(transfer: Bool, into effects: inout Effects) {
        setTerm(term.next)
        hardState.votedFor = id
        role = .candidate
        leader = nil
        ballot = Ballot()
        resetElectionTimer()
        effects.note(.campaign(term: term, transfer: transfer))
        let request = RequestVote(
            lastLogIndex: log.lastIndex, lastLogTerm: log.lastTerm, preVote: false, disruptLeader: transfer)
        for voter in electorate.voters where voter != id {
            sendAfterWrite(.requestVote(request), to: voter, unless: .campaignNotDurable, into: &effects)
        }
    }

    /// A candidate's vote for itself counts like any other: when it is durable.
    mutating func countOwnVote(into effects: inout Effects) {
        guard !hardStateChanged, durability.hardStateIsDurable else { return }
        ballot.count(id, granted: true)
        concludeElection(into: &effects)
    }

    private mutating func concludeElection(into effects: inout Effects) {
        let missing = sabotage == .electMinusOne && role == .candidate ? 1 : 0
        switch (ballot.outcome(in: electorate, missing: missing), role) {
        case (true, .preCandidate): campaignWhenFree(into: &effects)
        case (true, .candidate): becomeLeader(into: &effects)
        // It cannot win any more: it waits as a follower for its next timeout.
        case (false, .preCandidate), (false, .candidate): role = .follower
        default: break
        }
    }

    // MARK: Votes

    mutating func receive(_ request: RequestVote, of message: Message, into effects: inout Effects) {
        let refusal: VoteRefusal?
        if request.preVote {
            if sabotage == .preVoteRaisesTerm, message.term > term {
                becomeFollower(term: message.term, leader: nil, into: &effects)
            }
            refusal = preVoteRefusal(request, term: message.term)
        } else {
            if message.term > term {
                // "If a server receives a RequestVote request within the minimum election timeout of hearing from a
                // current leader, it does not update its term or grant its vote" (4.2.3).
                guard request.disruptLeader || !hasHeardFromLeader else {
                    ignore(message, .hasLeader, into: &effects)
                    return
                }
                becomeFollower(term: message.term, leader: nil, into: &effects)
            }
            refusal = voteRefusal(request, of: message)
        }
        let reply = Message.Body.requestVoteReply(
            RequestVoteReply(voteGranted: refusal == nil, preVote: request.preVote))
        if let refusal {
            effects.note(
                .voteRefused(to: message.from, term: message.term, preVote: request.preVote, refusal))
            send(reply, to: message.from, into: &effects)
            return
        }
        effects.note(.voteGranted(to: message.from, term: message.term, preVote: request.preVote))
        if request.preVote {
            // Changes neither term nor vote nor timer: it is an opinion.
            if sabotage == .preVoteTakesVote { (hardState.votedFor, hardStateChanged) = (message.from, true) }
            send(reply, to: message.from, term: message.term, into: &effects)
        } else {
            if hardState.votedFor == nil {
                hardState.votedFor = message.from
                hardStateChanged = true
            }
            resetElectionTimer()
            sendAfterWrite(reply, to: message.from, unless: .voteNotDurable, into: &effects)
        }
    }

    private func preVoteRefusal(_ request: RequestVote, term asked: Term) -> VoteRefusal? {
        if asked <= term { return .staleTerm }
        if hasHeardFromLeader { return .hasLeader }
        if sabotage == .learnerRefusesVotes, !electorate.includesSelf { return .alreadyVoted }
        return isUpToDate(request) ? nil : .logBehind
    }

    /// "Each server will vote for at most one candidate in a given term, on a first-come-first-served basis" (3.4).
    /// The sender need not be in our configuration, nor we voters in it: it may be older than the sender's (4.1).
    private func voteRefusal(_ request: RequestVote, of message: Message) -> VoteRefusal? {
        if message.term < term { return .staleTerm }
        if let other = hardState.votedFor, other != message.from, sabotage != .voteTwice { return .alreadyVoted }
        if leader != nil { return .hasLeader }
        // In this term without its candidate's having asked, by some other message. A vote that was given may be repeated.
        if hardState.votedFor == nil, hasHeardFromLeader, !request.disruptLeader { return .hasLeader }
        if sabotage == .learnerRefusesVotes, !electorate.includesSelf { return .alreadyVoted }
        return isUpToDate(request) ? nil : .logBehind
    }

    /// The restriction of 3.6.1: a vote only for a log at least as up-to-date as one's own.
    private func isUpToDate(_ request: RequestVote) -> Bool {
        if sabotage == .voteForShorterLog { return true }
        if sabotage == .voteByLength { return request.lastLogIndex >= log.lastIndex }
        return (request.lastLogTerm, request.lastLogIndex) >= (log.lastTerm, log.lastIndex)
    }

    /// Not only from one that is still known: a leader's lease counts on the promise that hearing it was (6.4.1), and a
    /// restart or a higher term makes one forget the leader.
    private var hasHeardFromLeader: Bool {
        (role == .leader || now < promisedUntil) && sabotage != .leaderNotProtected
    }

    mutating func receive(_ reply: RequestVoteReply, of message: Message, into effects: inout Effects) {
        guard configuration[message.from] != nil else {
            ignore(message, .notAMember, into: &effects)
            return
        }
        let counts: Bool
        if reply.preVote && reply.voteGranted {
            // Speaks of the term that was asked about, which nobody has entered yet; every other answer speaks of
            // the voter's own term. It is never taken for a vote.
            counts =
                role == .preCandidate && message.term == term.next
                || sabotage == .preVotesCounted && role == .candidate && message.term == term
        } else if message.term > term {
            becomeFollower(term: message.term, leader: nil, into: &effects)
            return
        } else {
            counts = reply.preVote ? role == .preCandidate : role == .candidate && message.term == term
        }
        guard counts else {
            ignore(message, .notExpected, into: &effects)
            return
        }
        effects.note(.voteReceived(from: message.from, granted: reply.voteGranted, preVote: reply.preVote))
        ballot.count(message.from, granted: reply.voteGranted)
        concludeElection(into: &effects)
    }

    // MARK: Changes of role

    /// Figure 3.1: a term is entered without a vote.
    private mutating func setTerm(_ new: Term) {
        precondition(new > term, "terms only rise")
        hardState = HardState(term: new)
        hardStateChanged = true
        following.startTerm(committed: commitIndex)
    }

    mutating func becomeFollower(term new: Term, leader found: MemberID?, into effects: inout Effects) {
        if new > term {
            if role == .leader { stepDown(.higherTerm, into: &effects) }
            setTerm(new)
        } else if role == .follower, leader == found {
            return
        }
        if role != .follower { resetElectionTimer() }
        role = .follower
        if leader != found {
            leader = found
            reads.askAgain()
        }
        effects.note(.becameFollower(term: term, leader: found))
    }

    /// Leaves leadership. The term stays until a higher one is heard of.
    mutating func stepDown(_ reason: StepDownReason, into effects: inout Effects) {
        effects.note(.steppedDown(term: term, reason))
        failReads(.lostLeadership, into: &effects)
        if leading.transfer != nil { endTransfer(reason == .higherTerm ? .done : .timedOut, into: &effects) }
        role = .follower
        leader = nil
        peers.clear()
        leading = Leading()
        resetElectionTimer()
    }

    /// "Once a candidate wins an election, it becomes leader. It then sends heartbeat messages to all" (3.4), and
    /// commits a no-op to learn what is committed (6.4).
    private mutating func becomeLeader(into effects: inout Effects) {
        role = .leader
        leader = id
        mayOversleep = true
        leading = Leading()
        leading.termStart = log.lastIndex.next
        leading.heartbeatDeadline = now
        leading.quorumDeadline = now + parameters.electionTimeout.upperBound
        leading.priorityDeadline = now + parameters.priorityInterval
        leading.priorityPause = parameters.priorityInterval
        effects.note(.becameLeader(term: term))
        adjustPeers()
        if sabotage != .noNoop {
            append(Entry(term: term, index: log.lastIndex.next, kind: .noOperation, timeMs: entryTime, data: Bytes()))
            effects.note(.appended(first: log.lastIndex, last: log.lastIndex))
        }
        reads.askAgain()
    }
}
