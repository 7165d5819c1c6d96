import Base

/// Snapshots and the log that they make superfluous (dissertation chapter 5).
extension Raft {
    // MARK: A member's own snapshots

    /// "Once the snapshot is durable, the log entries that it covers can be discarded" (5.1): here it is remembered, for
    /// members that need it. The log stays until `compact`.
    mutating func tookSnapshot(_ point: SnapshotPoint) {
        precondition(point.index <= appliedIndex, "a snapshot of what is not applied")
        guard point.index > snapshot?.index ?? 0 else { return }
        precondition(log.term(at: point.index) == point.term, "a snapshot of another log")
        snapshot = point
    }

    /// Cuts the beginning off the log, up to and including `index`, as far as a durable snapshot covers it and the disk
    /// has it.
    mutating func compact(through index: Index, into effects: inout Effects) {
        guard let snapshot else { return }
        let through = min(index, min(snapshot.index, min(appliedIndex, durability.durableIndex)))
        guard through > log.baseIndex else { return }
        log.compact(through: through)
        tail.trim(through: through, keeping: -1)
        effects.compacted = through
        effects.note(.compacted(through: through))
    }

    /// How far the log may be cut without making a snapshot useless that is on its way to somebody: behind it the log must
    /// still go on. `never` is not a limit: who is too slow is sent another.
    public var compactionLimit: Index? {
        peers.compactMap { $0.mode == .snapshot ? $0.transfer?.index : nil }.min()
    }

    // MARK: A follower

    /// "If existing log entry has same index and term as the last entry in the snapshot, retain log entries following it;
    /// otherwise discard the entire log" (figure 5.3).
    mutating func install(_ installed: InstalledSnapshot, into effects: inout Effects) {
        let point = installed.point
        precondition(point.term <= installed.senderTerm && installed.senderTerm <= term, "a snapshot of a later term")
        if point.index > snapshot?.index ?? 0 { snapshot = point }
        lastTimeMs = max(lastTimeMs, point.timeMs)
        // An older one than what is committed here: it was overtaken on its way (pitfall 20).
        guard point.index > commitIndex else { return }
        if log.term(at: point.index) != point.term {
            precondition(role != .leader, "a leader lacks what is committed")
            discardLog(for: point, into: &effects)
        }
        commitIndex = point.index
        appliedIndex = point.index
        effects.note(.installed(index: point.index, term: point.term))
        committed(into: &effects)
        // Committed, and so part of the log of every leader from the sender on; of an earlier leader's nothing is known.
        if installed.senderTerm == term, role == .follower {
            following.verified = max(following.verified, point.index)
            acknowledgeDurable(into: &effects)
        }
    }

    /// The log goes on behind the snapshot. Its configuration takes the place of all that the log had (pitfall 28).
    private mutating func discardLog(for point: SnapshotPoint, into effects: inout Effects) {
        log = LogShape(baseIndex: point.index, baseTerm: point.term)
        tail = EntryTail(firstIndex: point.index.next)
        durability.restart(after: point.index)
        truncateFrom = nil
        restartAfter = point.index
        following.verified = min(following.verified, point.index)
        following.acknowledged = min(following.acknowledged, point.index)
        configurations = [point.configuration]
        effects.note(.configurationAdopted(index: point.configuration.index))
        if point.configuration.configuration[id] != nil {
            belonging = .member
        } else if belonging == .member {
            belonging = .removed
            effects.note(.removed(at: point.configuration.index))
        }
    }

    // MARK: A leader

    /// Whether a member needs what the log no longer has. If so it is sent a snapshot, unless it is silent or too many are
    /// on their way.
    mutating func servesWithSnapshot(_ place: Int, into effects: inout Effects) -> Bool {
        guard peers[place].next <= log.baseIndex else { return false }
        guard let snapshot, peers[place].mode != .snapshot else { return true }
        let under = peers.count { $0.mode == .snapshot }
        let isSilent = now - peers[place].lastContact > parameters.electionTimeout.upperBound
        guard under < parameters.maxSnapshotTransfers, !isSilent else {
            peers[place].probe()
            peers[place].isProbing = true
            return true
        }
        lastSnapshotSend = SnapshotToken(lastSnapshotSend.rawValue + 1)
        peers[place].sendSnapshot(lastSnapshotSend, index: snapshot.index)
        effects.snapshots.append(
            SnapshotSend(token: lastSnapshotSend, to: peers[place].id, term: term, index: snapshot.index))
        effects.note(.sendingSnapshot(to: peers[place].id, index: snapshot.index))
        return true
    }

    /// A transfer ended. What the other member then has is found out by a probe, as always.
    mutating func receive(_ sent: SnapshotSent, into effects: inout Effects) {
        guard role == .leader, let place = peers.firstIndex(where: { $0.transfer?.token == sent.token }) else { return }
        peers[place].transfer = nil
        guard peers[place].mode == .snapshot else { return }
        if let index = sent.installed, index >= log.baseIndex, index <= log.lastIndex {
            peers[place].probe(from: index.next)
        } else {
            // Again, but not before the next heartbeat.
            peers[place].probe()
            peers[place].isProbing = true
        }
        effects.note(.probing(peers[place].id, next: peers[place].next))
    }
}
