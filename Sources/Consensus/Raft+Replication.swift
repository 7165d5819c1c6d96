@_spi(Sabotage) import Base

/// A leader's side of replication (3.5, 3.6.2, 10.2.1): what goes to whom, what the answers tell, what is committed.
extension Raft {
    /// The place of a peer in `peers`; nil for anyone else.
    func peer(_ member: MemberID) -> Int? { peers.firstIndex { $0.id == member } }

    // MARK: Proposals

    mutating func propose(_ proposals: [Proposal], into effects: inout Effects) {
        if let refusal = proposalRefusal {
            effects.proposals = .refused(refusal)
            return
        }
        let first = log.lastIndex.next
        for proposal in proposals {
            precondition(proposal.kind != .configuration, "a configuration is proposed as Input.configuration")
            append(
                Entry(
                    term: term, index: log.lastIndex.next, kind: proposal.kind, timeMs: entryTime,
                    sessionID: proposal.sessionID, sequence: proposal.sequence, version: proposal.version,
                    data: proposal.data))
        }
        effects.note(.appended(first: first, last: log.lastIndex))
        effects.proposals = .accepted(term: term, first: first, count: proposals.count)
    }

    /// Why this member takes no proposals now.
    var proposalRefusal: Refusal? {
        guard role == .leader else { return .notLeader(hint: leader) }
        // "The prior leader stops accepting new client requests" (3.10).
        if let transfer = leading.transfer { return .transferring(to: transfer.target) }
        let waiting = max(commitIndex.next, tail.firstIndex)
        if waiting <= log.lastIndex,
            tail.byteCount(from: waiting, through: log.lastIndex) >= parameters.maxUncommittedBytes
        {
            return .overloaded
        }
        return nil
    }

    // MARK: Sending

    /// The end of a leader's turn: everything that this turn gave it to say, in as few messages as possible.
    mutating func lead(into effects: inout Effects) {
        if now >= leading.heartbeatDeadline {
            leading.heartbeatDeadline = now + parameters.heartbeatInterval
            for place in peers.indices {
                peers[place].owesHeartbeat = true
                peers[place].isProbing = false
                if peers[place].loadFailed { peers[place].load = nil }
            }
            startLeaseRound()
        }
        startReadRound(into: &effects)
        takeLeave(into: &effects)
        preferOthers(into: &effects)
        // Followers in step are sent the array that goes to the disk: packed once, gathered once.
        let fresh = effects.write?.entries ?? []
        for place in peers.indices { serve(place, fresh: fresh, into: &effects) }
        finishTransfer(into: &effects)
        retireIfRemoved(into: &effects)
    }

    private mutating func serve(_ place: Int, fresh: [Entry], into effects: inout Effects) {
        switch peers[place].mode {
        case .probe:
            guard !peers[place].isProbing else { return }
            if !servesWithSnapshot(place, into: &effects) {
                sendProbe(place, into: &effects)
                return
            }
        case .replicate:
            sendBatches(place, fresh: fresh, into: &effects)
        case .snapshot:
            break
        }
        if peers[place].owesHeartbeat { sendAppendEntries(place, entries: [], into: &effects) }
    }

    /// A guess where the logs agree, with as much as suits a guess.
    private mutating func sendProbe(_ place: Int, into effects: inout Effects) {
        let next = peers[place].next
        var entries: [Entry] = []
        if tail.holds(next) {
            let last = tail.lastIndex(from: next, through: log.lastIndex, maxBytes: parameters.maxProbeBytes)
            entries = tail.slice(from: next, through: last)
        }
        peers[place].isProbing = true
        sendAppendEntries(place, entries: entries, into: &effects)
    }

    /// Batch after batch without waiting for answers (10.2.1), as far as the window allows. What is more than a step sends
    /// goes with the next one: the answer to what was sent brings it, at the latest.
    private mutating func sendBatches(_ place: Int, fresh: [Entry], into effects: inout Effects) {
        for _ in 0..<parameters.maxBatchesPerStep where peers[place].next <= log.lastIndex {
            let next = peers[place].next
            // Before the window is looked at: if what is in it was lost, no answer will ever say so, as a heartbeat can
            // no longer name the entry before `next`.
            if next <= log.baseIndex, servesWithSnapshot(place, into: &effects) { return }
            let inflight = peers[place].inflight.count
            guard inflight < parameters.maxInflightMessages,
                peers[place].inflight.bytes < parameters.maxInflightBytes
            else { return }
            guard tail.holds(next) else {
                load(for: place, into: &effects)
                return
            }
            let last = tail.lastIndex(from: next, through: log.lastIndex, maxBytes: parameters.maxBatchBytes)
            if last == log.lastIndex, inflight >= parameters.maxPartialBatches { return }
            let isFresh = fresh.first?.index == next && fresh.last?.index == last
            let entries = isFresh ? fresh : tail.slice(from: next, through: last)
            sendBatch(place, entries, bytes: tail.byteCount(from: next, through: last), into: &effects)
        }
    }

    /// Sends entries from `next` on and counts them as on their way.
    private mutating func sendBatch(_ place: Int, _ entries: [Entry], bytes: Int, into effects: inout Effects) {
        guard let last = entries.last?.index else { return }
        sendAppendEntries(place, entries: entries, into: &effects)
        peers[place].next = last.next
        peers[place].inflight.append(last: last, bytes: bytes)
    }

    private mutating func sendAppendEntries(_ place: Int, entries: [Entry], into effects: inout Effects) {
        var previous = peers[place].next.previous
        var previousTerm = log.term(at: previous)
        if peers[place].mode == .snapshot || previousTerm == nil {
            // Before the beginning all logs agree: a heartbeat for one who needs what only a snapshot covers.
            precondition(entries.isEmpty, "entries without what stands before them")
            previous = 0
            previousTerm = 0
        }
        peers[place].owesHeartbeat = false
        send(
            .appendEntries(
                AppendEntries(
                    prevLogIndex: previous, prevLogTerm: previousTerm ?? 0, entries: entries, leaderCommit: commitIndex,
                    round: leading.round)),
            to: peers[place].id, into: &effects)
    }

    // MARK: Older entries

    private mutating func load(for place: Int, into effects: inout Effects) {
        guard peers[place].load == nil else { return }
        lastLoad = LoadToken(lastLoad.rawValue + 1)
        let load = Load(
            token: lastLoad, to: peers[place].id, from: peers[place].next,
            through: tail.firstIndex.previous, maxBytes: parameters.maxBatchBytes)
        peers[place].load = load
        peers[place].loadFailed = false
        effects.loads.append(load)
    }

    /// Entries came from the disk; they go out when their follower still wants them.
    mutating func receive(_ loaded: Loaded, into effects: inout Effects) {
        guard role == .leader, let place = peers.firstIndex(where: { $0.load?.token == loaded.token }),
            let load = peers[place].load
        else { return }
        // The log was cut meanwhile.
        guard load.from > log.baseIndex else {
            peers[place].load = nil
            return
        }
        guard let first = loaded.entries.first, let last = loaded.entries.last else {
            peers[place].loadFailed = true
            return
        }
        precondition(
            first.index == load.from && last.index <= load.through
                && last.index == first.index.advanced(by: loaded.entries.count - 1)
                && log.term(at: first.index) == first.term && log.term(at: last.index) == last.term,
            "the disk gave other entries than it was asked for")
        peers[place].load = nil
        var bytes = 0
        for entry in loaded.entries { bytes += entry.packed.count }
        sendBatch(place, loaded.entries, bytes: bytes, into: &effects)
    }

    // MARK: Answers

    mutating func receive(_ reply: AppendEntriesReply, of message: Message, into effects: inout Effects) {
        guard role == .leader else {
            ignore(message, .notExpected, into: &effects)
            return
        }
        guard let place = peer(message.from) else {
            ignore(message, .notAMember, into: &effects)
            return
        }
        guard reply.round <= leading.round, isPlausible(reply) else {
            ignore(message, .malformed, into: &effects)
            return
        }
        peers[place].lastContact = now
        // Whatever it says of the log, it says it to the leader of its term (6.4).
        if reply.round > peers[place].round {
            peers[place].round = reply.round
            confirmReads(into: &effects)
            confirmLease()
        }
        switch reply.result {
        case .success(let match): acknowledged(place, through: match, into: &effects)
        case .conflict(let previous, let term, let index):
            // Answers to what was sent before the last change of course are old news.
            guard previous > peers[place].match, peers[place].mode != .snapshot,
                peers[place].mode == .replicate || previous == peers[place].next.previous
            else { return }
            peers[place].probe(from: backUp(from: previous, term: term, index: index))
            effects.note(.probing(message.from, next: peers[place].next))
        }
    }

    /// No answer of this term can speak of entries that this leader never had.
    private func isPlausible(_ reply: AppendEntriesReply) -> Bool {
        switch reply.result {
        case .success(let match): match <= log.lastIndex
        case .conflict(let previous, _, let index): previous <= log.lastIndex && index > 0
        }
    }

    private mutating func acknowledged(_ place: Int, through match: Index, into effects: inout Effects) {
        peers[place].match = max(peers[place].match, match)
        peers[place].next = max(peers[place].next, peers[place].match.next)
        peers[place].inflight.acknowledge(through: match)
        if peers[place].mode != .replicate {
            // What it would need next only a snapshot has, or it is not yet durable there what a probe found.
            guard peers[place].match >= log.baseIndex else { return }
            peers[place].replicate()
            effects.note(.replicating(peers[place].id, next: peers[place].next))
        }
        advanceCatchUp(place, into: &effects)
        if let load = peers[place].load, load.from < peers[place].next { peers[place].load = nil }
    }

    /// Where to try next after a conflict at `previous`, where the follower has `term`, from `index` on, or nothing
    /// (term 0, `index` one past its end). The logs cannot agree beyond the last entry of ours whose term is not
    /// above the follower's; they do agree there when the terms are the same and its entries reach back so far
    /// (log matching, 3.5).
    private func backUp(from previous: Index, term: Term, index: Index) -> Index {
        let next = agreement(before: previous, term: term, index: index)
        return sabotage == .backUpTooFew ? next.next : next
    }

    private func agreement(before previous: Index, term: Term, index: Index) -> Index {
        if term == 0 { return min(index, previous) }
        let candidate = log.lastIndex(ofTermAtMost: term, through: previous.previous)
        if candidate >= index, log.term(at: candidate) == term { return candidate.next }
        return min(index, candidate.next)
    }

    /// The transport lost what may have been on its way: one probe finds out.
    mutating func lostStream(to member: MemberID, into effects: inout Effects) {
        guard role == .leader, let place = peer(member), peers[place].mode == .replicate else { return }
        peers[place].probe()
        effects.note(.probing(member, next: peers[place].next))
    }

    // MARK: Commitment

    /// "If there exists an N such that N > commitIndex, a majority of matchIndex[i] >= N, and log[N].term ==
    /// currentTerm: set commitIndex = N" (figure 3.1). Entries of earlier terms are committed only along with one of
    /// this term (3.6.2, figure 3.7, which was figure 8). A leader's own copy counts when it is durable; it may be
    /// the last to be (10.2.1).
    mutating func advanceCommit(into effects: inout Effects) {
        guard role == .leader else { return }
        var copies: [Index] = []
        copies.reserveCapacity(electorate.voters.count)
        let hastens = sabotage == .ownCopyNotDurable || sabotage == .singleNotDurable && peers.isEmpty
        let own = hastens ? log.lastIndex : durability.durableIndex
        let quorum = sabotage == .commitMinusOne ? electorate.quorum - 1 : electorate.quorum
        for voter in electorate.voters {
            copies.append(voter == id ? own : peer(voter).map { peers[$0].match } ?? 0)
        }
        if sabotage == .learnerCounts { copies += peers.filter { !electorate.includes($0.id) }.map(\.match) }
        if sabotage == .removedLeaderCountsItself, !electorate.includesSelf { copies.append(own) }
        guard let reached = Quorum.reached(by: quorum, of: &copies), reached > commitIndex,
            reached >= leading.termStart || sabotage == .commitEarlierTerms
        else { return }
        commitIndex = reached
        committed(into: &effects)
    }

    /// The commit index moved, on any role.
    mutating func committed(into effects: inout Effects) {
        effects.note(.committed(through: commitIndex))
        settleConfigurations(into: &effects)
    }
}
