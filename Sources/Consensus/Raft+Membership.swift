@_spi(Sabotage) import Base

/// Configurations as log entries (dissertation chapter 4): one server at a time, in force from the moment they are
/// appended, undone when they are cut off.
extension Raft {
    /// Proposes a change of members.
    mutating func change(to configuration: Configuration, into effects: inout Effects) -> MembershipOutcome {
        if let refusal = proposalRefusal ?? changeRefusal(configuration) { return .refused(refusal) }
        return .accepted(term: term, index: append(configuration, into: &effects))
    }

    mutating func append(_ configuration: Configuration, into effects: inout Effects) -> Index {
        let entry = Entry(
            term: term, index: log.lastIndex.next, kind: .configuration, timeMs: entryTime,
            data: configuration.encode())
        append(entry)
        effects.note(.appended(first: entry.index, last: entry.index))
        adopt(configuration, at: entry.index, into: &effects)
        return entry.index
    }

    func changeRefusal(_ new: Configuration) -> Refusal? {
        // "A leader may not append a new configuration entry until it has committed an entry from its current term"
        // (Ongaro's correction to chapter 4, raft-dev, July 2015), and none while another is not committed (4.1).
        if commitIndex < leading.termStart, sabotage != .changeBeforeOwnCommit { return .changeInProgress }
        if configurationIndex > commitIndex, sabotage != .changesOverlap { return .changeInProgress }
        // "Single-server changes": any majority of the old voters and any of the new ones overlap (4.1).
        let old = electorate.voters
        let changed = new.voters.count { !old.contains($0) } + old.count { !new.voters.contains($0) }
        return changed > 1 || new.voters.isEmpty ? .notOneByOne : nil
    }

    /// "The new configuration takes effect on each server as soon as it is added to that server's log" (4.1).
    mutating func adopt(_ configuration: Configuration, at index: Index, into effects: inout Effects) {
        configurations.append(PlacedConfiguration(index: index, configuration: configuration))
        effects.note(.configurationAdopted(index: index))
        if configuration[id] != nil { belonging = .member }
        if role == .leader { adjustPeers() }
    }

    /// The configuration that held when the entry at `index`, which is committed, was the last; nil when it is not known
    /// any more.
    public func configuration(asOf index: Index) -> PlacedConfiguration? {
        if sabotage == .staleConfigurationInSnapshot, let snapshot { return snapshot.configuration }
        return configurations.last { $0.index <= index }
    }

    /// "A server must fall back to a previous configuration if its log is truncated" (4.1).
    mutating func rollBackConfigurations(from index: Index, into effects: inout Effects) {
        guard configurationIndex >= index, sabotage != .configurationNotRolledBack else { return }
        configurations.removeAll { $0.index >= index }
        precondition(!configurations.isEmpty, "the configuration that held at the commit index is lost")
        effects.note(.configurationRolledBack(to: configurationIndex))
    }

    /// Nothing before the newest committed configuration can come back. A leader tells its followers at once that
    /// one was committed, those it removes are not left waiting for the next heartbeat.
    mutating func settleConfigurations(into effects: inout Effects) {
        while configurations.count > 1, configurations[1].index <= commitIndex {
            configurations.removeFirst()
            for place in peers.indices { peers[place].owesHeartbeat = true }
            if belonging == .member, !configurations.contains(where: { $0.configuration[id] != nil }) {
                belonging = .removed
                effects.note(.removed(at: configurations[0].index))
            }
        }
    }

    /// A leader keeps track of the other members of its configuration, learners included (4.2.1), and for a while of
    /// those that the newest one removes.
    mutating func adjustPeers() {
        var adjusted: [Progress] = []
        for member in configuration.members where member.id != id {
            var progress =
                peer(member.id).map { peers[$0] } ?? Progress(id: member.id, next: log.lastIndex.next, now: now)
            progress.farewell = nil
            if member.standing != .joining {
                progress.catchUp = nil
            } else if progress.catchUp == nil {
                progress.catchUp = Progress.CatchUp(target: log.lastIndex, started: now)
            }
            adjusted.append(progress)
        }
        peers = adjusted + progressOfDeparting()
    }

    /// "A leader that is removed from the configuration steps down once the Cnew entry is committed"; until then it
    /// leads a majority that it does not count itself in (4.2.2). It hands over first (3.10): nobody has to wait for an
    /// election timeout, and whoever asked for the change is answered by the leader that was asked.
    mutating func retireIfRemoved(into effects: inout Effects) {
        guard !electorate.includesSelf, configurationIndex <= commitIndex, sabotage != .removedLeaderStays else { return }
        if handsOver(to: heir, into: &effects) { finishTransfer(into: &effects) }
        if leading.transfer == nil { stepDown(.removed, into: &effects) }
    }
}

extension Entry {
    /// The configuration that this entry holds; nil for other kinds, and for one that cannot be read.
    public var configuration: Configuration? {
        guard kind == .configuration else { return nil }
        do { return try Configuration(decoding: data) } catch { return nil }
    }
}
