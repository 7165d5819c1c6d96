import Base

/// Newcomers that catch up before they vote (4.2.1), and members that were removed and must hear of it.
extension Raft {
    /// "The replication of entries to the new server is split into rounds … If the last round lasts less than an
    /// election timeout, then the leader adds the new server to the cluster, under the assumption that there are not
    /// enough unreplicated entries to create a significant availability gap" (4.2.1). Rounds go on until it is added:
    /// how long to wait for it is for whoever asked.
    mutating func advanceCatchUp(_ place: Int, into effects: inout Effects) {
        guard var catchUp = peers[place].catchUp, peers[place].match >= catchUp.target else { return }
        if now - catchUp.started <= parameters.electionTimeout.lowerBound {
            if catchUp.caughtUpAt == nil { effects.note(.caughtUp(peers[place].id, round: catchUp.round)) }
            catchUp.caughtUpAt = now
        } else {
            catchUp.caughtUpAt = nil
        }
        catchUp.round += 1
        catchUp.target = log.lastIndex
        catchUp.started = now
        peers[place].catchUp = catchUp
    }

    /// One newcomer at a time, and only where any change of members is allowed (4.1).
    mutating func promoteNewcomers(into effects: inout Effects) {
        guard role == .leader, electorate.hasNewcomers, proposalRefusal == nil else { return }
        guard
            let newcomer = peers.first(where: { peer in
                guard let caughtUpAt = peer.catchUp?.caughtUpAt else { return false }
                return now - caughtUpAt <= parameters.electionTimeout.upperBound
            })
        else { return }
        let next = configuration.changing(newcomer.id) { $0.standing = .voter }
        guard changeRefusal(next) == nil else { return }
        effects.note(.promoting(newcomer.id))
        _ = append(next, into: &effects)
    }

    /// The progress of those that the newest configuration removes: they get its entry, and word of its commit, so that
    /// they need not find out by campaigning in vain.
    func progressOfDeparting() -> [Progress] {
        var gone: [Progress] = []
        for peer in peers where configuration[peer.id] == nil {
            var peer = peer
            peer.catchUp = nil
            if peer.farewell == nil {
                peer.farewell = Progress.Farewell(
                    index: configurationIndex, until: now + parameters.farewellPatience)
            }
            gone.append(peer)
        }
        return gone.suffix(parameters.maxFarewells)
    }

    /// Drops those that were told, or that could not be reached in time.
    mutating func takeLeave(into effects: inout Effects) {
        for place in peers.indices.reversed() {
            guard var farewell = peers[place].farewell else { continue }
            if !farewell.isTold, peers[place].match >= farewell.index, commitIndex >= farewell.index {
                // Several heartbeats say it, should one of them be lost.
                let interval = parameters.heartbeatInterval
                farewell.isTold = true
                farewell.until = min(farewell.until, now + interval + interval + interval)
                peers[place].owesHeartbeat = true
                peers[place].farewell = farewell
            }
            guard now >= farewell.until else { continue }
            effects.note(.tookLeave(of: peers[place].id))
            peers.remove(at: place)
        }
    }
}
