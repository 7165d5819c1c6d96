import Base
import Keyspace
import Wire

/// Foundation has an Operation of its own.
typealias KeyOperation = Operation

extension Random {
    /// A request of KV, as a client writes it and a member reads it.
    mutating func request(_ codec: Wire.Codec) -> Sample {
        let operation = operation()
        let type = "\(titled(name(operation)))Request"
        if operation.isReadOnly {
            let consistency = pick([Wire.Consistency.linearizable, .lease, .local])
            let fields: [String: Any] = operation == .ping ? [:] : ["consistency": consistency.rawValue]
            return Sample(
                type, codec.encodeRequest(operation, consistency: consistency), merged(json(operation), fields)
            ) { bytes in
                let expected = Wire.ReadRequest(operation: operation, consistency: consistency)
                switch operation {
                case .ping:
                    try decoding(bytes, codec.decodePing)
                    return true
                case .get: return try decoding(bytes, codec.decodeGet) == expected
                case .strlen: return try decoding(bytes, codec.decodeStrlen) == expected
                default: return try decoding(bytes, codec.decodeKeys) == expected
                }
            }
        }
        let requestID = requestID()
        return Sample(
            type, codec.encodeRequest(operation, requestID: requestID), merged(json(operation), json(requestID))
        ) { bytes in
            let expected = Wire.WriteRequest(command: Command.single(operation).encode(), requestID: requestID)
            switch operation {
            case .set: return try decoding(bytes, codec.decodeSet) == expected
            case .delete: return try decoding(bytes, codec.decodeDelete) == expected
            default: return try decoding(bytes, codec.decodeAppend) == expected
            }
        }
    }

    /// A response of KV, as a member writes it and a client reads it.
    mutating func response(_ codec: Wire.Codec) -> Sample {
        let result = result()
        let revision = revision()
        return Sample(
            "\(titled(name(result)))Response", codec.encode(result, revision: revision), json(result, revision)
        ) { bytes in
            let (question, own): (KeyOperation, UInt64) =
                switch result {
                case .pong: (.ping, 0)
                case .value: (.get(key: "k"), 0)
                case .set: (.set(key: "k", value: .data("v")), revision)
                case .length: (.strlen(key: "k"), 0)
                case .deleted: (.delete(key: "k"), revision)
                case .appended: (.append(key: "k", suffix: "v"), revision)
                case .keys: (.keys(prefix: "", startAfter: "", limit: 0), 0)
                }
            return try decoding(bytes) { span throws(Wire.DecodeFailure) in
                try codec.decodeResponse(to: question, span)
            } == Outcome(revision: own, result: .single(result))
        }
    }

    mutating func transactRequest(_ codec: Wire.Codec) -> Sample {
        let operations = (0...below(5)).map { _ in operation() }
        let requestID = requestID()
        let steps = operations.map { [name($0): json($0)] }
        return Sample(
            "TransactRequest", codec.encodeTransact(operations, requestID: requestID),
            merged(["operations": steps], json(requestID))
        ) { bytes in
            try decoding(bytes, codec.decodeTransact)
                == Wire.TransactRequest(operations: operations, requestID: requestID)
        }
    }

    mutating func transactResponse(_ codec: Wire.Codec) -> Sample {
        let results = (0..<below(6)).map { _ in result() }
        let revision = revision()
        let steps = results.map { [name($0): json($0, revision)] }
        return Sample(
            "TransactResponse", codec.encodeTransact(results, revision: revision),
            ["results": steps, "revision": json(revision)]
        ) { bytes in
            try decoding(bytes, codec.decodeTransactResponse)
                == Outcome(revision: revision, result: .transaction(results))
        }
    }
}
