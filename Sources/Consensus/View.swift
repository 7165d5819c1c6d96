import Base

/// A copy of what may be seen of a `Raft`: for status, the dashboard, tests. `Raft` itself cannot be copied.
public struct View: Sendable, Equatable {
    public var id: MemberID
    public var role: Role
    public var term: Term
    public var votedFor: MemberID?
    /// Who leads this term, when known.
    public var leader: MemberID?
    /// The first index of the log; what stands before it a snapshot covers.
    public var firstIndex: Index
    /// The last index that the newest snapshot covers; 0 without one.
    public var snapshotIndex: Index
    public var lastIndex: Index
    public var lastTerm: Term
    /// Everything up to here is committed.
    public var commitIndex: Index
    /// Everything up to here is on this member's disk.
    public var durableIndex: Index
    public var appliedIndex: Index
    /// The newest configuration of the log, committed or not (4.1).
    public var configuration: Configuration
    public var configurationIndex: Index
    /// Whom leadership is being handed to.
    public var transferTarget: MemberID?
    /// A leader's knowledge of the other members, in order of their ids; empty on others.
    public var peers: [Peer]
    /// Members that were removed and that the leader still speaks to, so that they hear of it.
    public var departing: [MemberID]
    /// Whether a committed configuration has taken this member out.
    public var isRemoved: Bool

    public struct Peer: Sendable, Equatable {
        public var id: MemberID
        public var match: Index
        public var next: Index
        public var mode: Progress.Mode
        public var inflightMessages: Int
        public var lastContact: Instant
        /// Of one that becomes a voter when it has caught up: which round this is (4.2.1), and the index that it has to
        /// reach in it.
        public var catchUpRound: Int?
        public var catchUpTarget: Index?
    }

    /// The voter best suited to take over: the one with the longest acknowledged log, of those the one heard last.
    /// Nil when there is no other voter, or this member does not lead.
    public var transferCandidate: MemberID? {
        let voters = peers.filter { configuration[$0.id]?.isVoter == true && $0.id != id }
        return voters.max { ($0.match, $0.lastContact) < ($1.match, $1.lastContact) }?.id
    }
}
