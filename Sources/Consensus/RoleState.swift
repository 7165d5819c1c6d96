import Base

/// Whether a member belongs to its cluster, as far as its log tells.
enum Belonging: Sendable {
    /// No configuration has named it yet.
    case stranger
    case member
    /// A committed configuration has taken it out.
    case removed
}

/// What a member keeps about the leader it follows.
struct Following: Sendable {
    /// When the leader of this term was last heard.
    var lastContact = Instant.zero
    /// This log agrees with that of the term's leader up to here. Never falls within a term: a leader only appends
    /// (3.6, leader append-only).
    var verified: Index = 0
    /// The largest commit index that any leader told; the entries may still be on their way.
    var leaderCommit: Index = 0
    /// What was acknowledged to the term's leader.
    var acknowledged: Index = 0
    /// The newest round of heartbeats, and whether it was answered.
    var round: UInt64 = 0

    /// A new term: of its leader's log is known that it has all that is committed (3.6.3, leader completeness).
    mutating func startTerm(committed: Index) {
        verified = committed
        acknowledged = 0
        round = 0
    }
}

/// What only a leader keeps, beside what it knows of its peers.
struct Leading: Sendable {
    struct Transfer: Sendable {
        var target: MemberID
        var deadline: Instant
        /// TimeoutNow is on its way.
        var isSent = false
        /// The leader's own idea; nobody waits to hear of its end.
        var isOwn = false
    }

    /// The index of this term's first entry: nothing before it is committed by counting copies (3.6.2).
    var termStart: Index = 0
    /// Counts rounds of heartbeats in this term (6.4).
    var round: UInt64 = 0
    var heartbeatDeadline = Instant.never
    /// By then a quorum must have been heard (6.2).
    var quorumDeadline = Instant.never
    var transfer: Transfer?
    /// When to look for a voter with a higher priority, and how long to wait when that comes to nothing.
    var priorityDeadline = Instant.never
    var priorityPause = Interval.zero
    /// Whether it tried to hand over for good: it was removed, or its disk hangs.
    var hasTriedToHandOver = false
    /// Until when reads need no round (6.4.1).
    var leaseUntil = Instant.zero
    /// The round of heartbeats that is to extend the lease, and when it began.
    var leaseRound: (number: UInt64, start: Instant)?
    /// As long as somebody reads by lease.
    var leaseWantedUntil = Instant.zero
    /// Whether a TimeoutNow left in this term: it ends all leases.
    var toldToCampaign = false

    func deadline(alone: Bool) -> Instant {
        let own = alone ? Instant.never : min(heartbeatDeadline, quorumDeadline)
        return min(own, transfer?.deadline ?? .never)
    }
}
