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

    /// When the next piece of a snapshot is handed out though nothing is written.
    var nextSnapshotPiece: Instant {
        guard let current = snapshotting, current.rest != nil else { return .never }
        return current.pace.lastPiece + limits.snapshotPause
    }
}
