import Base

/// Everything that happened to a member in one turn of its loop. `Raft.step` takes it in the order of the fields; the
/// caller keeps one and reuses its buffers: `removeAll` between turns.
public struct Input: Sendable {
    /// The member's monotonic time. It never runs backwards; a smaller value is taken for the last one.
    public var now: Instant
    /// Milliseconds since 1970, for the entries proposed in this turn.
    public var wallMs: UInt64
    /// Every write up to this token is on disk. Nil: no news.
    public var durable: WriteToken?
    /// Answers to `Effects.loads`.
    public var loaded: [Loaded] = []
    /// Everything up to this index is applied; lets the tail be trimmed. Nil: no news.
    public var applied: Index?
    /// A snapshot that this member took itself is durable. It covers nothing that is not applied.
    public var tookSnapshot: SnapshotPoint?
    /// A snapshot from another member is durable here, and the state machine is what it says: `Effects.commitIndex` does
    /// not ask for anything before it.
    public var installed: InstalledSnapshot?
    /// The log may begin behind this index, as far as the newest snapshot covers it: `Effects.compacted` says how far.
    public var compactThrough: Index?
    /// How transfers ended that `Effects.snapshots` asked for.
    public var snapshotsSent: [SnapshotSent] = []
    /// In the order of their arrival.
    public var messages: [Message] = []
    /// The transport lost its stream to these: what was on its way may be lost.
    public var unreachable: [MemberID] = []
    /// This turn's writes. All are accepted or all are refused: `Effects.proposals`.
    public var proposals: [Proposal] = []
    /// A change of members, at most one at a time: `Effects.membership`.
    public var configuration: Configuration?
    /// Reads that want an index: `Effects.reads` answers each exactly once, now or in a later turn.
    public var reads: [ReadToken] = []
    /// Somebody reads by lease: a leader is to hold one for some seconds (`Raft.leaseReadIndex`).
    public var wantsLease = false
    /// The election timer runs out now, whatever was heard from a leader: a fault on purpose.
    public var electionTimerExpires = false
    /// Hand leadership to this member (3.10): `Effects.transfer` tells the end of it.
    public var transferTo: MemberID?

    public init(now: Instant, wallMs: UInt64 = 0) {
        self.now = now
        self.wallMs = wallMs
    }

    /// Empties it for the next turn; the buffers keep their capacity, the times their values.
    public mutating func removeAll() {
        durable = nil
        loaded.clear()
        applied = nil
        tookSnapshot = nil
        installed = nil
        compactThrough = nil
        snapshotsSent.clear()
        messages.clear()
        unreachable.clear()
        proposals.clear()
        configuration = nil
        reads.clear()
        wantsLease = false
        electionTimerExpires = false
        transferTo = nil
    }
}

/// A write that wants to become a log entry.
public struct Proposal: Sendable {
    public var kind: Entry.Kind
    /// Zero without a session (6.3).
    public var sessionID: UInt64
    public var sequence: UInt64
    /// The version of the encoding of `data`.
    public var version: UInt64
    /// Encoded with `Entry.headroom` in front, so that packing copies nothing.
    public var data: Bytes

    @inlinable
    public init(
        kind: Entry.Kind = .command, sessionID: UInt64 = 0, sequence: UInt64 = 0, version: UInt64 = 1, data: Bytes
    ) {
        self.kind = kind
        self.sessionID = sessionID
        self.sequence = sequence
        self.version = version
        self.data = data
    }
}

/// A request for entries that the tail no longer holds, for a follower that lags. At most one is outstanding for
/// each follower.
public struct Load: Sendable, Equatable {
    public var token: LoadToken
    public var to: MemberID
    public var from: Index
    public var through: Index
    /// Stop before the entry that would exceed this, but read at least one.
    public var maxBytes: Int

    public init(token: LoadToken, to: MemberID, from: Index, through: Index, maxBytes: Int) {
        self.token = token
        self.to = to
        self.from = from
        self.through = through
        self.maxBytes = maxBytes
    }
}

/// The answer to a `Load`: consecutive entries from `Load.from` on. None when the disk could not be read this time:
/// it is asked again at the next heartbeat.
public struct Loaded: Sendable {
    public var token: LoadToken
    public var entries: [Entry]

    public init(token: LoadToken, entries: [Entry]) {
        self.token = token
        self.entries = entries
    }
}
