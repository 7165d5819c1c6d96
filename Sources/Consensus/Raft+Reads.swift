@_spi(Sabotage) import Base

/// Linearizable reads without log entries (6.4): ReadIndex, on the leader and through it on followers. All reads that
/// wait share one round; no lease, no clock (that is Raft+Lease).
extension Raft {
    mutating func take(_ tokens: [ReadToken], into effects: inout Effects) {
        for token in tokens {
            if reads.count >= parameters.maxWaitingReads {
                effects.reads.append(ReadAnswer(token: token, outcome: .overloaded))
            } else {
                reads.gather(ReadQueue.Waiting(token: token.rawValue, follower: nil), now: now)
            }
        }
    }

    // MARK: Leader

    /// "If the leader has not yet marked an entry from its current term committed, it waits until it has done so";
    /// then "the leader saves its current commit index in a local variable readIndex" and "issues a new round of
    /// heartbeats and waits for their acknowledgments from a majority of the cluster" (6.4).
    mutating func startReadRound(into effects: inout Effects) {
        guard !reads.gathering.isEmpty, reads.round == nil,
            commitIndex >= leading.termStart || sabotage == .readBeforeNoop
        else { return }
        leading.round += 1
        reads.startRound(leading.round, index: commitIndex, now: now)
        effects.note(.readRoundStarted(leading.round, readIndex: commitIndex))
        for place in peers.indices where electorate.includes(peers[place].id) {
            peers[place].owesHeartbeat = true
        }
        // A cluster of one has nobody to ask.
        confirmReads(into: &effects)
    }

    /// Answers the batch once a quorum answered its round or a later one: nobody else led when they were asked.
    mutating func confirmReads(into effects: inout Effects) {
        guard role == .leader, let round = reads.round else { return }
        let isConfirmed = confirmedRound >= round.number
        guard isConfirmed || sabotage == .readWithoutRound else { return }
        effects.note(.readRoundConfirmed(round.number, readIndex: round.index))
        if isConfirmed { extendLease(from: round.start) }
        for waiting in reads.finish() { answer(waiting, .ready(round.index), into: &effects) }
    }

    /// The newest round that a quorum answered.
    var confirmedRound: UInt64 {
        var rounds: [UInt64] = []
        rounds.reserveCapacity(electorate.voters.count)
        for voter in electorate.voters {
            rounds.append(voter == id ? leading.round : peer(voter).map { peers[$0].round } ?? 0)
        }
        return Quorum.reached(by: electorate.quorum, of: &rounds) ?? 0
    }

    private func answer(_ waiting: ReadQueue.Waiting, _ outcome: ReadOutcome, into effects: inout Effects) {
        guard let follower = waiting.follower else {
            effects.reads.append(ReadAnswer(token: ReadToken(waiting.token), outcome: outcome))
            return
        }
        var index: Index?
        if case .ready(let confirmed) = outcome { index = confirmed }
        send(
            .readIndexReply(ReadIndexReply(requestID: waiting.token, readIndex: index)), to: follower,
            into: &effects)
    }

    /// A follower asks on behalf of all its reads.
    mutating func receive(_ request: ReadIndex, of message: Message, into effects: inout Effects) {
        guard configuration[message.from] != nil else {
            ignore(message, .notAMember, into: &effects)
            return
        }
        guard role == .leader else {
            send(
                .readIndexReply(ReadIndexReply(requestID: request.requestID, readIndex: nil)), to: message.from,
                into: &effects)
            return
        }
        reads.gatherOnly(ReadQueue.Waiting(token: request.requestID, follower: message.from), now: now)
    }

    /// Answers all that wait without an index: leadership ended before it could be confirmed, or patience did.
    mutating func failReads(_ outcome: ReadOutcome, into effects: inout Effects) {
        for waiting in reads.giveUp() { answer(waiting, outcome, into: &effects) }
    }

    // MARK: Follower

    /// One ReadIndex at a time for all that wait. It is repeated, under a new id, when no answer came.
    mutating func askForReadIndex(into effects: inout Effects) {
        if let request = reads.request {
            guard now >= request.retryAt else { return }
            reads.askAgain()
        }
        guard let leader, leader != id, !reads.gathering.isEmpty else { return }
        let request = reads.startRequest(
            retryAt: now + parameters.readRetryInterval, reusesNumber: sabotage == .readNumberReused)
        send(.readIndex(ReadIndex(requestID: request)), to: leader, into: &effects)
    }

    /// A leader that refuses (no index) is asked again later, or its successor is. One that answers tells us at the
    /// same time what is committed, so that the reads need not wait for its next AppendEntries to say it.
    mutating func receive(_ reply: ReadIndexReply, of message: Message, into effects: inout Effects) {
        guard role == .follower, let request = reads.request, request.id == reply.requestID else {
            ignore(message, .notExpected, into: &effects)
            return
        }
        guard let index = reply.readIndex else { return }
        advanceCommit(toward: index, into: &effects)
        for waiting in reads.finish() { answer(waiting, .ready(index), into: &effects) }
    }

    /// Reads that no leader answered in time.
    mutating func expireReads(into effects: inout Effects) {
        guard now >= reads.expiry(patience: parameters.readPatience) else { return }
        failReads(.noLeader, into: &effects)
    }
}
