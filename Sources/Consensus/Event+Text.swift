import Base

extension Event {
    /// One line for people, without the member it happened to. `name` says what members are called.
    public func text(naming name: (MemberID) -> String) -> String {
        switch self {
        case .electionTimedOut: "no leader heard for an election timeout"
        case .preCampaign(let term): "asks for pre-votes for term \(term)"
        case .campaign(let term, let transfer): "campaigns in term \(term)\(transfer ? ", asked to by its leader" : "")"
        case .voteGranted(let to, let term, let preVote):
            "grants \(name(to)) its \(preVote ? "pre-vote" : "vote") for term \(term)"
        case .voteRefused(let to, let term, let preVote, let reason):
            "refuses \(name(to)) its \(preVote ? "pre-vote" : "vote") for term \(term): \(reason.rawValue)"
        case .voteReceived(let from, let granted, let preVote):
            "\(granted ? "has" : "does not get") the \(preVote ? "pre-vote" : "vote") of \(name(from))"
        case .becameLeader(let term): "leads term \(term)"
        case .becameFollower(let term, let leader):
            "follows \(leader.map(name) ?? "nobody yet") in term \(term)"
        case .steppedDown(let term, let reason): "steps down from term \(term): \(reason.rawValue)"
        case .sleptThroughDeadline: "slept through its deadline, waits once more"
        case .appended(let first, let last): first == last ? "appends \(first)" : "appends \(first)-\(last)"
        case .truncated(let from): "cuts its log from \(from) on"
        case .durable(let through): "has \(through) on disk"
        case .diskHangs: "has a disk that does not finish"
        case .committed(let through): "commits \(through)"
        case .conflict(let at, let term): term == 0 ? "lacks \(at)" : "has \(at) in term \(term)"
        case .probing(let peer, let next): "probes \(name(peer)) from \(next)"
        case .replicating(let peer, let next): "replicates to \(name(peer)) from \(next)"
        case .readRoundStarted(let round, let index): "starts round \(round) for reads at \(index)"
        case .readRoundConfirmed(let round, let index): "confirmed round \(round): reads at \(index)"
        case .configurationAdopted(let index): "adopts the configuration of \(index)"
        case .configurationRolledBack(let to): "returns to the configuration of \(to)"
        case .caughtUp(let peer, let round): "has brought \(name(peer)) up to date in round \(round)"
        case .promoting(let peer): "makes \(name(peer)) a voter"
        case .removed(let at): "is removed from the cluster by \(at)"
        case .tookLeave(let peer): "takes leave of \(name(peer))"
        case .compacted(let through): "cuts its log up to \(through)"
        case .sendingSnapshot(let to, let index): "sends \(name(to)) its snapshot of \(index)"
        case .installed(let index, let term): "installs a snapshot of \(index)@\(term)"
        case .transferStarted(let to): "hands over to \(name(to))"
        case .timeoutNowSent(let to): "tells \(name(to)) to campaign"
        case .transferEnded(let outcome): "hand-over: \(outcome.text)"
        case .ignored(let from, let kind, let reason):
            "ignores \(kind.rawValue) of \(name(from)): \(reason.rawValue)"
        }
    }
}

extension TransferOutcome {
    var text: String {
        switch self {
        case .done: "done"
        case .refused: "refused"
        case .timedOut: "timed out"
        }
    }
}

extension Event: CustomStringConvertible {
    public var description: String { text { $0.description } }
}
