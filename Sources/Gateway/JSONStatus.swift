import Base
import Consensus
import FoundationEssentials
import Server
import Wire

/// `/v1/cluster/status`: the gRPC service's Status, and what the page draws beside it.
struct JSONStatus: Encodable {
    var role: String
    var name: String
    var memberID: JSONIdentity
    var clusterID: JSONIdentity
    var address: String
    var httpAddress: String?
    var leader: String
    var leaderAddress: String
    var hasQuorum: Bool
    var version: String
    var term, firstLogIndex, lastLogIndex, durableIndex, commitIndex, appliedIndex, revision, uptimeMs: UInt64
    var reads, writes, leaderChanges, answered, waitedUs: UInt64
    var snapshotBytes: Int
    var requestsInFlight: Int
    var diskFull: Bool
    var heartbeatMs, electionMinMs, electionMaxMs, timerMs: UInt64
    var members: [JSONMember]

    enum CodingKeys: String, CodingKey {
        case role, name, address, leader, version, term, revision, members, reads, writes, answered
        case memberID = "member_id"
        case clusterID = "cluster_id"
        case httpAddress = "http_address"
        case leaderAddress = "leader_address"
        case hasQuorum = "has_quorum"
        case firstLogIndex = "first_log_index"
        case lastLogIndex = "last_log_index"
        case durableIndex = "durable_index"
        case commitIndex = "commit_index"
        case appliedIndex = "applied_index"
        case uptimeMs = "uptime_ms"
        case leaderChanges = "leader_changes"
        case waitedUs = "waited_us"
        case snapshotBytes = "snapshot_bytes"
        case requestsInFlight = "requests_in_flight"
        case diskFull = "disk_full"
        case heartbeatMs = "heartbeat_ms"
        case electionMinMs = "election_min_ms"
        case electionMaxMs = "election_max_ms"
        case timerMs = "timer_ms"
    }

    init(_ report: MemberReport) {
        let status = report.status
        role = status.role.name
        name = status.name
        memberID = JSONIdentity(status.memberID.rawValue)
        clusterID = JSONIdentity(status.clusterID.rawValue)
        address = status.address
        httpAddress = report.httpAddress
        leader = status.leader
        leaderAddress = status.leaderAddress
        hasQuorum = report.hasQuorum
        version = status.version
        term = status.term.rawValue
        firstLogIndex = status.firstLogIndex.rawValue
        lastLogIndex = status.lastLogIndex.rawValue
        durableIndex = report.durableIndex.rawValue
        commitIndex = status.commitIndex.rawValue
        appliedIndex = status.appliedIndex.rawValue
        revision = status.revision
        uptimeMs = status.uptimeMs
        reads = report.counters.reads
        writes = report.counters.writes
        leaderChanges = report.counters.leaderChanges
        answered = report.counters.answered
        waitedUs = report.counters.waitedNanoseconds / 1_000
        snapshotBytes = report.snapshotBytes
        requestsInFlight = report.requestsInFlight
        diskFull = report.isDiskFull
        heartbeatMs = report.heartbeatInterval.milliseconds
        electionMinMs = report.electionTimeout.lowerBound.milliseconds
        electionMaxMs = report.electionTimeout.upperBound.milliseconds
        timerMs = min(report.deadlineIn.milliseconds, report.electionTimeout.upperBound.milliseconds)
        members = status.members.map { member in
            JSONMember(member, report.peers.first { $0.id == member.id }, own: report)
        }
    }
}

struct JSONMember: Encodable {
    var id: JSONIdentity
    var name: String
    var address: String
    var voter: Bool
    var httpAddress: String?
    /// Absent of the member itself.
    var connected: Bool?
    /// What a leader knows of the others.
    var matchIndex, nextIndex, lastContactMs, roundTripUs: UInt64?
    var inflight: Int?
    var mode: String?

    enum CodingKeys: String, CodingKey {
        case id, name, address, voter, connected, inflight, mode
        case httpAddress = "http_address"
        case matchIndex = "match_index"
        case nextIndex = "next_index"
        case lastContactMs = "last_contact_ms"
        case roundTripUs = "round_trip_us"
    }

    init(_ member: Configuration.Member) {
        id = JSONIdentity(member.id.rawValue)
        name = member.name
        address = member.address
        voter = member.isVoter
    }

    init(_ member: Configuration.Member, _ peer: MemberReport.Peer?, own: MemberReport) {
        self.init(member)
        guard let peer else {
            httpAddress = own.httpAddress
            return
        }
        httpAddress = peer.httpAddress
        connected = peer.isConnected
        guard let progress = peer.progress else { return }
        matchIndex = progress.match.rawValue
        nextIndex = progress.next.rawValue
        lastContactMs = peer.lastContact?.milliseconds
        roundTripUs = peer.roundTrip.map { $0.nanoseconds / 1_000 }
        inflight = progress.inflightMessages
        mode =
            switch progress.mode {
            case .probe: "PROBE"
            case .replicate: "REPLICATE"
            case .snapshot: "SNAPSHOT"
            }
    }
}

extension Wire.Role {
    var name: String {
        switch self {
        case .unspecified: "UNSPECIFIED"
        case .follower: "FOLLOWER"
        case .preCandidate: "PRE_CANDIDATE"
        case .candidate: "CANDIDATE"
        case .leader: "LEADER"
        case .learner: "LEARNER"
        }
    }
}
