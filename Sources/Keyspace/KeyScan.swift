import Base

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
