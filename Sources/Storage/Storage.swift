@_spi(Sabotage) import Base
import Consensus
import DequeModule
import LogFormat

/// One member's disk as a machine without threads or clocks: requests and completions in, disk operations and
/// events out. docs/DISK-FORMAT.md tells what it assumes of disks and what then holds.
///
/// Use: hand in `write` and `read`, then run what `nextOperations` gives, answer each with `completed`, ask
/// `nextOperations` again. Writes become durable in the order of their tokens.
public struct Storage: ~Copyable {
    let limits: StorageLimits
    let member: MemberID

    // Writing: Storage+Writing.swift
    var backlog = Backlog()
    /// What the log lane does now. Invariant: one job at a time, so that frame N+1 is written after N's sync.
    var logJob: (id: UInt64, job: LogJob)?
    /// The segment that frames are written to, and where the next one goes.
    var segment: OpenSegment
    /// Of the last frame written.
    var sequence: UInt64
    /// Bytes of all frames written since the start.
    var writtenBytes = 0
    /// What `writtenBytes` was when the newest snapshot began: negative when that was before the start.
    var writtenBeforeSnapshot = 0
    /// The last index in the files, written or being written.
    var lastWritten: Index
    /// The index that the next entry handed in must have.
    var nextIndex: Index
    /// The newest hard state handed in.
    var hardState: HardState
    /// The number of the slot that was last written.
    var stateNumber: UInt64
    var lastToken: UInt64 = 0

    // The witness: Storage+Writing.swift
    /// The last durable frame.
    var lastFrame: Witness?
    var witnessed: UInt64
    var witnessTurn: UInt64
    var quietSince: Instant?
    var witnessIsDue = false

    // Space: Storage+Space.swift
    var spares: Deque<OpenSegment>
    var preparation = Preparation.idle
    /// Whether `.full` was the last word about space.
    public internal(set) var isFull = false

    // Snapshots and what goes behind them: Storage+Snapshot.swift, Storage+Compaction.swift
    /// The newest snapshot on the disk.
    public internal(set) var snapshot: SnapshotHeader?
    /// All that have a name, ascending.
    var snapshots: [SnapshotFile]
    var draft: SnapshotDraft?
    /// Those of them that nobody needs, ascending.
    var staleSnapshots: [SnapshotFile]
    /// The last one that was begun found no space.
    var snapshotLacksSpace = false
    var staleRemoval: UInt64?
    var snapshotReads = Deque<(request: UInt64, index: Index, offset: Int, count: Int)>()
    var runningSnapshotReads: [(id: UInt64, request: UInt64, index: Index)] = []
    /// The first index of the log.
    public internal(set) var firstIndex: Index
    /// What the segments hold, from the oldest to the one with the last frame.
    var spans: Deque<SegmentSpan>
    var removal: UInt64?
    /// The spare that is being prepared was a segment of the log.
    var isRecycling = false
    /// As many bytes of the log stay on the disk, needed or not: segments that hold nothing any more are written over.
    public var logRoomBytes = 0
    /// Since when nothing was written, and whether that is so long that what waits to be written over is given back.
    var idleSince: Instant?
    var isIdle = false

    // Reading: Storage+Reading.swift
    var positions: Positions
    var reads = Reads()

    var failed = false
    var lastID: UInt64 = 0

    /// Takes up where recovery left off, at `now`.
    public init(_ recovered: consuming Recovered, limits: StorageLimits = StorageLimits(), now: Instant = .zero) {
        precondition(
            limits.segmentBytes.isMultiple(of: Format.blockBytes) && limits.segmentBytes >= 2 * Format.framesStart
                && limits.segmentBytes <= Int(UInt32.max), "a segment has room for frames and is whole blocks long")
        self.limits = limits
        member = recovered.identity.member
        segment = recovered.segment
        sequence = recovered.sequence
        lastWritten = recovered.lastIndex
        nextIndex = recovered.lastIndex.next
        hardState = recovered.hardState
        stateNumber = recovered.stateNumber
        lastFrame = recovered.lastFrame
        witnessed = recovered.witnessed
        witnessTurn = recovered.witnessTurn
        quietSince = recovered.lastFrame == nil ? nil : now
        idleSince = now
        spares = Deque(recovered.spares)
        positions = recovered.positions
        snapshot = recovered.snapshot
        snapshots = recovered.snapshot.map { [SnapshotFile(index: $0.index, bytes: SnapshotHeader.contentStart + $0.length)] } ?? []
        staleSnapshots = recovered.staleSnapshots
        firstIndex = recovered.firstIndex
        spans = Deque(recovered.spans)
        logRoomBytes = logBytes
        let covered = recovered.snapshot?.index ?? 0
        writtenBeforeSnapshot = -spans.reduce(0) { $1.last > covered ? $0 + $1.bytes : $0 }
        // The files say otherwise still: the next frame tells them, before anything else comes.
        if recovered.restarts, limits.sabotage != .gapAfterRestart { backlog.restart(at: nextIndex) }
    }

    /// Everything of one turn: term and vote, then the truncation or the restart, then the entries. `token` is larger than
    /// any before. `restartAfter`: no entry counts any more, the log goes on behind this index.
    ///
    /// Precondition: `entries` continue the log, after the truncation; none has a term above the hard state's (terms
    /// are durable before what depends on them); each is at most `maxEntryBytes` long.
    public mutating func write(
        token: UInt64, hardState: HardState?, truncateFrom: Index?, restartAfter: Index? = nil, entries: [Entry]
    ) {
        accept(token)
        if let hardState {
            precondition(hardState.term >= self.hardState.term, "a term went backwards")
            self.hardState = hardState
        }
        if let restartAfter {
            precondition(restartAfter <= snapshot?.index ?? 0 && truncateFrom == nil, "no snapshot for the log to follow")
            nextIndex = restartAfter.next
            firstIndex = nextIndex
            writtenBeforeSnapshot = writtenBytes
            reads.void(before: .init(.max))
        }
        if let truncateFrom {
            precondition(truncateFrom > 0 && truncateFrom <= nextIndex, "a truncation beyond the end of the log")
            nextIndex = truncateFrom
            reads.truncate(from: truncateFrom)
        }
        if let first = entries.first, let last = entries.last {
            precondition(
                first.index == nextIndex && last.index == first.index.advanced(by: entries.count - 1),
                "entries must follow the log without a gap")
            precondition(last.term <= hardStateTerm, "an entry of a term that is not durable")
            nextIndex = last.index.next
        }
        backlog.add(
            token: token, hardState: hardState, truncateFrom: truncateFrom, restartAfter: restartAfter, entries: entries)
    }

    private var hardStateTerm: Term { hardState.term }

    /// Replaces the identity, as one of the writes: the cluster and first configuration become known.
    public mutating func write(token: UInt64, identity: Identity) {
        precondition(identity.member == member, "a member does not change its id")
        accept(token)
        backlog.add(token: token, identity: identity)
    }

    private mutating func accept(_ token: UInt64) {
        precondition(token > lastToken, "tokens ascend")
        lastToken = token
    }

    /// What may start now, appended to `operations`.
    public mutating func nextOperations(into operations: inout [DiskOperation]) {
        guard !failed else { return }
        if logJob == nil, let operation = startLogJob() { operations.append(operation) }
        if let operation = startPreparation() { operations.append(operation) }
        if let operation = startRemoval() { operations.append(operation) }
        startSnapshotJobs(into: &operations)
        startReads(into: &operations)
    }

    /// An operation ended, at `now`. `events` is appended to.
    public mutating func completed(
        _ id: UInt64, _ result: DiskResult, now: Instant, into events: inout [StorageEvent]
    ) {
        guard !failed else { return }
        if let (running, job) = logJob, running == id {
            logJob = nil
            logJobEnded(job, result, now: now, into: &events)
        } else if case .running(id, let size) = preparation {
            preparationEnded(result, size: size, now: now, into: &events)
        } else if removal == id {
            removal = nil
            if case .failed(let error) = result { fail(.disk(error), into: &events) }
        } else if snapshotJobEnded(id, result, into: &events) {
            return
        } else {
            readEnded(id, result, into: &events)
        }
    }

    /// Ends Storage: the process must stop. A failed sync is never tried again, and nothing else is (pitfall 29:
    /// after an error the kernel may drop what it could not write, and the next sync then succeeds over nothing).
    mutating func fail(_ failure: StorageFailure, into events: inout [StorageEvent]) {
        failed = true
        events.append(.failed(failure))
    }

    mutating func newID() -> UInt64 {
        lastID += 1
        return lastID
    }

    /// Lets time pass: call it at `deadline`, then ask `nextOperations`.
    public mutating func advance(to now: Instant) {
        if case .waiting(let until) = preparation, now >= until { preparation = .idle }
        if let quietSince, now >= quietSince + limits.quiet {
            self.quietSince = nil
            witnessIsDue = true
        }
        if let idleSince, now >= idleSince + limits.idle {
            self.idleSince = nil
            isIdle = true
        }
    }

    /// When `advance` is next needed: the log has been quiet for long enough to witness its last frame, or to give space back; or
    /// a full disk is to be tried again.
    public var deadline: Instant {
        guard !failed else { return .never }
        var deadline = Instant.never
        if let quietSince { deadline = quietSince + limits.quiet }
        if let idleSince, !staleSnapshots.isEmpty || hasSuperfluous { deadline = min(deadline, idleSince + limits.idle) }
        if case .waiting(let until) = preparation { deadline = min(deadline, until) }
        return deadline
    }

    /// Entries handed in that are not durable yet, in bytes. It grows as far as its owner lets it: past a limit of its
    /// own choosing the owner takes no more commands.
    public var backlogBytes: Int {
        guard case .frames(_, let frame?) = logJob?.job else { return backlog.bytes }
        return backlog.bytes + frame.header.payloadBytes
    }

    /// The last index that `read` can serve: durable, and not truncated since.
    public var durableIndex: Index {
        var last = lastWritten
        if case .frames(_, let frame?) = logJob?.job { last = min(last, frame.header.firstIndex.previous) }
        if let first = backlog.first { last = min(last, first.previous) }
        return last
    }

    /// How long a packed entry may be.
    public var maxEntryBytes: Int { limits.maxEntryBytes }
}
