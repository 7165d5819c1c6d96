import Base
import CProto
import CProtobufC
import Keyspace

// What a member answered, as a client reads it. A response that cannot be read is thrown as a `DecodeFailure`: the
// write it answers has been applied nevertheless.
extension Wire.Codec {
    /// The response to `encodeRequest(operation)`: what came of it, and the revision (0 for what only reads; a Get's
    /// stands in its result).
    public func decodeResponse(
        to operation: Operation, _ span: RawSpan
    ) throws(Wire.DecodeFailure) -> Outcome {
        switch operation {
        case .ping:
            try unpack(swiftwater__v1__ping_response__unpack, "PingResponse", span) {
                response throws(Wire.DecodeFailure) in
                Outcome(revision: 0, result: .single(try response.result))
            }
        case .get:
            try unpack(swiftwater__v1__get_response__unpack, "GetResponse", span) {
                response throws(Wire.DecodeFailure) in
                Outcome(revision: 0, result: .single(try response.result))
            }
        case .set:
            try unpack(swiftwater__v1__set_response__unpack, "SetResponse", span) { response in
                Outcome(revision: response.revision, result: .single(.set))
            }
        case .strlen:
            try unpack(swiftwater__v1__strlen_response__unpack, "StrlenResponse", span) { response in
                Outcome(revision: 0, result: .single(.length(response.length)))
            }
        case .delete:
            try unpack(swiftwater__v1__delete_response__unpack, "DeleteResponse", span) {
                response throws(Wire.DecodeFailure) in
                Outcome(revision: response.revision, result: .single(try response.result))
            }
        case .append, .appendItem:
            try unpack(swiftwater__v1__append_response__unpack, "AppendResponse", span) { response in
                Outcome(revision: response.revision, result: .single(.appended(length: response.length)))
            }
        case .keys:
            Outcome(revision: 0, result: .single(.keys(try decodeKeysResponse(span))))
        }
    }

    /// What stands beside the answer to a LOCAL read; nil when there is nothing.
    public func decodeHeader(
        ofResponseTo operation: Operation, _ span: RawSpan
    ) throws(Wire.DecodeFailure) -> Wire.ResponseHeader? {
        switch operation {
        case .get:
            try unpack(swiftwater__v1__get_response__unpack, "GetResponse", span) { $0.header?.pointee.value }
        case .strlen:
            try unpack(swiftwater__v1__strlen_response__unpack, "StrlenResponse", span) { $0.header?.pointee.value }
        case .keys:
            try unpack(swiftwater__v1__keys_response__unpack, "KeysResponse", span) { $0.header?.pointee.value }
        case .ping, .set, .delete, .append, .appendItem:
            nil
        }
    }

    /// One message of the stream that answers Keys.
    public func decodeKeysResponse(_ span: RawSpan) throws(Wire.DecodeFailure) -> [Bytes] {
        try unpack(swiftwater__v1__keys_response__unpack, "KeysResponse", span) { response in response.list }
    }

    /// The response to a transaction: its results, and its revision.
    public func decodeTransactResponse(_ span: RawSpan) throws(Wire.DecodeFailure) -> Outcome {
        try unpack(swiftwater__v1__transact_response__unpack, "TransactResponse", span) {
            response throws(Wire.DecodeFailure) in
            var results: [OperationResult] = []
            results.reserveCapacity(response.n_results)
            for number in 0..<response.n_results {
                do throws(Wire.DecodeFailure) {
                    results.append(try response.results[number]!.pointee.result)
                } catch {
                    throw .inOperation(number + 1, error)
                }
            }
            return Outcome(revision: response.revision, result: .transaction(results))
        }
    }
}

extension Swiftwater__V1__ResponseHeader {
    fileprivate var value: Wire.ResponseHeader {
        Wire.ResponseHeader(
            appliedIndex: Index(applied_index), leaderHeardMs: contact_case == SWIFTWATER__V1__RESPONSE_HEADER__CONTACT_LEADER_HEARD_MS ? leader_heard_ms : nil)
    }
}

extension Swiftwater__V1__PingResponse {
    fileprivate var result: OperationResult {
        get throws(Wire.DecodeFailure) {
            guard message.owned == "PONG" else { throw .inconsistent("the answer to Ping is not PONG") }
            return .pong
        }
    }
}

extension Swiftwater__V1__GetResponse {
    fileprivate var result: OperationResult {
        get throws(Wire.DecodeFailure) { .value(try value?.pointee.value, revision: revision) }
    }
}

extension Swiftwater__V1__DeleteResponse {
    fileprivate var result: OperationResult {
        get throws(Wire.DecodeFailure) { .deleted(previous: try previous?.pointee.value) }
    }
}

extension Swiftwater__V1__KeysResponse {
    fileprivate var list: [Bytes] { (0..<n_keys).map { keys[$0].owned } }
}

extension Swiftwater__V1__OperationResult {
    fileprivate var result: OperationResult {
        get throws(Wire.DecodeFailure) {
            switch response_case {
            case SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_PING: try ping.pointee.result
            case SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_GET: try get.pointee.result
            case SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_SET: .set
            case SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_STRLEN: .length(strlen.pointee.length)
            case SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_DELETE: try delete_.pointee.result
            case SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_APPEND: .appended(length: append.pointee.length)
            case SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_KEYS: .keys(keys.pointee.list)
            default: throw .missing("response")
            }
        }
    }
}
