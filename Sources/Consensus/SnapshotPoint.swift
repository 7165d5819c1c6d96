import Base

/// What Raft knows of a snapshot (dissertation 5.1, figure 5.1); its bytes are none of Raft's business.
public struct SnapshotPoint: Sendable, Equatable {
    /// The last entry that it covers. All that it covers is committed.
    public var index: Index
    public var term: Term
    /// "The latest configuration in the log as of that index" (5.1).
    public var configuration: PlacedConfiguration
    /// The largest time of any entry that it covers, in milliseconds since 1970.
    public var timeMs: UInt64

    public init(index: Index, term: Term, configuration: PlacedConfiguration, timeMs: UInt64) {
        self.index = index
        self.term = term
        self.configuration = configuration
        self.timeMs = timeMs
    }
}

/// A snapshot that came from another member and is durable here, under its final name, where a restart finds it.
public struct InstalledSnapshot: Sendable, Equatable {
    public var point: SnapshotPoint
    /// The term of the leader that sent it (`InstallSnapshot.term`, figure 5.3). A member does not begin to install
    /// before it has entered that term and made it durable: its leader's heartbeats see to that.
    public var senderTerm: Term

    public init(point: SnapshotPoint, senderTerm: Term) {
        self.point = point
        self.senderTerm = senderTerm
    }
}

/// A leader wants a snapshot sent to a member that needs entries which the log no longer has. It is answered with exactly
/// one `SnapshotSent`, except when this member stops leading.
public struct SnapshotSend: Sendable, Equatable {
    public var token: SnapshotToken
    public var to: MemberID
    /// The leader's term, for the messages that carry it.
    public var term: Term
    /// This snapshot, or a newer one.
    public var index: Index
}

public struct SnapshotSent: Sendable, Equatable {
    public var token: SnapshotToken
    /// The index of the snapshot that the other member has installed, and has on its disk; nil when the transfer came to
    /// nothing, and may be tried again.
    public var installed: Index?

    public init(token: SnapshotToken, installed: Index?) {
        self.token = token
        self.installed = installed
    }
}

/// Names one transfer of a snapshot; never reused within one start of the process.
public struct SnapshotToken: Hashable, Sendable, RawRepresentable {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}
