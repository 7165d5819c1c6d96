import Base
import LogFormat

/// What Storage reports.
public enum StorageEvent: Sendable {
    /// Every write up to and including this token is on disk.
    case durable(token: UInt64)
    /// The answer to `Storage.read`: entries from the index that was asked for, without gaps, at least one; fewer
    /// than asked for when `maxBytes` or the end of a stretch of the log was reached: ask again for the rest. Empty
    /// when the log was truncated at or before the first of them meanwhile.
    case entries(request: UInt64, [Entry])
    /// A snapshot is on the disk under its name: what it covers may go, and a start goes by it.
    case snapshotDurable(index: Index)
    /// There was no space for a snapshot. What was written of it goes.
    case snapshotFailed(index: Index, DiskError)
    /// The answer to `Storage.readSnapshot`; nil when there is no such snapshot any more.
    case snapshotBytes(request: UInt64, Bytes?)
    /// No space for another segment: take no more commands. What was handed over already is still written as far as
    /// it fits, and there is room for term, vote, a leader's first entry and a configuration.
    case full(DiskError)
    case spaceReturned
    /// The end: Storage does nothing more, and the process must stop.
    case failed(StorageFailure)
}

/// Why Storage stopped.
public enum StorageFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// The disk failed: exit code 74.
    case disk(DiskError)
    /// What was read back is not what was written: exit code 65.
    case damaged(Damage)

    public var description: String {
        switch self {
        case .disk(let error): "\(error); the state of the disk is unknown, the member must stop"
        case .damaged(let damage): damage.description
        }
    }
}

/// Where a data directory is not what it should be, and why that is certain or cannot be ruled out.
public struct Damage: Error, Sendable, Equatable, CustomStringConvertible {
    public let file: DiskFile
    /// In bytes from the start of the file.
    public let offset: Int
    public let reason: String

    public init(_ file: DiskFile, at offset: Int, _ reason: String) {
        self.file = file
        self.offset = offset
        self.reason = reason
    }

    public var description: String {
        """
        \(file.name) is damaged at byte \(offset): \(reason). Nothing was changed. What this member acknowledged may be \
        lost here, so it must not vote again with this directory: remove the member from its cluster, and add it \
        again with an empty data directory; its peers then send it the log
        """
    }
}
