import Base

/// What one member's Raft says to another's: `proto/swiftwater/v1/raft.proto` in Swift. Every message names its
/// cluster, its group, its sender and its receiver, so that a misdirected one is refused and not obeyed.
public struct Message: Sendable, Equatable {
    public var cluster: ClusterID
    /// One group of replication for now: 0.
    public var group: UInt64
    public var from: MemberID
    public var to: MemberID
    /// The sender's current term; for a pre-vote, the term it would campaign in.
    public var term: Term
    public var body: Body

    public enum Body: Sendable, Equatable {
        case requestVote(RequestVote)
        case requestVoteReply(RequestVoteReply)
        case appendEntries(AppendEntries)
        case appendEntriesReply(AppendEntriesReply)
        case readIndex(ReadIndex)
        case readIndexReply(ReadIndexReply)
        case timeoutNow
    }

    public init(cluster: ClusterID, group: UInt64 = 0, from: MemberID, to: MemberID, term: Term, body: Body) {
        self.cluster = cluster
        self.group = group
        self.from = from
        self.to = to
        self.term = term
        self.body = body
    }
}

/// RequestVote (dissertation figure 3.1, section 9.6 for the pre-vote, 4.2.3 for `disruptLeader`).
public struct RequestVote: Sendable, Equatable {
    public var lastLogIndex: Index
    public var lastLogTerm: Term
    /// A question that changes nothing: would you vote for me in `Message.term`?
    public var preVote: Bool
    /// The leader itself asked for this election (3.10): do not refuse it for having heard from a leader.
    public var disruptLeader: Bool

    public init(lastLogIndex: Index, lastLogTerm: Term, preVote: Bool, disruptLeader: Bool = false) {
        self.lastLogIndex = lastLogIndex
        self.lastLogTerm = lastLogTerm
        self.preVote = preVote
        self.disruptLeader = disruptLeader
    }
}

/// The answer to RequestVote. For a granted pre-vote `Message.term` is the term that was asked about; in every
/// other answer it is the voter's own.
public struct RequestVoteReply: Sendable, Equatable {
    public var voteGranted: Bool
    public var preVote: Bool

    public init(voteGranted: Bool, preVote: Bool) {
        self.voteGranted = voteGranted
        self.preVote = preVote
    }
}

/// AppendEntries (dissertation figure 3.1), and the heartbeat when it has no entries.
public struct AppendEntries: Sendable, Equatable {
    public var prevLogIndex: Index
    public var prevLogTerm: Term
    public var entries: [Entry]
    public var leaderCommit: Index
    /// Counts the leader's rounds of heartbeats in its term; the reply returns it, and with a quorum of replies
    /// every read that waited for this round is confirmed (6.4).
    public var round: UInt64

    public init(prevLogIndex: Index, prevLogTerm: Term, entries: [Entry], leaderCommit: Index, round: UInt64) {
        self.prevLogIndex = prevLogIndex
        self.prevLogTerm = prevLogTerm
        self.entries = entries
        self.leaderCommit = leaderCommit
        self.round = round
    }
}

/// The answer to AppendEntries.
public struct AppendEntriesReply: Sendable, Equatable {
    public enum Result: Sendable, Equatable {
        /// The follower's log agrees with the leader's through `matchIndex`, and that much is durable there.
        case success(matchIndex: Index)
        /// The entry at `prevLogIndex` has another term or is missing. `conflictTerm` is the follower's term there
        /// and `conflictIndex` its first index of that term; when it is missing, the term is 0 and the index is
        /// the follower's last plus one (the fast back-up of 3.5).
        case conflict(prevLogIndex: Index, conflictTerm: Term, conflictIndex: Index)
    }
    public var result: Result
    /// The follower's last index, durable or not: what it need not be sent again.
    public var lastLogIndex: Index
    /// `AppendEntries.round`, returned.
    public var round: UInt64

    public init(result: Result, lastLogIndex: Index, round: UInt64) {
        self.result = result
        self.lastLogIndex = lastLogIndex
        self.round = round
    }
}

/// A follower asks the leader for an index at which its reads are linearizable (6.4).
public struct ReadIndex: Sendable, Equatable {
    /// Chosen by the follower; never reused within one start of its process, and seeded apart across starts.
    public var requestID: UInt64
    public init(requestID: UInt64) { self.requestID = requestID }
}

/// The answer to ReadIndex.
public struct ReadIndexReply: Sendable, Equatable {
    public var requestID: UInt64
    /// Nil when the receiver does not lead, or lost its leadership before it could confirm it.
    public var readIndex: Index?
    public init(requestID: UInt64, readIndex: Index?) {
        self.requestID = requestID
        self.readIndex = readIndex
    }
}
