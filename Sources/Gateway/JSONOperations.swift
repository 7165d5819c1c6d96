import Base
import FoundationEssentials
import Keyspace
import Replica
import Wire

// The KV service's requests and answers in JSON, as openapi.json has them.

struct JSONValue: Codable, Sendable {
    var value: Value

    init(_ value: Value) { self.value = value }

    init(from decoder: any Decoder) throws {
        let fields = try Fields(decoder, "data", "list")
        guard fields.has("data") != fields.has("list") else { throw fields.fail("", "a value has either 'data' or 'list'") }
        if let data = try fields.find("data", as: JSONBytes.self) {
            value = .data(data.bytes)
        } else {
            value = .list(ItemList(try fields.get("list", as: [String].self).map(Bytes.init(utf8:))))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        switch value {
        case .data(let bytes): try container.encode(JSONBytes(bytes), forKey: Field("data"))
        case .list(let items): try container.encode(items.texts, forKey: Field("list"))
        }
    }
}

extension ItemList {
    /// The items as strings: each was checked to be UTF-8 when it came in.
    var texts: [String] { map { $0.utf8String ?? "" } }
}

/// What a read or a write asks, with what stands beside the operation.
struct JSONRequest {
    var operation: Operation
    var freshness = Freshness.linearizable
    var requestID: Wire.RequestID?
}

/// The names that the KV service gives its operations.
enum OperationName: String, CaseIterable {
    case ping, get, set, strlen, delete, append, keys

    /// - Parameter alone: not within a transaction, which has one `request_id` and one consistency for all.
    func decode(_ decoder: any Decoder, alone: Bool) throws -> JSONRequest {
        switch self {
        case .ping:
            _ = try Fields(decoder)
            return JSONRequest(operation: .ping)
        case .get, .strlen:
            let fields = alone ? try Fields(decoder, "key", "consistency") : try Fields(decoder, "key")
            let key = try fields.key()
            return JSONRequest(
                operation: self == .get ? .get(key: key) : .strlen(key: key), freshness: try fields.freshness())
        case .set:
            let fields = alone ? try Fields(decoder, "key", "value", "request_id") : try Fields(decoder, "key", "value")
            let value = try fields.get("value", as: JSONValue.self).value
            return JSONRequest(operation: .set(key: try fields.key(), value: value), requestID: try fields.requestID())
        case .delete:
            let fields = alone ? try Fields(decoder, "key", "request_id") : try Fields(decoder, "key")
            return JSONRequest(operation: .delete(key: try fields.key()), requestID: try fields.requestID())
        case .append:
            let fields = alone
                ? try Fields(decoder, "key", "suffix", "item", "request_id") : try Fields(decoder, "key", "suffix", "item")
            return JSONRequest(operation: try fields.append(), requestID: try fields.requestID())
        case .keys:
            let fields = alone
                ? try Fields(decoder, "prefix", "start_after", "limit", "consistency")
                : try Fields(decoder, "prefix", "start_after", "limit")
            return JSONRequest(operation: try fields.keys(), freshness: try fields.freshness())
        }
    }
}

extension Fields {
    fileprivate func key() throws -> Bytes {
        let key = try get("key", as: JSONBytes.self).bytes
        guard !key.isEmpty else { throw fail("key", "the key is empty") }
        return key
    }

    fileprivate func freshness() throws -> Freshness {
        switch try find("consistency", as: String.self) {
        case nil, "LINEARIZABLE": .linearizable
        case "LEASE": .lease
        case "LOCAL": .local
        case .some: throw fail("consistency", "LINEARIZABLE, LEASE or LOCAL")
        }
    }

    fileprivate func append() throws -> Operation {
        guard has("suffix") != has("item") else { throw fail("", "an append has either 'suffix' or 'item'") }
        if let suffix = try find("suffix", as: JSONBytes.self) {
            return .append(key: try key(), suffix: suffix.bytes)
        }
        return .appendItem(key: try key(), item: Bytes(utf8: try get("item", as: String.self)))
    }

    fileprivate func keys() throws -> Operation {
        let most = UInt64(GatewayLimits().pageKeys)
        let limit = try find("limit", as: UInt64.self) ?? 1_000
        guard (1...most).contains(limit) else { throw fail("limit", "from 1 to \(most)") }
        return .keys(
            prefix: try find("prefix", as: JSONBytes.self)?.bytes ?? Bytes(),
            startAfter: try find("start_after", as: JSONBytes.self)?.bytes ?? Bytes(), limit: limit)
    }

    func requestID() throws -> Wire.RequestID? { try find("request_id", as: JSONRequestID.self)?.value }
}

private struct JSONRequestID: Decodable {
    var value: Wire.RequestID

    init(from decoder: any Decoder) throws {
        let fields = try Fields(decoder, "session_id", "sequence")
        value = Wire.RequestID(
            sessionID: try fields.get("session_id", as: JSONIdentity.self).value,
            sequence: try fields.get("sequence", as: UInt64.self))
        guard value.sessionID > 0 else { throw fields.fail("session_id", "from open-session; never 0") }
        guard value.sequence > 0 else { throw fields.fail("sequence", "from 1 on") }
    }
}

/// The body of one KV request; which operation it is, the path says, and the decoder carries.
private struct JSONBody: Decodable {
    var request: JSONRequest

    init(from decoder: any Decoder) throws {
        guard let name = decoder.userInfo[.operationName] as? OperationName else {
            preconditionFailure("the decoder of a KV request knows its operation")
        }
        request = try name.decode(decoder, alone: true)
    }
}

extension CodingUserInfoKey {
    fileprivate static let operationName: CodingUserInfoKey = {
        guard let key = CodingUserInfoKey(rawValue: "operationName") else {
            preconditionFailure("any text is a key")
        }
        return key
    }()
}

extension JSONRequest {
    init(_ name: OperationName, from body: Data) throws(BadRequest) {
        self = try decode(JSONBody.self, from: body, [.operationName: name]).request
    }
}

/// `{"operations": [{"set": {…}}, …]}`.
struct JSONTransaction: Decodable {
    var operations: [Operation]
    var requestID: Wire.RequestID?

    init(from decoder: any Decoder) throws {
        let fields = try Fields(decoder, "operations", "request_id")
        operations = try fields.get("operations", as: [One].self).map(\.operation)
        guard !operations.isEmpty else { throw fields.fail("operations", "at least one operation") }
        requestID = try fields.requestID()
    }

    private struct One: Decodable {
        var operation: Operation

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Field.self)
            guard container.allKeys.count == 1, let field = container.allKeys.first,
                let name = OperationName(rawValue: field.stringValue)
            else {
                throw DecodingError.dataCorrupted(
                    .init(
                        codingPath: decoder.codingPath,
                        debugDescription: "an operation is an object with one member, its name"))
            }
            operation = try name.decode(try container.superDecoder(forKey: field), alone: false).operation
        }
    }
}
