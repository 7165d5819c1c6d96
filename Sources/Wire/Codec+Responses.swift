import Base
import CProto
import CProtobufC
import Keyspace

// What a member answers to clients.
extension Wire.Codec {
    /// The response to a call of KV that asks for one thing, by what came of it. `revision` is the outcome's; reads have
    /// their own. For `keys`, all of them in one message: `encodeKeys` makes a part.
    public func encode(_ result: OperationResult, revision: UInt64, header: Wire.ResponseHeader? = nil) -> Bytes {
        switch result {
        case .pong: pack(pingResponse())
        case .value(let value, let changed): withExtendedLifetime(value) { pack(getResponse(value, changed, header)) }
        case .set: pack(setResponse(revision))
        case .length(let length): pack(strlenResponse(length, header))
        case .deleted(let previous): withExtendedLifetime(previous) { pack(deleteResponse(previous, revision)) }
        case .appended(let length): pack(appendResponse(length, revision))
        case .keys(let keys): withExtendedLifetime(keys) { pack(keysResponse(keys, header)) }
        }
    }

    /// One message of the stream that answers Keys.
    public func encodeKeys(_ keys: some Collection<Bytes>, header: Wire.ResponseHeader? = nil) -> Bytes {
        withExtendedLifetime(keys) { pack(keysResponse(keys, header)) }
    }

    public func encodeTransact(_ results: [OperationResult], revision: UInt64) -> Bytes {
        withExtendedLifetime(results) {
            let response = arena.make(swiftwater__v1__transact_response__init)
            let pointers = arena.allocate(
                UnsafeMutablePointer<Swiftwater__V1__OperationResult>?.self, count: results.count)
            for (number, result) in results.enumerated() { pointers[number] = element(result, revision) }
            response.pointee.n_results = results.count
            response.pointee.results = pointers
            response.pointee.revision = revision
            return pack(response)
        }
    }

    private func element(
        _ result: OperationResult, _ revision: UInt64
    ) -> UnsafeMutablePointer<Swiftwater__V1__OperationResult> {
        let element = arena.make(swiftwater__v1__operation_result__init)
        switch result {
        case .pong:
            element.pointee.response_case = SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_PING
            element.pointee.ping = pingResponse()
        case .value(let value, let changed):
            element.pointee.response_case = SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_GET
            element.pointee.get = getResponse(value, changed)
        case .set:
            element.pointee.response_case = SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_SET
            element.pointee.set = setResponse(revision)
        case .length(let length):
            element.pointee.response_case = SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_STRLEN
            element.pointee.strlen = strlenResponse(length)
        case .deleted(let previous):
            element.pointee.response_case = SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_DELETE
            element.pointee.delete_ = deleteResponse(previous, revision)
        case .appended(let length):
            element.pointee.response_case = SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_APPEND
            element.pointee.append = appendResponse(length, revision)
        case .keys(let keys):
            element.pointee.response_case = SWIFTWATER__V1__OPERATION_RESULT__RESPONSE_KEYS
            element.pointee.keys = keysResponse(keys)
        }
        return element
    }

    private func pingResponse() -> UnsafeMutablePointer<Swiftwater__V1__PingResponse> {
        let response = arena.make(swiftwater__v1__ping_response__init)
        response.pointee.message = arena.copy("PONG")
        return response
    }

    private func getResponse(
        _ value: Value?, _ revision: UInt64, _ header: Wire.ResponseHeader? = nil
    ) -> UnsafeMutablePointer<Swiftwater__V1__GetResponse> {
        let response = arena.make(swiftwater__v1__get_response__init)
        response.pointee.value = value.map { build($0) }
        response.pointee.revision = revision
        response.pointee.header = build(header)
        return response
    }

    private func setResponse(_ revision: UInt64) -> UnsafeMutablePointer<Swiftwater__V1__SetResponse> {
        let response = arena.make(swiftwater__v1__set_response__init)
        response.pointee.revision = revision
        return response
    }

    private func strlenResponse(
        _ length: UInt64, _ header: Wire.ResponseHeader? = nil
    ) -> UnsafeMutablePointer<Swiftwater__V1__StrlenResponse> {
        let response = arena.make(swiftwater__v1__strlen_response__init)
        response.pointee.length = length
        response.pointee.header = build(header)
        return response
    }

    private func deleteResponse(
        _ previous: Value?, _ revision: UInt64
    ) -> UnsafeMutablePointer<Swiftwater__V1__DeleteResponse> {
        let response = arena.make(swiftwater__v1__delete_response__init)
        response.pointee.previous = previous.map { build($0) }
        response.pointee.revision = revision
        return response
    }

    private func appendResponse(
        _ length: UInt64, _ revision: UInt64
    ) -> UnsafeMutablePointer<Swiftwater__V1__AppendResponse> {
        let response = arena.make(swiftwater__v1__append_response__init)
        response.pointee.length = length
        response.pointee.revision = revision
        return response
    }

    private func keysResponse(
        _ keys: some Collection<Bytes>, _ header: Wire.ResponseHeader? = nil
    ) -> UnsafeMutablePointer<Swiftwater__V1__KeysResponse> {
        let response = arena.make(swiftwater__v1__keys_response__init)
        let pointers = arena.allocate(ProtobufCBinaryData.self, count: keys.count)
        for (number, key) in keys.enumerated() { pointers[number] = ProtobufCBinaryData(borrowing: key) }
        response.pointee.n_keys = keys.count
        response.pointee.keys = pointers
        response.pointee.header = build(header)
        return response
    }

    private func build(_ header: Wire.ResponseHeader?) -> UnsafeMutablePointer<Swiftwater__V1__ResponseHeader>? {
        guard let header else { return nil }
        let message = arena.make(swiftwater__v1__response_header__init)
        message.pointee.applied_index = header.appliedIndex.rawValue
        if let heard = header.leaderHeardMs {
            message.pointee.contact_case = SWIFTWATER__V1__RESPONSE_HEADER__CONTACT_LEADER_HEARD_MS
            message.pointee.leader_heard_ms = heard
        }
        return message
    }

    /// A value in the arena, which points at the bytes of `value`: those the caller keeps alive.
    func build(_ value: Value) -> UnsafeMutablePointer<Swiftwater__V1__Value> {
        let message = arena.make(swiftwater__v1__value__init)
        switch value {
        case .data(let data):
            message.pointee.kind_case = SWIFTWATER__V1__VALUE__KIND_DATA
            message.pointee.data = ProtobufCBinaryData(borrowing: data)
        case .list(let list):
            message.pointee.kind_case = SWIFTWATER__V1__VALUE__KIND_LIST
            message.pointee.list = ProtobufCBinaryData(borrowing: list.packed)
        }
        return message
    }
}
