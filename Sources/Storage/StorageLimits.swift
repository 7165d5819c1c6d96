@_spi(Sabotage) import Base
import LogFormat

/// The sizes that bound Storage. They may differ from one start to the next: segments on disk say their own size.
public struct StorageLimits: Sendable {
    /// Bytes of a new segment at most, its header included; a multiple of 4096, under 4 GiB.
    public var segmentBytes = 16 << 20
    /// And at least. Between the two it is this part of the newest snapshot, or what one large entry needs.
    public var leastSegmentBytes = 2 << 20
    public var segmentsOfState = 32
    /// A frame gathers entries until it has this many bytes; one larger entry travels alone.
    public var maxFrameBytes = 4 << 20
    /// How many bytes of entries `Recovered.tail` holds at most (but always the last entry).
    public var tailBytes = 8 << 20
    /// What only entries without commands may use while there is no spare segment.
    public var reserveBytes = 1 << 20
    /// Positions in the log that are remembered: 16 bytes each. At the limit every second one is forgotten.
    public var maxPositions = 65_536
    /// Bytes of log from one remembered position to the next, at first.
    public var positionSpacing = 128 << 10
    /// Of the log that a snapshot covers a start reads so much, and no more: the rest waits to be written over.
    public var coveredBytesRead = 32 << 20
    /// Bytes of one read from the disk, except for a larger frame.
    public var readBytes = 256 << 10
    /// Reads under way at the same time; more wait.
    public var maxReads = 4
    /// Bytes of a snapshot that are written in one operation, and after how many of them a sync is due.
    public var snapshotWriteBytes = 1 << 20
    public var snapshotSyncBytes = 4 << 20
    /// How long a full disk is left alone before the next try.
    public var spaceRetry = Interval.seconds(1)
    /// How long the log must be quiet before its last frame is witnessed.
    public var quiet = Interval.milliseconds(100)
    /// After how long without a write the space is given back that the next snapshot and the log would write over.
    public var idle = Interval.seconds(60)

    /// A bug to be planted; nil outside the simulator and tests.
    @_spi(Sabotage) public var sabotage: Sabotage?

    public init() {}

    /// How long a packed entry may be: a frame with it alone fits into a fresh segment.
    public var maxEntryBytes: Int { segmentBytes - Format.framesStart - Format.frameHeaderBytes - 10 }

    /// The reserve of a segment with so many bytes. At most an eighth: small segments have small reserves.
    func reserve(ofSegment size: Int) -> Int { min(reserveBytes, (size - Format.framesStart) / 8) }
}
