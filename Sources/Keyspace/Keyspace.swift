import Base

/// The state machine (dissertation 3.5): keys in byte order, their values and revisions. What it holds depends on
/// the entries applied to it and on nothing else: no clock, no flag, no hash order.
///
/// It is `~Copyable`, since two of them would drift apart; `frozen()` gives a version that stays as it is.
public struct Keyspace: ~Copyable {
    var contents = KeyspaceContents()
    /// See `startDigest`; nil for a server.
    package internal(set) var digested: UInt64?

    public init() {}

    /// How many entries have changed a key so far.
    public var revision: UInt64 { contents.revision }
    /// The last entry applied.
    public var appliedIndex: Index { contents.appliedIndex }
    /// How many keys there are.
    public var count: Int { contents.map.count }

    /// How many sessions are open.
    public var sessionCount: Int { contents.sessions.count }
    public func hasSession(_ id: UInt64) -> Bool { contents.sessions.place(of: id) != nil }

    /// This version of the keyspace, in O(1): the tree is shared, and each node of it copied when the keyspace next
    /// changes it. Holding one for long costs the memory of what was changed since.
    public func frozen() -> FrozenKeyspace { FrozenKeyspace(contents: contents) }

    /// Answers a command that only reads, from one state. O(log n) for each key it asks for.
    public borrowing func read(_ command: Command) -> Outcome { contents.read(command) }

    /// Answers one operation that only reads; fails only when there are too many keys for one answer.
    public borrowing func read(_ operation: Operation) throws(OperationFailure) -> OperationResult {
        try contents.read(operation)
    }

    /// What a key holds and the revision that last changed it; nil and 0 when it does not exist. O(log n).
    public borrowing func value(of key: Bytes) -> (value: Value?, revision: UInt64) { contents.value(of: key) }

    /// What `strlen` says of a key. O(log n).
    public borrowing func length(of key: Bytes) -> UInt64 { contents.map.record(for: key)?.length ?? 0 }

    /// What is known of a key, nil when it does not exist. O(log n).
    public borrowing func entry(for key: Bytes) -> KeyEntry? { contents.map.record(for: key).map { KeyEntry($0) } }

    /// The next slice of a scan, empty at its end; `scan` remembers where it stopped. Between slices the keyspace
    /// may change: each key that was there all the time is given exactly once. O(log n + keys).
    public borrowing func keys(_ scan: inout KeyScan, maxKeys: Int, maxBytes: Int) -> [Bytes] {
        scan.next(in: contents.map, maxKeys: maxKeys, maxBytes: maxBytes)
    }
}

/// All that is known of one key.
public struct KeyEntry: Hashable, Sendable {
    public var key: Bytes
    public var value: Value
    /// The revision that created it.
    public var created: UInt64
    /// The revision that last changed it.
    public var modified: UInt64
    /// How many operations have written it since it was created, that one included.
    public var version: UInt64
    /// Zero: leases do not exist yet.
    public var lease: UInt64

    init(_ record: Record) {
        key = record.key
        value = record.value
        created = record.created
        modified = record.modified
        version = record.version
        lease = 0
    }
}
