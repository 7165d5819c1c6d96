import Base

/// What a member finds at its start: who it is, what its disk holds, and where its small generator begins.
public struct RestoredState: Sendable {
    public var identity: MemberID
    public var cluster: ClusterID
    public var group: UInt64
    /// Fresh at each start. The same seed and the same inputs give the same effects.
    public var seed: UInt64
    public var now: Instant
    public var hardState: HardState
    /// The terms of the whole log.
    public var log: LogShape
    /// The last entries of the log, consecutive and ending at its last index: as many as suit the caller; earlier
    /// ones are asked for when needed. At least one when the log has any.
    public var tail: [Entry]
    /// In order of index. The first is the one that held before the log began (the snapshot's; without one, index 0: the
    /// configuration the cluster started with, empty on a member that joins later), the others are the log's
    /// configuration entries.
    public var configurations: [PlacedConfiguration]
    /// Up to here the caller's state machine is restored and everything is known to be committed: a snapshot's
    /// index, or zero.
    public var appliedIndex: Index
    /// The newest snapshot on the disk. It is what the log begins behind, or later; `appliedIndex` is its index.
    public var snapshot: SnapshotPoint?

    public init(
        identity: MemberID, cluster: ClusterID, group: UInt64 = 0, seed: UInt64, now: Instant,
        hardState: HardState = HardState(), log: LogShape = LogShape(), tail: [Entry] = [],
        configurations: [PlacedConfiguration], appliedIndex: Index = 0, snapshot: SnapshotPoint? = nil
    ) {
        self.identity = identity
        self.cluster = cluster
        self.group = group
        self.seed = seed
        self.now = now
        self.hardState = hardState
        self.log = log
        self.tail = tail
        self.configurations = configurations
        self.appliedIndex = appliedIndex
        self.snapshot = snapshot
    }
}

/// A configuration and the index of the entry that holds it.
public struct PlacedConfiguration: Sendable, Equatable {
    public var index: Index
    public var configuration: Configuration

    public init(index: Index, configuration: Configuration) {
        self.index = index
        self.configuration = configuration
    }
}
