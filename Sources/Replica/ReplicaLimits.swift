@_spi(Sabotage) import Base
import Keyspace

/// What one member holds at most at a time, and what it then does.
public struct ReplicaLimits: Sendable {
    /// Writes and reads taken and not answered; one more is refused with RESOURCE_EXHAUSTED.
    public var maxRequests = 65_536
    /// Bytes of commands taken and not answered; likewise.
    public var maxRequestBytes = 64 << 20
    /// How long a request waits for a leader to appear, and a read for this member to catch up with the leader, before it
    /// is answered UNAVAILABLE.
    public var leaderWait = Interval.seconds(3)
    /// How long to wait before asking a leader again that said it was none.
    public var redispatchPause = Interval.milliseconds(20)
    /// Rounds of read confirmation under way at a time; reads that arrive meanwhile share the next one.
    public var maxReadRounds = 1
    /// Entries applied in one turn before others get theirs, and their bytes. Right after a snapshot began each is
    /// dear in a large store: the leaf that it changes is copied.
    public var applyEntriesPerTurn = 256
    public var applyBytesPerTurn = 2 << 20
    /// Proposals in one turn, in bytes; the rest is proposed in the next.
    public var proposeBytesPerTurn = 4 << 20
    /// How long a transfer of leadership may take.
    public var transferTimeout = Interval.seconds(2)
    /// How long a change of members may take, a newcomer's catching up included, when the caller names no time.
    public var membershipTimeout = Interval.seconds(600)
    /// How many bytes of log there may be since the last snapshot when the next one is done: so many; or as much as keeps all
    /// that is on the disk, both snapshots included, below this part of the state.
    public var snapshotLogBytes = 8 << 20
    public var diskPercent = 270
    /// But so many bytes, less two and a half times the state: a store of few keys has a log that is worth to be read.
    public var leastDiskBytes = 128 << 20
    /// A store that grows may have more of it: so many bytes, or as much as the last snapshot.
    public var growingLogBytes = 96 << 20
    /// How many entries stay in the log behind a snapshot at most, for followers a little behind; and of how many bytes: a
    /// sixteenth of the snapshot, between these two.
    public var keptEntries = 100_000
    public var leastKeptLogBytes = 2 << 20
    public var keptLogBytes = 32 << 20
    /// A snapshot that is on its way to somebody keeps the log behind it, up to so many bytes.
    public var keptLogBytesWhileSending = 512 << 20
    /// Bytes of one chunk of a snapshot at most, and of one piece of the work of encoding it at least, in whole chunks: what takes
    /// longer than a millisecond keeps the loop waiting where there are fewer processors than threads.
    public var snapshotChunkBytes = 256 << 10
    public var snapshotWorkBytes = 128 << 10
    /// Bytes of a snapshot that may wait for the disk; the work, or the leader that sends it, waits meanwhile.
    public var snapshotBacklogBytes = 4 << 20
    /// How long a snapshot waits for the log to grow before it goes on all the same.
    public var snapshotPause = Interval.milliseconds(12)
    /// A store whose last snapshot had fewer bytes is frozen without anybody's noticing: its members take no turns, and its log
    /// becomes as long as it may.
    public var turnBytes = 8 << 20
    /// How long a member begins no snapshot of its own after a leader offered one.
    public var snapshotYield = Interval.seconds(1)
    /// How long to wait after a snapshot found no space.
    public var snapshotRetry = Interval.seconds(10)
    /// What this member accepts when it leads.
    public var keyspace = Limits()

    /// A bug to be planted; nil outside the simulator and tests.
    @_spi(Sabotage) public var sabotage: Sabotage?

    public init() {}
}
