import Base
import CProto
import CProtobufC
import Keyspace

// What clients ask, as a member reads it. Each of these takes the bytes of one message and throws what becomes
// INVALID_ARGUMENT.
extension Wire.Codec {
    public func decodePing(_ span: RawSpan) throws(Wire.DecodeFailure) {
        try unpack(swiftwater__v1__ping_request__unpack, "PingRequest", span) { _ throws(Wire.DecodeFailure) in }
    }

    public func decodeGet(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.ReadRequest {
        try unpack(swiftwater__v1__get_request__unpack, "GetRequest", span) {
            request throws(Wire.DecodeFailure) in
            Wire.ReadRequest(operation: try request.operation, consistency: try read(request.consistency))
        }
    }

    public func decodeStrlen(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.ReadRequest {
        try unpack(swiftwater__v1__strlen_request__unpack, "StrlenRequest", span) {
            request throws(Wire.DecodeFailure) in
            Wire.ReadRequest(operation: try request.operation, consistency: try read(request.consistency))
        }
    }

    public func decodeKeys(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.ReadRequest {
        try unpack(swiftwater__v1__keys_request__unpack, "KeysRequest", span) {
            request throws(Wire.DecodeFailure) in
            Wire.ReadRequest(operation: try request.operation, consistency: try read(request.consistency))
        }
    }

    public func decodeSet(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.WriteRequest {
        try unpack(swiftwater__v1__set_request__unpack, "SetRequest", span) {
            request throws(Wire.DecodeFailure) in
            Wire.WriteRequest(command: try request.command, requestID: read(request.request_id))
        }
    }

    public func decodeDelete(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.WriteRequest {
        try unpack(swiftwater__v1__delete_request__unpack, "DeleteRequest", span) {
            request throws(Wire.DecodeFailure) in
            Wire.WriteRequest(
                command: Command.single(try request.operation).encode(), requestID: read(request.request_id))
        }
    }

    public func decodeAppend(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.WriteRequest {
        try unpack(swiftwater__v1__append_request__unpack, "AppendRequest", span) {
            request throws(Wire.DecodeFailure) in
            Wire.WriteRequest(
                command: Command.single(try request.operation).encode(), requestID: read(request.request_id))
        }
    }

    public func decodeTransact(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.TransactRequest {
        try unpack(swiftwater__v1__transact_request__unpack, "TransactRequest", span) {
            request throws(Wire.DecodeFailure) in
            let count = request.n_operations
            guard count > 0 else { throw .noOperations }
            guard count <= Wire.maxOperations else { throw .tooManyOperations(count) }
            var operations: [Operation] = []
            operations.reserveCapacity(count)
            for number in 0..<count {
                do throws(Wire.DecodeFailure) {
                    operations.append(try request.operations[number]!.pointee.operation)
                } catch {
                    throw .inOperation(number + 1, error)
                }
            }
            return Wire.TransactRequest(operations: operations, requestID: read(request.request_id))
        }
    }
}

@inline(__always)
private func read(
    _ consistency: Swiftwater__V1__Consistency
) throws(Wire.DecodeFailure) -> Wire.Consistency {
    guard let known = Wire.Consistency(rawValue: consistency.rawValue) else {
        throw .unknownValue("Consistency", Int(Int32(bitPattern: consistency.rawValue)))
    }
    return known
}

@inline(__always)
private func read(_ requestID: UnsafeMutablePointer<Swiftwater__V1__RequestId>?) -> Wire.RequestID? {
    guard let requestID else { return nil }
    return Wire.RequestID(sessionID: requestID.pointee.session_id, sequence: requestID.pointee.sequence)
}

extension ProtobufCBinaryData {
    /// As a key: 1 byte to 64 KiB.
    fileprivate var key: Bytes {
        get throws(Wire.DecodeFailure) {
            try checkKey()
            return owned
        }
    }

    @inline(__always)
    fileprivate func checkKey() throws(Wire.DecodeFailure) {
        guard len > 0 else { throw .emptyKey }
        guard len <= Wire.maxKeySize else { throw .keyTooLong(len) }
    }

    /// As something that a key is compared with.
    fileprivate func bound(_ field: String) throws(Wire.DecodeFailure) -> Bytes {
        guard len <= Wire.maxKeySize else { throw .tooLong(field, len) }
        return owned
    }
}

// Each request as an operation of the keyspace: alone, or in a transaction.

extension Swiftwater__V1__GetRequest {
    fileprivate var operation: Operation {
        get throws(Wire.DecodeFailure) { .get(key: try key.key) }
    }
}

extension Swiftwater__V1__StrlenRequest {
    fileprivate var operation: Operation {
        get throws(Wire.DecodeFailure) { .strlen(key: try key.key) }
    }
}

extension Swiftwater__V1__KeysRequest {
    fileprivate var operation: Operation {
        get throws(Wire.DecodeFailure) {
            .keys(prefix: try prefix.bound("prefix"), startAfter: try start_after.bound("start_after"), limit: limit)
        }
    }
}

extension Swiftwater__V1__SetRequest {
    /// As it goes into the log. What is set most often, data, is not made a value on the way.
    fileprivate var command: Bytes {
        get throws(Wire.DecodeFailure) {
            guard let value, value.pointee.kind_case == SWIFTWATER__V1__VALUE__KIND_DATA else {
                return Command.single(try operation).encode()
            }
            try key.checkKey()
            return Command.encodeSet(key: key.buffer.bytes, data: value.pointee.data.buffer.bytes)
        }
    }

    fileprivate var operation: Operation {
        get throws(Wire.DecodeFailure) {
            let key = try key.key
            guard let value else { throw .missing("value") }
            return .set(key: key, value: try value.pointee.value)
        }
    }
}

extension Swiftwater__V1__DeleteRequest {
    fileprivate var operation: Operation {
        get throws(Wire.DecodeFailure) { .delete(key: try key.key) }
    }
}

extension Swiftwater__V1__AppendRequest {
    fileprivate var operation: Operation {
        get throws(Wire.DecodeFailure) {
            let key = try key.key
            switch addition_case {
            case SWIFTWATER__V1__APPEND_REQUEST__ADDITION_SUFFIX:
                return .append(key: key, suffix: suffix.owned)
            case SWIFTWATER__V1__APPEND_REQUEST__ADDITION_ITEM:
                let item = item.owned
                guard item.isValidUTF8 else { throw .notUTF8("item") }
                return .appendItem(key: key, item: item)
            default:
                throw .missing("suffix or item")
            }
        }
    }
}

extension Swiftwater__V1__Value {
    var value: Value {
        get throws(Wire.DecodeFailure) {
            switch kind_case {
            case SWIFTWATER__V1__VALUE__KIND_DATA:
                return .data(data.owned)
            case SWIFTWATER__V1__VALUE__KIND_LIST:
                do { return .list(try ItemList(parsing: list.owned)) } catch {
                    switch error {
                    case .notUTF8(let item): throw .notUTF8("item \(item + 1) of the list")
                    case .malformed, .unknownField, .lengthTooLong: throw .malformed("StringList")
                    }
                }
            default:
                throw .missing("data or list in value")
            }
        }
    }
}

extension Swiftwater__V1__Operation {
    /// An operation of a transaction.
    var operation: Operation {
        get throws(Wire.DecodeFailure) {
            switch request_case {
            case SWIFTWATER__V1__OPERATION__REQUEST_PING:
                return .ping
            case SWIFTWATER__V1__OPERATION__REQUEST_GET:
                try refuseLocal(get.pointee.consistency)
                return try get.pointee.operation
            case SWIFTWATER__V1__OPERATION__REQUEST_STRLEN:
                try refuseLocal(strlen.pointee.consistency)
                return try strlen.pointee.operation
            case SWIFTWATER__V1__OPERATION__REQUEST_KEYS:
                try refuseLocal(keys.pointee.consistency)
                return try keys.pointee.operation
            case SWIFTWATER__V1__OPERATION__REQUEST_SET:
                guard set.pointee.request_id == nil else { throw .misplaced("request_id") }
                return try set.pointee.operation
            case SWIFTWATER__V1__OPERATION__REQUEST_DELETE:
                guard delete_.pointee.request_id == nil else { throw .misplaced("request_id") }
                return try delete_.pointee.operation
            case SWIFTWATER__V1__OPERATION__REQUEST_APPEND:
                guard append.pointee.request_id == nil else { throw .misplaced("request_id") }
                return try append.pointee.operation
            default:
                throw .missing("request")
            }
        }
    }

    private func refuseLocal(_ consistency: Swiftwater__V1__Consistency) throws(Wire.DecodeFailure) {
        guard try read(consistency) != .local else { throw .misplaced("consistency LOCAL") }
    }
}
