@_spi(Sabotage) import Base

/// A follower's side of replication: the receiver of AppendEntries (figure 3.1, 3.5).
extension Raft {
    mutating func receive(_ request: AppendEntries, of message: Message, into effects: inout Effects) {
        if role == .leader || (leader != nil && leader != message.from) {
            // "At most one leader can be elected in a given term" (3.2): this cannot be one.
            ignore(message, .secondLeader, into: &effects)
            return
        }
        guard isWellFormed(request, term: message.term) else {
            ignore(message, .malformed, into: &effects)
            return
        }
        becomeFollower(term: message.term, leader: message.from, into: &effects)
        following.lastContact = now
        promiseSilence()
        resetElectionTimer()
        if let result = conflict(with: request) {
            if case .conflict(let previous, let term, let index) = result {
                effects.note(.conflict(at: term == 0 ? index : previous, term: term))
            }
            following.round = max(following.round, request.round)
            reply(result, round: request.round, into: &effects)
            return
        }
        store(request, into: &effects)
        let end = request.prevLogIndex.advanced(by: request.entries.count)
        following.verified = max(following.verified, end)
        advanceCommit(toward: request.leaderCommit, into: &effects)
        acknowledge(request, end: end, into: &effects)
    }

    /// Consecutive entries after `prevLogIndex`, terms that never fall and never exceed the leader's, configurations
    /// that can be read.
    private func isWellFormed(_ request: AppendEntries, term: Term) -> Bool {
        var index = request.prevLogIndex
        var last = request.prevLogTerm
        let entries = request.entries.span
        for place in entries.indices {
            // `advanced` wraps round at the end of all indexes, which a liar may name.
            guard entries[place].index == index.advanced(by: 1), entries[place].term >= last, entries[place].term > 0
            else { return false }
            if entries[place].kind == .configuration, entries[place].configuration == nil { return false }
            index = index.advanced(by: 1)
            last = entries[place].term
        }
        return last <= term
    }

    /// "If a follower does not find an entry in its log with the same index and term, it refuses the new entries"
    /// (3.5), and tells the term of its own entry there and where that term begins, for a fast back-up.
    private func conflict(with request: AppendEntries) -> AppendEntriesReply.Result? {
        let previous = request.prevLogIndex
        // What a snapshot covers is committed, and so the same everywhere.
        if previous <= log.baseIndex { return nil }
        guard let own = log.term(at: previous) else {
            return .conflict(prevLogIndex: previous, conflictTerm: 0, conflictIndex: log.lastIndex.next)
        }
        if own == request.prevLogTerm { return nil }
        return .conflict(
            prevLogIndex: previous, conflictTerm: own, conflictIndex: log.firstIndexOfTerm(at: previous))
    }

    /// "If an existing entry conflicts with a new one (same index but different terms), delete the existing entry
    /// and all that follow it; append any new entries not already in the log" (figure 3.1). Without a conflict
    /// nothing is deleted: the message may be an old one that was overtaken.
    private mutating func store(_ request: AppendEntries, into effects: inout Effects) {
        let entries = request.entries.span
        if sabotage == .truncateWithoutConflict, let first = request.entries.first, first.index <= log.lastIndex {
            truncate(from: first.index, into: &effects)
        }
        var place = 0
        while place < entries.count, entries[place].index <= log.lastIndex {
            let index = entries[place].index
            if index > log.baseIndex, log.term(at: index) != entries[place].term {
                truncate(from: index, into: &effects)
                break
            }
            place += 1
        }
        guard place < entries.count, brokenLaw == nil else { return }
        let first = log.lastIndex.next
        while place < entries.count {
            append(entries[place])
            if entries[place].kind == .configuration, let configuration = entries[place].configuration {
                adopt(configuration, at: entries[place].index, into: &effects)
            }
            place += 1
        }
        effects.note(.appended(first: first, last: log.lastIndex))
    }

    /// "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry)" (figure 3.1).
    /// An index that arrives before its entries is remembered for them.
    mutating func advanceCommit(toward index: Index, into effects: inout Effects) {
        following.leaderCommit = max(following.leaderCommit, index)
        let compared = sabotage == .commitUnverified ? log.lastIndex : following.verified
        let known = min(following.leaderCommit, compared)
        guard known > commitIndex else { return }
        commitIndex = known
        committed(into: &effects)
    }

    /// Answers at once what asks for nothing of the disk, or what is durable already, or the first word of a round
    /// that reads wait for; else the answer comes when the entries are durable (`acknowledgeDurable`), one for all
    /// that one sync covers.
    private mutating func acknowledge(_ request: AppendEntries, end: Index, into effects: inout Effects) {
        let isNewRound = request.round > following.round
        following.round = max(following.round, request.round)
        let durable = promised
        guard request.entries.isEmpty || isNewRound || end <= durable else { return }
        reply(.success(matchIndex: durable), round: following.round, into: &effects)
    }

    /// What may be acknowledged: it is on disk, and it is what the leader has.
    private var promised: Index {
        switch sabotage {
        case .acknowledgeBeforeDurable: following.verified
        case .acknowledgeUnverified: durability.durableIndex
        default: min(durability.durableIndex, following.verified)
        }
    }

    /// The disk reported: what became durable is acknowledged to the leader that sent it. Never more: an
    /// acknowledgement is a promise that a crash cannot break (3.8).
    mutating func acknowledgeDurable(into effects: inout Effects) {
        let durable = promised
        guard leader != nil, durable > following.acknowledged else { return }
        reply(.success(matchIndex: durable), round: following.round, into: &effects)
    }

    private mutating func reply(_ result: AppendEntriesReply.Result, round: UInt64, into effects: inout Effects) {
        guard let leader else { return }
        if case .success(let index) = result { following.acknowledged = max(following.acknowledged, index) }
        sendWhenTermIsDurable(
            .appendEntriesReply(AppendEntriesReply(result: result, lastLogIndex: log.lastIndex, round: round)),
            to: leader, into: &effects)
    }
}
