import Base
import Consensus
import FoundationEssentials
import Keyspace
import Wire

/// One entry of a member's log, for people: a value that is large is cut.
struct JSONLogEntry: Encodable {
    private var record: Wire.LogRecord

    /// Bytes of a key or value that are shown; the rest is counted.
    static let shownBytes = 1_024
    /// Operations of a transaction that are shown.
    static let shownOperations = 100

    init(_ record: Wire.LogRecord) { self.record = record }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        try container.encode(record.index.rawValue, forKey: Field("index"))
        try container.encode(record.term.rawValue, forKey: Field("term"))
        try container.encode(record.kind.name, forKey: Field("kind"))
        try container.encode(record.timeMs, forKey: Field("time_ms"))
        try container.encode(record.isCommitted, forKey: Field("committed"))
        try container.encode(record.size, forKey: Field("size"))
        if let id = record.requestID {
            try container.encode(JSONIdentity(id.sessionID), forKey: Field("session_id"))
            try container.encode(id.sequence, forKey: Field("sequence"))
        }
        if let configuration = record.configuration {
            try container.encode(configuration.members.map { JSONMember($0) }, forKey: Field("members"))
        }
        switch record.command {
        case .single(let operation):
            try container.encode([JSONLoggedOperation(operation: operation)], forKey: Field("operations"))
        case .transaction(let operations):
            let shown = operations.prefix(Self.shownOperations).map(JSONLoggedOperation.init)
            try container.encode(shown, forKey: Field("operations"))
            try container.encode(true, forKey: Field("transaction"))
        case nil: break
        }
    }
}

/// An operation as it stands in the log: what it does, to which key, with what; `size` when the value was cut.
private struct JSONLoggedOperation: Encodable {
    var operation: Operation

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        func put(_ name: String, _ bytes: Bytes) throws {
            if bytes.count > JSONLogEntry.shownBytes {
                try container.encode(bytes.count, forKey: Field("size"))
            }
            try container.encode(JSONBytes(bytes.cutForDisplay), forKey: Field(name))
        }
        try container.encode(operation.name, forKey: Field("operation"))
        if let key = operation.key { try container.encode(JSONBytes(key.cutForDisplay), forKey: Field("key")) }
        switch operation {
        case .ping, .get, .strlen, .delete, .keys: break
        case .set(_, .data(let data)): try put("data", data)
        case .set(_, .list(let items)):
            try container.encode(items.count, forKey: Field("items"))
            var room = JSONLogEntry.shownBytes
            let shown = items.prefix { item in
                room -= item.count + 1
                return room >= 0
            }
            try container.encode(shown.map(JSONBytes.init), forKey: Field("list"))
        case .append(_, let suffix): try put("suffix", suffix)
        case .appendItem(_, let item): try put("item", item)
        }
    }
}

extension Operation {
    fileprivate var name: String {
        switch self {
        case .ping: "ping"
        case .get: "get"
        case .set: "set"
        case .strlen: "strlen"
        case .delete: "delete"
        case .append, .appendItem: "append"
        case .keys: "keys"
        }
    }
}

extension Bytes {
    /// The first bytes; where they are text, not half of a character.
    fileprivate var cutForDisplay: Bytes {
        guard count > JSONLogEntry.shownBytes else { return self }
        var end = JSONLogEntry.shownBytes
        while end > JSONLogEntry.shownBytes - 4, self[end] & 0xc0 == 0x80 { end -= 1 }
        return self[0..<end]
    }
}

extension Entry.Kind {
    fileprivate var name: String {
        switch self {
        case .noOperation: "NO_OPERATION"
        case .command: "COMMAND"
        case .configuration: "CONFIGURATION"
        case .openSession: "OPEN_SESSION"
        case .closeSession: "CLOSE_SESSION"
        default: "UNKNOWN"
        }
    }
}
