import Base
import FoundationEssentials
import Keyspace
import Replica
import Server
import Wire

/// The answer to one operation: alone, its members; within a transaction, under its name.
struct JSONResult: Encodable {
    var result: OperationResult
    /// The entry's, which a write answers with.
    var revision: UInt64
    /// Of a page of keys, whether there are more; nil within a transaction, which says nothing of it.
    var more: Bool?
    /// Of a local read.
    var age: LocalAge?

    private var name: OperationName {
        switch result {
        case .pong: .ping
        case .value: .get
        case .set: .set
        case .length: .strlen
        case .deleted: .delete
        case .appended: .append
        case .keys: .keys
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        switch result {
        case .pong:
            try container.encode("PONG", forKey: Field("message"))
        case .value(let value, let revision):
            try container.encodeIfPresent(value.map(JSONValue.init), forKey: Field("value"))
            try container.encode(revision, forKey: Field("revision"))
        case .set:
            try container.encode(revision, forKey: Field("revision"))
        case .length(let length):
            try container.encode(length, forKey: Field("length"))
        case .deleted(let previous):
            try container.encodeIfPresent(previous.map(JSONValue.init), forKey: Field("previous"))
            try container.encode(revision, forKey: Field("revision"))
        case .appended(let length):
            try container.encode(length, forKey: Field("length"))
            try container.encode(revision, forKey: Field("revision"))
        case .keys(let keys):
            try container.encode(keys.map(JSONBytes.init), forKey: Field("keys"))
            try container.encodeIfPresent(more, forKey: Field("more"))
        }
        if let header = age?.header { try container.encode(Header(header: header), forKey: Field("header")) }
    }

    /// How old the answer may be.
    private struct Header: Encodable {
        var header: Wire.ResponseHeader

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Field.self)
            try container.encode(header.appliedIndex.rawValue, forKey: Field("applied_index"))
            try container.encodeIfPresent(header.leaderHeardMs, forKey: Field("leader_heard_ms"))
        }
    }

    /// Under its name.
    struct Named: Encodable {
        var result: JSONResult
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Field.self)
            try container.encode(result, forKey: Field(result.name.rawValue))
        }
    }
}

struct JSONTransactionResult: Encodable {
    var results: [JSONResult.Named]
    var revision: UInt64

    init(_ results: [OperationResult], revision: UInt64) {
        self.results = results.map { JSONResult.Named(result: JSONResult(result: $0, revision: revision)) }
        self.revision = revision
    }
}
