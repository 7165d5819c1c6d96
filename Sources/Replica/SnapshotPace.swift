import Base
import Consensus
import Keyspace
import Storage

/// How far a snapshot must be by how much the log has grown: its work is spread over the writes, so that none of them meets more
/// of it than others do.
struct SnapshotPace {
    /// Of the snapshot.
    var keyCount: Int
    /// Bytes of the log when it began.
    var logBytes: Int
    /// It is to be done when the log has grown by so many.
    var span: Int
    /// When work was last handed out.
    var lastPiece: Instant

    init(keyCount: Int, logBytes: Int, span: Int, now: Instant) {
        self.keyCount = keyCount
        self.logBytes = logBytes
        self.span = max(1, span)
        lastPiece = now
    }

    func isDue(keysDone: Int, logBytes now: Int) -> Bool {
        Double(keysDone) * Double(span) <= Double(now - logBytes) * Double(keyCount)
    }
}

/// The indexes at which a member begins its snapshots: once in a period that all members count alike, each in a part of its own.
struct SnapshotTurn {
    /// In entries: rounded down to four binary digits, so that members whose logs differ by some padding mostly agree.
    let period: UInt64
    /// Where in the period its turn is.
    let offset: UInt64
    /// It begins no later than so many entries behind the last one.
    let longest: UInt64

    /// - Parameters:
    ///   - longest: how many entries the log may have when a snapshot begins.
    ///   - rank: which one of how many members it is.
    init(longest: Double, rank: Int, members: Int) {
        self.longest = UInt64(max(1, min(longest, 0x1p60)))
        let shift = max(0, self.longest.bitWidth - self.longest.leadingZeroBitCount - 4)
        period = (self.longest >> shift) << shift
        offset = UInt64(Double(period) * Double(rank) / Double(max(1, members)))
    }

    /// Where it begins its next one, after one that it began at `last`: at its turn. Who is out of step takes two shorter
    /// periods until then.
    func next(after last: UInt64) -> UInt64 {
        let earliest = last + period / 2
        let turn = (earliest + period - offset) / period * period + offset
        return turn - last <= longest ? turn : last + (turn - last) / 2
    }
}

// How long the log may become (docs/decisions/snapshots.md).
extension Replica {
    /// Two snapshots, S of the old state and S + f L of the one to come, the log L between them and what else there is of it
    /// (R) are to take no more than p (S + f L), where f is the part of the log that made new keys:
    /// L <= ((p - 2) S - R) / (1 - (p - 1) f). A store that only grows takes no more with a long log than without; a restart
    /// has to read it, though. A small store may have more than p times its size: D - q (S + f L), and so
    /// L <= (D - (q + 2) S - R) / (1 + (q + 1) f).
    var allowedLogBytes: Int {
        let most = max(limits.snapshotLogBytes, limits.growingLogBytes, snapshotBytes)
        let rest = 2 * snapshotBytes + keptLogBytes + 3 * storage.usualSegmentBytes
        let fresh = freshPerMille
        let weight = 1_000 - fresh * (limits.diskPercent - 100) / 100
        let large = weight > 0 ? (wantedDiskBytes - rest) / weight * 1_000 : most
        let small = (leastDiskBytes - rest) / (1_000 + fresh * (Self.leastDiskPercent + 100) / 100) * 1_000
        return max(limits.snapshotLogBytes, min(max(large, small), most))
    }

    /// The part of the log since the snapshot that made new keys.
    private var freshPerMille: Int {
        let covered = raft.snapshot?.index ?? 0
        guard keyspace.appliedIndex > covered else { return 0 }
        let entries = Int(keyspace.appliedIndex.rawValue - covered.rawValue)
        return min(1_000, max(0, keyspace.count - keysInSnapshot) * 1_000 / entries)
    }

    private var wantedDiskBytes: Int { snapshotBytes / 100 * limits.diskPercent }

    /// What a small store may have; less and less as it grows, so that it is never three times one of some size.
    private var leastDiskBytes: Int { limits.leastDiskBytes - snapshotBytes / 100 * Self.leastDiskPercent }
    /// Of the state: q.
    private static let leastDiskPercent = 250

    /// What stays of the log behind a snapshot: of what a small store may have and does not need, a quarter.
    var keptLogBytes: Int {
        let unneeded = (leastDiskBytes - wantedDiskBytes) / 4
        return min(limits.keptLogBytes, max(limits.leastKeptLogBytes, snapshotBytes / 16, unneeded))
    }

    /// From how many bytes of log on a snapshot is due, and over how many more its work is spread: no more than it is worth.
    var snapshotSpan: (start: Int, length: Int) {
        let allowed = allowedLogBytes
        let length = min(allowed / 8 * 3, max(limits.snapshotLogBytes / 8 * 3, snapshotBytes))
        return (allowed / 8 * 7 - length, length)
    }

    /// How long the log is when a snapshot is done, with what is kept behind it.
    var usualLogBytes: Int { snapshotSpan.start + snapshotSpan.length + keptLogBytes }

    /// Whether the log is long enough for the next snapshot to begin. Members take turns: right behind a freeze each write copies
    /// what it changes, and if all froze at the same index, a cluster's writers would meet it everywhere in the same moment.
    mutating func isSnapshotDue() -> Bool {
        let (logged, start) = (storage.logBytesSinceSnapshot, snapshotSpan.start)
        guard logged < start else { return true }
        guard snapshotBytes >= limits.turnBytes else { return false }
        let hasTurn = nextSnapshotIndex.map { keyspace.appliedIndex.rawValue >= $0 } ?? false
        guard logged >= start / 3 else {
            // A turn that comes so early is that of a smaller store, or of larger entries.
            if hasTurn { nextSnapshotIndex = nil }
            return false
        }
        if nextSnapshotIndex == nil { nextSnapshotIndex = snapshotTurn?.next(after: lastSnapshotIndex) }
        return hasTurn
    }

    /// One begins here. Finds the turn of the next, and over how many bytes of log this one's work is spread: it is done before.
    mutating func planNextSnapshot() -> Int {
        let begin = keyspace.appliedIndex.rawValue
        let turn = snapshotTurn
        nextSnapshotIndex = turn?.next(after: begin)
        guard let turn, let next = nextSnapshotIndex else { return snapshotSpan.length }
        let bytes = Double(snapshotSpan.start) * Double(next - begin) / Double(turn.longest)
        return min(snapshotSpan.length, Int(bytes) / 4 * 3)
    }

    /// With as many entries to a byte as the log has had since the last snapshot, applied or not; nil when there were none.
    private var snapshotTurn: SnapshotTurn? {
        let entries = Int(raft.lastIndex.rawValue) - Int(lastSnapshotIndex)
        let (logged, start) = (storage.logBytesSinceSnapshot, snapshotSpan.start)
        guard entries > 0, logged > 0, start > 0 else { return nil }
        let members = raft.configuration.members
        return SnapshotTurn(
            longest: Double(entries) * Double(start) / Double(logged), rank: members.firstIndex { $0.id == id } ?? 0, members: members.count)
    }

    private var lastSnapshotIndex: UInt64 { raft.snapshot?.index.rawValue ?? 0 }

    /// When the next piece of a snapshot is handed out though nothing is written.
    var nextSnapshotPiece: Instant {
        guard let current = snapshotting, current.rest != nil else { return .never }
        return current.pace.lastPiece + limits.snapshotPause
    }
}
