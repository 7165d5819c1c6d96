import Base
import Consensus
import FoundationEssentials
import Server
import Wire

/// `/admin/status`: this member in the words of PySyncObj, which the scripts of a laboratory look for, and in ours.
///
/// `log_len` counts all entries that the log ever had, so that it does not fall when the log is cut behind a snapshot.
struct AdminStatus: Encodable {
    var report: MemberReport

    func encode(to encoder: any Encoder) throws {
        try JSONStatus(report).encode(to: encoder)
        var container = encoder.container(keyedBy: Field.self)
        let status = report.status
        func put(_ name: String, _ value: some Encodable) throws { try container.encode(value, forKey: Field(name)) }
        try put("self", status.address)
        try put("state", state)
        try put("leader", status.leaderAddress.isEmpty ? nil : status.leaderAddress)
        try put("partner_nodes_count", report.peers.count)
        try put("log_len", status.lastLogIndex.rawValue)
        try put("last_applied", status.appliedIndex.rawValue)
        try put("commit_idx", status.commitIndex.rawValue)
        try put("raft_term", status.term.rawValue)
        try put("leader_commit_idx", status.commitIndex.rawValue)
        try put("uptime", status.uptimeMs / 1_000)
        for peer in report.peers {
            try put("partner_node_status_server_\(peer.address)", peer.isConnected ? 2 : 0)
            guard let progress = peer.progress else { continue }
            try put("next_node_idx_server_\(peer.address)", progress.next.rawValue)
            try put("match_idx_server_\(peer.address)", progress.match.rawValue)
        }
    }

    private var state: Int {
        switch report.status.role {
        case .leader: 2
        case .candidate, .preCandidate: 1
        case .follower, .learner, .unspecified: 0
        }
    }
}
