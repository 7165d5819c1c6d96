import Base

/// The state machine (dissertation 3.5): keys in byte order, their values and revisions. What it holds depends on
/// the entries applied to it and on nothing else: no clock, no flag, no hash order.
///
/// It is `~Copyable`, since two of them would drift apart; `frozen()` gives a version that stays as it is.
public struct Keyspace: ~Copyable {
    var contents = KeyspaceContents()

    public init() {}

    /// How many entries have changed a key so far.
    public var revision: UInt64 { contents.revision }
    /// The last entry applied.
    public var appliedIndex: Index { contents.appliedIndex }
    /// How many keys there are.
    public var count: Int { contents.map.count }

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

/// A version of the keyspace that never changes; may be read on any thread.
public struct FrozenKeyspace: Sendable {
    var contents: KeyspaceContents

    public var revision: UInt64 { contents.revision }
    public var appliedIndex: Index { contents.appliedIndex }
    public var count: Int { contents.map.count }

    public func read(_ command: Command) -> Outcome { contents.read(command) }
    public func read(_ operation: Operation) throws(OperationFailure) -> OperationResult {
        try contents.read(operation)
    }
    public func value(of key: Bytes) -> (value: Value?, revision: UInt64) { contents.value(of: key) }
    public func length(of key: Bytes) -> UInt64 { contents.map.record(for: key)?.length ?? 0 }
    public func entry(for key: Bytes) -> KeyEntry? { contents.map.record(for: key).map { KeyEntry($0) } }

    /// The next slice of a scan, empty at its end. O(log n + keys).
    public func keys(_ scan: inout KeyScan, maxKeys: Int, maxBytes: Int) -> [Bytes] {
        scan.next(in: contents.map, maxKeys: maxKeys, maxBytes: maxBytes)
    }

    /// The next entries after `key` (nil: from the first) in byte order, with all that is known of them; empty at
    /// the end. O(log n + entries).
    public func entries(after key: Bytes?, maxEntries: Int, maxBytes: Int) -> [KeyEntry] {
        var entries: [KeyEntry] = []
        var bytes = 0
        contents.map.forEach(after: key) { record in
            guard entries.isEmpty || entries.count < maxEntries && bytes < maxBytes else { return false }
            entries.append(KeyEntry(record))
            bytes += record.cell.count
            return true
        }
        return entries
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

/// Where a scan over the keys with a prefix stands. A value: it holds nothing of the keyspace alive.
public struct KeyScan: Sendable {
    public let prefix: Bytes
    /// The last key given; the scan goes on behind it.
    public private(set) var after: Bytes?
    /// How many keys it may still give.
    public private(set) var remaining: UInt64
    public private(set) var isFinished = false

    /// The keys that begin with `prefix` and stand after `startAfter` (empty: from the first), at most `limit`
    /// of them (0: all).
    public init(prefix: Bytes, startAfter: Bytes = Bytes(), limit: UInt64 = 0) {
        self.prefix = prefix
        after = startAfter.isEmpty ? nil : startAfter
        remaining = limit == 0 ? .max : limit
    }

    mutating func next(in map: OrderedMap, maxKeys: Int, maxBytes: Int) -> [Bytes] {
        precondition(maxKeys > 0 && maxBytes > 0, "a slice of a scan holds at least one key")
        guard !isFinished else { return [] }
        var keys: [Bytes] = []
        var bytes = 0
        var ended = true
        let most = min(UInt64(maxKeys), remaining)
        let visit: (Record) -> Bool = { record in
            guard record.key.hasPrefix(prefix) else { return false }
            guard UInt64(keys.count) < most, bytes < maxBytes else { ended = false; return false }
            keys.append(record.key)
            bytes += record.key.count
            return true
        }
        if let after, prefix <= after {
            map.forEach(after: after, visit)
        } else {
            map.forEach(from: prefix, visit)
        }
        remaining -= UInt64(keys.count)
        isFinished = ended || remaining == 0
        // A copy: the key in the map shares the storage of its value.
        after = keys.last.map { $0.compacted() } ?? after
        return keys
    }
}
