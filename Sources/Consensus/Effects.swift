import Base

/// Everything a member's Raft wants done after one turn, in the order in which it must be obeyed. The caller keeps one
/// and reuses it: `removeAll` before each step.
public struct Effects: Sendable {
    /// Whether somebody listens to `events`; they are built only then.
    public var wantsEvents: Bool

    /// May leave while the disk still writes: a leader's own entries (10.2.1), heartbeats, questions, refusals.
    public var sendNow: [Message] = []

    /// What the disk must do next, after every earlier write.
    public var write: Write?

    /// May leave only when `write`, or without one every earlier write, is durable: votes, requests for votes,
    /// acknowledgements of a term that is not yet on disk (3.8).
    public var sendAfterWrite: [Message] = []

    /// What became of `Input.proposals`. Nil when there were none.
    public var proposals: ProposalOutcome?

    /// What became of `Input.configuration`. Nil when there was none.
    public var membership: MembershipOutcome?

    /// Set when it moved: everything up to it is to be applied.
    public var commitIndex: Index?

    /// Reads that got their index, or that get none here.
    public var reads: [ReadAnswer] = []

    /// Entries to be read from disk for followers that lag.
    public var loads: [Load] = []

    /// Snapshots to be sent to followers that need what the log no longer has. Their transfers end with
    /// `Input.snapshotsSent`, or with this member's leadership.
    public var snapshots: [SnapshotSend] = []

    /// Set when the log's beginning moved: what stands up to this index may go from the disk.
    public var compacted: Index?

    /// Set when the role changed. When it was `leader` before, the entries that this member proposed and that are
    /// not committed have an unknown outcome: a later leader may commit them or not.
    public var roleChanged: Role?

    /// Whether another leader than before, or none, or the same in a later term is known: `Raft.leader`.
    public var leaderChanged = false

    /// A leadership transfer that this member was asked for has ended.
    public var transfer: TransferOutcome?

    /// What happened, for logs, golden tests, the dashboard and the simulator. Empty unless `wantsEvents`.
    public var events: [Event] = []

    public init(wantsEvents: Bool = false) { self.wantsEvents = wantsEvents }

    /// Empties it for the next step; the buffers keep their capacity.
    public mutating func removeAll() {
        sendNow.clear()
        write = nil
        sendAfterWrite.clear()
        proposals = nil
        membership = nil
        commitIndex = nil
        reads.clear()
        loads.clear()
        snapshots.clear()
        compacted = nil
        roleChanged = nil
        leaderChanged = false
        transfer = nil
        events.clear()
    }

    @inline(__always)
    mutating func note(_ event: @autoclosure () -> Event) {
        if wantsEvents { events.append(event()) }
    }
}

/// One write to the disk. The parts become durable in order: hard state, then the truncation or the restart, then the entries; a
/// crash may keep any prefix of them, and none of a later write without all of an earlier one.
public struct Write: Sendable, Equatable {
    public var token: WriteToken
    /// Nil when it did not change.
    public var hardState: HardState?
    /// Entries from here on are no longer part of the log.
    public var truncateFrom: Index?
    /// No entry is part of the log any more; it goes on behind this index, which a durable snapshot covers. Never
    /// together with `truncateFrom`.
    public var restartAfter: Index?
    /// Follow what is left of the log.
    public var entries: [Entry]

    public init(
        token: WriteToken, hardState: HardState? = nil, truncateFrom: Index? = nil, restartAfter: Index? = nil,
        entries: [Entry] = []
    ) {
        self.token = token
        self.hardState = hardState
        self.truncateFrom = truncateFrom
        self.restartAfter = restartAfter
        self.entries = entries
    }
}

public enum ProposalOutcome: Sendable, Equatable {
    /// The proposals stand in the log, in their order, from `first` on. They are not yet committed.
    case accepted(term: Term, first: Index, count: Int)
    /// None of them is in the log, nor will be.
    case refused(Refusal)
}

public enum MembershipOutcome: Sendable, Equatable {
    /// It took effect; it is safe when `index` is committed.
    case accepted(term: Term, index: Index)
    case refused(Refusal)
}

/// Why a proposal was not taken. In every case nothing was written anywhere.
public enum Refusal: Sendable, Equatable {
    /// Not the leader; the hint is who is believed to be.
    case notLeader(hint: MemberID?)
    /// Leadership is on its way to this member (3.10).
    case transferring(to: MemberID)
    /// `Parameters.maxUncommittedBytes` wait already.
    case overloaded
    /// An earlier change of members, or the leader's first entry of its term, is not yet committed (4.1, and its
    /// correction of 2015).
    case changeInProgress
    /// A change of members must add or remove at most one voter, and leave at least one (4.1).
    case notOneByOne
}

public struct ReadAnswer: Sendable, Equatable {
    public var token: ReadToken
    public var outcome: ReadOutcome

    @inlinable
    public init(token: ReadToken, outcome: ReadOutcome) {
        self.token = token
        self.outcome = outcome
    }
}

public enum ReadOutcome: Sendable, Equatable {
    /// A read is linearizable on a state that has applied this much (6.4).
    case ready(Index)
    /// This member led when it took the read and no longer does; it is safe to ask again.
    case lostLeadership
    /// No leader answered within `Parameters.readPatience`.
    case noLeader
    /// `Parameters.maxWaitingReads` wait already.
    case overloaded
}

public enum TransferOutcome: Sendable, Equatable {
    /// Another member leads, or at least a later term has begun.
    case done
    /// The target is no voter of the configuration, or this member does not lead.
    case refused
    /// The target did not take over within an election timeout; this member goes on leading.
    case timedOut
}
