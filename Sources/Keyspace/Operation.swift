import Base

/// One thing asked of the keyspace.
public enum Operation: Hashable, Sendable {
    case ping
    case get(key: Bytes)
    case set(key: Bytes, value: Value)
    case strlen(key: Bytes)
    case delete(key: Bytes)
    /// Bytes at the end of data; a missing key becomes these bytes.
    case append(key: Bytes, suffix: Bytes)
    /// An item (valid UTF-8) at the end of a list; a missing key becomes a list of one.
    case appendItem(key: Bytes, item: Bytes)
    /// Keys in byte order that begin with `prefix` and stand after `startAfter` (empty: from the first);
    /// at most `limit` of them (0: all).
    case keys(prefix: Bytes, startAfter: Bytes, limit: UInt64)

    /// Whether it leaves every key as it was, whatever the state.
    public var isReadOnly: Bool {
        switch self {
        case .ping, .get, .strlen, .keys: true
        case .set, .delete, .append, .appendItem: false
        }
    }

    /// The key it is about; nil for `ping` and `keys`.
    public var key: Bytes? {
        switch self {
        case .ping, .keys: nil
        case .get(let key), .set(let key, _), .strlen(let key), .delete(let key), .append(let key, _),
            .appendItem(let key, _):
            key
        }
    }
}

/// The answer to one operation, case by case as in `Operation`. The revision of a write is its `Outcome`'s.
public enum OperationResult: Hashable, Sendable {
    case pong
    /// What the key holds and the revision that last changed it; nil and 0 for a missing key.
    case value(Value?, revision: UInt64)
    case set
    /// Bytes of data, items of a list, 0 for a missing key.
    case length(UInt64)
    case deleted(previous: Value?)
    /// The length afterwards, as `strlen` would say it.
    case appended(length: UInt64)
    case keys([Bytes])

    /// What it counts towards `Outcome.resultCeiling`, in bytes.
    var size: Int {
        switch self {
        case .pong, .set, .length, .appended: 16
        case .value(let value, _), .deleted(let value): 32 + (value?.size ?? 0)
        case .keys(let keys): keys.reduce(16) { $0 + 16 + $1.count }
        }
    }
}

/// What one entry of the log asks of the keyspace.
public enum Command: Hashable, Sendable {
    case single(Operation)
    /// All of them in this order, later ones seeing what earlier ones did; or none of them.
    case transaction([Operation])

    /// Whether it needs no entry: it can be answered from the state alone, with `Keyspace.read`.
    public var isReadOnly: Bool {
        switch self {
        case .single(let operation): operation.isReadOnly
        case .transaction(let operations): operations.allSatisfy(\.isReadOnly)
        }
    }
}
