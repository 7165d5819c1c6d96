import Base
import Consensus
import DequeModule
import LogFormat

/// What a data directory holds.
public enum Recovery: Sendable {
    /// No member yet: `Storage.format` makes one.
    case blank
    case member(Recovered)
}

/// A member as its disk remembers it. All of it is durable.
public struct Recovered: Sendable {
    /// Entries from `first` on have `term`, until the next run.
    public struct Run: Sendable, Equatable {
        public var first: Index
        public var term: Term
        public init(first: Index, term: Term) {
            self.first = first
            self.term = term
        }
    }

    /// A configuration entry found in the log.
    public struct PlacedConfiguration: Sendable, Equatable {
        public var index: Index
        public var configuration: Configuration
        public init(index: Index, configuration: Configuration) {
            self.index = index
            self.configuration = configuration
        }
    }

    public internal(set) var identity: Identity
    /// `identity.configuration`, decoded.
    public internal(set) var bootstrap: Configuration?
    public internal(set) var hardState: HardState
    /// The shape of the log. Invariant: firsts and terms ascend.
    public internal(set) var runs: [Run]
    /// The log's first index: 1, or at most one behind what the snapshot covers.
    public internal(set) var firstIndex: Index
    /// The term of the entry before it, 0 before the first of all.
    public internal(set) var baseTerm: Term
    /// The newest snapshot. Its content is checked by whoever reads it: `Storage.snapshotContent`.
    public internal(set) var snapshot: SnapshotHeader?
    /// Older ones, ascending: the next is written over one of them.
    var staleSnapshots: [SnapshotFile]
    /// The log that was found does not go on from the snapshot, and was set aside.
    var restarts: Bool
    var spans: Deque<SegmentSpan>
    /// `firstIndex.previous` when the log is empty.
    public internal(set) var lastIndex: Index
    /// Ascending.
    public internal(set) var configurations: [PlacedConfiguration]
    /// The last entries, without gaps, through `lastIndex`.
    public internal(set) var tail: [Entry]
    /// What was found at the end of the log that had never been acknowledged, and was taken away: worth a line in
    /// the member's own log.
    public internal(set) var cut: Damage?

    // Where Storage goes on.
    var segment: OpenSegment
    var spares: [OpenSegment]
    var sequence: UInt64
    var stateNumber: UInt64
    var lastFrame: Witness?
    var witnessed: UInt64
    var witnessTurn: UInt64
    var positions: Positions
}

/// Why a member cannot start from its directory.
public enum RecoveryFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// Exit code 65.
    case damaged(Damage)
    /// Exit code 65: written by a later version of this program.
    case newerFormat(DiskFile, version: Int)
    /// Exit code 74.
    case disk(DiskError)

    public var description: String {
        switch self {
        case .damaged(let damage): damage.description
        case .newerFormat(let file, let version):
            "\(file.name) has format \(version), which is newer than this program: start a later version"
        case .disk(let error): error.description
        }
    }

    /// A record of `file` is not what it should be.
    init(_ fault: RecordFault, _ what: String, in file: DiskFile, at offset: Int) {
        switch fault {
        case .newerFormat(let version): self = .newerFormat(file, version: version)
        default: self = .damaged(Damage(file, at: offset, "\(what): \(fault)"))
        }
    }
}
