import Base

extension Message {
    /// One line for people, without sender and receiver. `entry` says how an entry is shown.
    public func text(showing entry: (Entry) -> String = { "\($0.index)@\($0.term)" }) -> String {
        switch body {
        case .requestVote(let request):
            let kind = request.preVote ? " pre-vote" : request.disruptLeader ? " by transfer" : ""
            return "RequestVote\(kind) term \(term), last \(request.lastLogIndex)@\(request.lastLogTerm)"
        case .requestVoteReply(let reply):
            return "RequestVoteReply\(reply.preVote ? " pre-vote" : "") term \(term), "
                + (reply.voteGranted ? "granted" : "refused")
        case .appendEntries(let request):
            let entries = request.entries.map(entry).joined(separator: ", ")
            return "AppendEntries term \(term), after \(request.prevLogIndex)@\(request.prevLogTerm)"
                + " [\(entries)], commit \(request.leaderCommit), round \(request.round)"
        case .appendEntriesReply(let reply):
            return "AppendEntriesReply term \(term), \(reply.result.text), round \(reply.round)"
        case .readIndex: return "ReadIndex term \(term)"
        case .readIndexReply(let reply):
            return "ReadIndexReply term \(term), \(reply.readIndex.map { "index \($0)" } ?? "refused")"
        case .timeoutNow: return "TimeoutNow term \(term)"
        }
    }
}

extension AppendEntriesReply.Result {
    var text: String {
        switch self {
        case .success(let match): "match \(match)"
        case .conflict(let previous, 0, let index): "conflict at \(previous): ends before \(index)"
        case .conflict(let previous, let term, let index): "conflict at \(previous): term \(term) from \(index) on"
        }
    }
}
