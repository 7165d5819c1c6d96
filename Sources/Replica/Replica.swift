import Base
import Consensus
import DequeModule
import Keyspace
import Storage

/// One whole member, deterministic: Raft, the keyspace, the log on disk, and the requests that wait on them. It
/// takes a `Turn` and leaves `ReplicaEffects`; it knows no sockets, no threads and no clock. The server feeds one,
/// the simulator many.
///
/// Laws that hold here:
/// - A message that depends on a write leaves only after `Storage` reports that write durable (`whenDurable`).
/// - An entry is applied once, in order, after it is committed (dissertation 3.5).
/// - Every request is answered exactly once.
public struct Replica: ~Copyable {
    let limits: ReplicaLimits
    /// The first entry that the disk holds.
    public internal(set) var firstIndex: Index

    var raft: Raft
    var storage: Storage
    var keyspace = Keyspace()

    /// Reused between turns.
    var input: Input
    var raftEffects = Effects()
    var storageEvents: [StorageEvent] = []

    /// The last write handed to storage, and the last one that is on disk. Invariant: durable <= issued.
    var issued: WriteToken = 0
    var durable: WriteToken = 0
    /// Messages that wait for the disk. Invariant: tokens ascend, and all are later than `durable`.
    var whenDurable = Deque<(token: WriteToken, message: Message)>()

    /// Writes that wait to be proposed: they gather while the disk writes (group commit).
    var gathered = Deque<HeldRequest>()
    /// Writes that were proposed here, in order of index. Invariant: indexes ascend, and none is applied. When this member does
    /// not lead, they are committed.
    var proposed = Deque<ProposedWrite>()
    /// Writes that the leader was asked to propose: no answer from it yet.
    var forwarded: [RequestID: HeldRequest] = [:]
    /// Requests that wait for a leader to be known, oldest first.
    var held = Deque<HeldRequest>()
    /// When `held` may be tried again after a leader that said it was none.
    var redispatchAt = Instant.zero
    /// Who led when one of `held` was refused.
    var refusedBy: MemberID?

    /// Linearizable reads that wait for their round to begin.
    var gatheredReads: [HeldRequest] = []
    /// Rounds that wait for their read index.
    var rounds = Deque<ReadRound>()
    /// Rounds that have their index and wait for it to be applied, in order of index.
    var confirmed = Deque<ConfirmedRound>()
    var lastReadToken: UInt64 = 0

    /// Reads of the log that are under way on the disk.
    var diskReads: [UInt64: DiskRead] = [:]
    var lastDiskRead: UInt64 = 0
    /// When an AppendEntries was last heard without its commands, on a full disk.
    var sparedAt = Instant.zero
    /// Whether entries to be applied are being read from disk.
    var isLoadingToApply = false

    var transfer: PendingTransfer?
    var pendingChange: PendingChange?

    /// How many keys the newest snapshot holds.
    var keysInSnapshot = 0
    var snapshotting: Snapshotting?
    var snapshotNumber: UInt64 = 0
    /// The index that is this member's turn to begin the next one at; nil when it is still to be found.
    var nextSnapshotIndex: UInt64?
    var snapshotRetryAt = Instant.zero
    /// A leader wants to send one: none of one's own is begun before.
    var ownSnapshotAt = Instant.zero
    /// One is to be taken whatever the thresholds say: the simulator's wish.
    var isSnapshotDemanded = false
    /// Which snapshots are being sent: they stay on the disk.
    var sending: [(token: SnapshotToken, index: Index)] = []
    var incoming: Incoming?
    var incomingDecoder: SnapshotDecoder?
    var incomingKeyspace: Keyspace?

    /// What the last step did, for those who check every step: the simulator. Nil for everyone else.
    package var record: StepRecord?

    /// Requests taken and not answered, and the bytes of their commands: law 11.
    var requestCount = 0
    var requestBytes = 0

    var now: Instant
    /// When `step` is next needed though nothing has happened.
    public private(set) var deadline = Instant.zero

    struct ProposedWrite {
        var id: RequestID
        var index: Index
        var term: Term
        var size: Int
    }

    struct HeldRequest {
        var request: Request
        /// Until when a leader may appear.
        var expiry: Instant
    }

    struct ReadRound {
        var token: ReadToken
        var requests: [HeldRequest]
    }

    struct ConfirmedRound {
        var index: Index
        /// By then it must be applied. Invariant: expiries ascend.
        var expiry: Instant
        var requests: [HeldRequest]
    }

    enum DiskRead {
        case apply
        case load(LoadToken)
        case log(RequestID, commitIndex: Index)
    }

    struct PendingTransfer {
        var id: RequestID
        var expiry: Instant
    }

    /// - Parameters:
    ///   - raft: restored from the same `Recovered` that `storage` was made from.
    ///   - now: the first instant; no turn may be before it.
    public init(
        raft: consuming Raft, firstIndex: Index, storage: consuming Storage, limits: ReplicaLimits = ReplicaLimits(),
        now: Instant
    ) {
        self.raft = raft
        self.firstIndex = firstIndex
        self.storage = storage
        self.limits = limits
        self.now = now
        input = Input(now: now)
        deadline = nextDeadline
    }

    /// One turn of the loop, from everything that happened to everything that follows from it.
    public mutating func step(_ turn: inout Turn, into effects: inout ReplicaEffects) {
        now = max(now, turn.now)
        input.now = now
        input.wallMs = turn.wallMs
        finish(&turn.completions, into: &effects)
        if effects.failure != nil { return }
        swap(&input.messages, &turn.messages)
        swap(&input.unreachable, &turn.unreachable)
        turn.messages.clear()
        turn.unreachable.clear()
        swap(&input.electionTimerExpires, &turn.electionTimerExpires)
        turn.electionTimerExpires = false
        if let work = turn.snapshotWork.take() { finish(work) }
        settle(&turn.snapshotsSent)
        for read in turn.snapshotReads {
            storage.readSnapshot(request: read.id, index: read.index, offset: read.offset, count: read.count)
        }
        turn.snapshotReads.clear()
        take(&turn.snapshotChunks, into: &effects)
        settle(&turn.forwardResults, into: &effects)
        redispatchHeld(into: &effects)
        for request in turn.requests { take(request, into: &effects) }
        turn.requests.clear()
        advanceRaft(into: &effects)
        if raft.brokenLaw != nil { return }
        applyCommitted(into: &effects)
        answerConfirmedReads(into: &effects)
        dropOvertakenSnapshot(into: &effects)
        takeSnapshotIfDue(into: &effects)
        continueSnapshot(into: &effects)
        continueInstalling(into: &effects)
        storage.nextOperations(into: &effects.operations)
        deadline = nextDeadline
    }

    private var nextDeadline: Instant {
        if hasMoreToDo { return now }
        var next = min(raft.deadline, storage.deadline)
        if let first = held.first {
            next = min(next, raft.leader != nil ? mayRedispatch ? now : redispatchAt : waitsInVain ? now : first.expiry)
        }
        if let round = confirmed.first { next = min(next, round.expiry) }
        if storage.snapshotBacklogBytes < limits.snapshotBacklogBytes { next = min(next, nextSnapshotPiece) }
        if let transfer { next = min(next, transfer.expiry) }
        if let pendingChange { next = min(next, pendingChange.expiry) }
        return next
    }

    /// Whether the last turn left work that only its budget kept from being done.
    private var hasMoreToDo: Bool {
        keyspace.appliedIndex < raft.commitIndex && !isLoadingToApply
            || !gathered.isEmpty && issued == durable
            || !gatheredReads.isEmpty && rounds.count < limits.maxReadRounds
    }

    /// Whether somebody listens to `ReplicaEffects.events`; they are built only then.
    public var isWatched: Bool {
        get { raftEffects.wantsEvents }
        set { raftEffects.wantsEvents = newValue }
    }

    public var id: MemberID { raft.id }
    public var view: View { raft.view }
    public var configuration: Configuration { raft.configuration }
    public var configurationIndex: Index { raft.configurationIndex }
    public var role: Role { raft.role }
    public var term: Term { raft.term }
    public var leader: MemberID? { raft.leader }
    public var revision: UInt64 { keyspace.revision }
    public var appliedIndex: Index { keyspace.appliedIndex }
    public var isDiskFull: Bool { storage.isFull }
    /// Members that were removed and that this leader still speaks to.
    public var departing: [MemberID] { raft.departing }
    /// Whether a committed configuration has taken this member out.
    public var isRemoved: Bool { raft.isRemoved }
}
