@_spi(Sabotage) import Base

/// The log's end, the disk behind it, and what becomes of it when the disk reports.
extension Raft {
    /// Everything up to `token` is on disk: votes for itself, acknowledgements and commits can go on.
    mutating func completeWrites(through token: WriteToken, into effects: inout Effects) {
        let before = durability.durableIndex
        durability.complete(through: token, now: now)
        if durability.durableIndex > before { effects.note(.durable(through: durability.durableIndex)) }
        switch role {
        case .candidate: countOwnVote(into: &effects)
        case .follower: acknowledgeDurable(into: &effects)
        // A leader's own copy counts from `durability` when it next looks for what is committed.
        case .leader, .preCandidate: break
        }
    }

    /// What an entry that is proposed now says of the time: this member's clock, never before its predecessor's.
    var entryTime: UInt64 { max(lastTimeMs, wallMs) }

    /// Adds an entry to the end of the log.
    mutating func append(_ entry: consuming Entry) {
        log.append(term: entry.term)
        lastTimeMs = max(lastTimeMs, entry.timeMs)
        tail.append(entry)
    }

    /// Forgets the entries from `index` on, which conflict with the leader's (3.5), and the configurations among
    /// them (4.1).
    mutating func truncate(from index: Index, into effects: inout Effects) {
        guard index > commitIndex else {
            return broke(BrokenLaw(law: "a committed entry would be lost: the cluster's log forked"))
        }
        log.truncate(from: index)
        tail.truncate(from: index)
        if durability.truncate(from: index, forgetful: sabotage == .lateCompletion) { truncateFrom = min(truncateFrom ?? index, index) }
        effects.note(.truncated(from: index))
        rollBackConfigurations(from: index, into: &effects)
    }

    /// A leader whose disk does not finish what it was told, and whose followers' disks do, hands over, and steps down when
    /// nobody takes over: heartbeats would go on and hide it from everybody, and no write would get on (hashicorp/raft 503).
    /// As long as no other's disk is better there is nothing to win.
    mutating func checkDisk(into effects: inout Effects) {
        guard let since = durability.waitingSince, now >= since + parameters.diskPatience, leading.transfer == nil,
            sabotage != .hungDiskLeads, let heir, let place = peer(heir), peers[place].match > durability.durableIndex
        else { return }
        effects.note(.diskHangs)
        if !handsOver(to: heir, into: &effects) { stepDown(.diskHangs, into: &effects) }
    }

    /// Hands this step's changes to the disk, as one write.
    mutating func issueWrite(into effects: inout Effects) {
        let first = durability.writtenIndex.next
        guard hardStateChanged || truncateFrom != nil || restartAfter != nil || first <= log.lastIndex
        else { return }
        let entries = tail.slice(from: first, through: log.lastIndex)
        let token = durability.issue(last: log.lastIndex, hasHardState: hardStateChanged, now: now)
        effects.write = Write(
            token: token, hardState: hardStateChanged ? hardState : nil, truncateFrom: truncateFrom,
            restartAfter: restartAfter, entries: entries)
        hardStateChanged = false
        truncateFrom = nil
        restartAfter = nil
    }
}
