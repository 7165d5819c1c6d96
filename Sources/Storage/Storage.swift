import Base
import Consensus
import LogFormat

/// One member's disk as a machine without threads or clocks: requests and completions in, disk operations and
/// events out. docs/DISK-FORMAT.md tells what it assumes of disks and what then holds.
///
/// Use: hand in `write` and `read`, then run what `nextOperations` gives, answer each with `completed`, ask
/// `nextOperations` again. Writes become durable in the order of their tokens.
public struct Storage: ~Copyable {
    let limits: StorageLimits

    public init(_ recovered: consuming Recovered, limits: StorageLimits = StorageLimits()) {
        self.limits = limits
    }

    /// Reads a data directory, changes nothing.
    public static func recover(
        from directory: some DirectoryImage, limits: StorageLimits = StorageLimits()
    ) throws(RecoveryFailure) -> Recovery {
        .blank
    }

    /// What makes a blank directory a member's; run it, then `recover`.
    public static func format(_ identity: Identity, limits: StorageLimits = StorageLimits()) -> DiskOperation {
        DiskOperation(id: 0, lane: .log, steps: [])
    }

    /// Everything of one turn: term and vote, then the truncation, then the entries. `token` is larger than any before.
    ///
    /// Precondition: `entries` continue the log, after the truncation; none has a term above the hard state's; each is
    /// at most `maxEntryBytes` long.
    public mutating func write(token: UInt64, hardState: HardState?, truncateFrom: Index?, entries: [Entry]) {}

    /// Replaces the identity, as one of the writes: the cluster and first configuration become known.
    public mutating func write(token: UInt64, identity: Identity) {}

    /// Asks for durable entries from the disk. Answered once, by `.entries`.
    public mutating func read(request: UInt64, from: Index, through: Index, maxBytes: Int) {}

    /// What may start now, appended to `operations`.
    public mutating func nextOperations(into operations: inout [DiskOperation]) {}

    /// An operation ended. `events` is appended to.
    public mutating func completed(
        _ id: UInt64, _ result: DiskResult, now: Instant, into events: inout [StorageEvent]
    ) {}

    /// Lets time pass: at `deadline` a full disk is tried again.
    public mutating func advance(to now: Instant) {}

    /// When `advance` is next needed; `.never` unless the disk is full.
    public var deadline: Instant { .never }

    /// Entries handed in that are not durable yet, in bytes. It grows as far as its owner lets it: stop proposing.
    public var backlogBytes: Int { 0 }

    /// Between `.full` and `.spaceReturned`.
    public var isFull: Bool { false }

    /// How long a packed entry may be.
    public var maxEntryBytes: Int { limits.segmentBytes / 2 }
}
