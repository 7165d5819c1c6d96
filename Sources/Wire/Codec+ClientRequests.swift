import Base
import CProto
import CProtobufC
import Keyspace

// What a client asks, as it writes it.
extension Wire.Codec {
    /// The request of the call that asks for this one thing: `path(of:)` says which.
    public func encodeRequest(
        _ operation: Operation, consistency: Wire.Consistency = .linearizable, requestID: Wire.RequestID? = nil
    ) -> Bytes {
        withExtendedLifetime(operation) {
            switch operation {
            case .ping:
                return pack(arena.make(swiftwater__v1__ping_request__init))
            case .get(let key):
                return pack(getRequest(key, consistency))
            case .set(let key, let value):
                return pack(setRequest(key, value, requestID))
            case .strlen(let key):
                return pack(strlenRequest(key, consistency))
            case .delete(let key):
                return pack(deleteRequest(key, requestID))
            case .append(let key, let suffix):
                return pack(appendRequest(key, suffix: suffix, requestID))
            case .appendItem(let key, let item):
                return pack(appendRequest(key, item: item, requestID))
            case .keys(let prefix, let startAfter, let limit):
                return pack(keysRequest(prefix, startAfter, limit, consistency))
            }
        }
    }

    public func encodeTransact(_ operations: [Operation], requestID: Wire.RequestID? = nil) -> Bytes {
        withExtendedLifetime(operations) {
            let request = arena.make(swiftwater__v1__transact_request__init)
            let (count, pointers) = build(operations)
            request.pointee.n_operations = count
            request.pointee.operations = pointers
            request.pointee.request_id = build(requestID)
            return pack(request)
        }
    }

    /// Operations in the arena, which point at the bytes of `operations`: those the caller keeps alive.
    func build(
        _ operations: [Operation]
    ) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<Swiftwater__V1__Operation>?>) {
        let pointers = arena.allocate(
            UnsafeMutablePointer<Swiftwater__V1__Operation>?.self, count: operations.count)
        for (number, operation) in operations.enumerated() { pointers[number] = element(operation) }
        return (operations.count, pointers)
    }

    private func element(_ operation: Operation) -> UnsafeMutablePointer<Swiftwater__V1__Operation> {
        let element = arena.make(swiftwater__v1__operation__init)
        switch operation {
        case .ping:
            element.pointee.request_case = SWIFTWATER__V1__OPERATION__REQUEST_PING
            element.pointee.ping = arena.make(swiftwater__v1__ping_request__init)
        case .get(let key):
            element.pointee.request_case = SWIFTWATER__V1__OPERATION__REQUEST_GET
            element.pointee.get = getRequest(key, .linearizable)
        case .set(let key, let value):
            element.pointee.request_case = SWIFTWATER__V1__OPERATION__REQUEST_SET
            element.pointee.set = setRequest(key, value, nil)
        case .strlen(let key):
            element.pointee.request_case = SWIFTWATER__V1__OPERATION__REQUEST_STRLEN
            element.pointee.strlen = strlenRequest(key, .linearizable)
        case .delete(let key):
            element.pointee.request_case = SWIFTWATER__V1__OPERATION__REQUEST_DELETE
            element.pointee.delete_ = deleteRequest(key, nil)
        case .append(let key, let suffix):
            element.pointee.request_case = SWIFTWATER__V1__OPERATION__REQUEST_APPEND
            element.pointee.append = appendRequest(key, suffix: suffix, nil)
        case .appendItem(let key, let item):
            element.pointee.request_case = SWIFTWATER__V1__OPERATION__REQUEST_APPEND
            element.pointee.append = appendRequest(key, item: item, nil)
        case .keys(let prefix, let startAfter, let limit):
            element.pointee.request_case = SWIFTWATER__V1__OPERATION__REQUEST_KEYS
            element.pointee.keys = keysRequest(prefix, startAfter, limit, .linearizable)
        }
        return element
    }

    private func getRequest(
        _ key: Bytes, _ consistency: Wire.Consistency
    ) -> UnsafeMutablePointer<Swiftwater__V1__GetRequest> {
        let request = arena.make(swiftwater__v1__get_request__init)
        request.pointee.key = ProtobufCBinaryData(borrowing: key)
        request.pointee.consistency = consistency.coded
        return request
    }

    private func strlenRequest(
        _ key: Bytes, _ consistency: Wire.Consistency
    ) -> UnsafeMutablePointer<Swiftwater__V1__StrlenRequest> {
        let request = arena.make(swiftwater__v1__strlen_request__init)
        request.pointee.key = ProtobufCBinaryData(borrowing: key)
        request.pointee.consistency = consistency.coded
        return request
    }

    private func keysRequest(
        _ prefix: Bytes, _ startAfter: Bytes, _ limit: UInt64, _ consistency: Wire.Consistency
    ) -> UnsafeMutablePointer<Swiftwater__V1__KeysRequest> {
        let request = arena.make(swiftwater__v1__keys_request__init)
        request.pointee.prefix = ProtobufCBinaryData(borrowing: prefix)
        request.pointee.start_after = ProtobufCBinaryData(borrowing: startAfter)
        request.pointee.limit = limit
        request.pointee.consistency = consistency.coded
        return request
    }

    private func setRequest(
        _ key: Bytes, _ value: Value, _ requestID: Wire.RequestID?
    ) -> UnsafeMutablePointer<Swiftwater__V1__SetRequest> {
        let request = arena.make(swiftwater__v1__set_request__init)
        request.pointee.key = ProtobufCBinaryData(borrowing: key)
        request.pointee.value = build(value)
        request.pointee.request_id = build(requestID)
        return request
    }

    private func deleteRequest(
        _ key: Bytes, _ requestID: Wire.RequestID?
    ) -> UnsafeMutablePointer<Swiftwater__V1__DeleteRequest> {
        let request = arena.make(swiftwater__v1__delete_request__init)
        request.pointee.key = ProtobufCBinaryData(borrowing: key)
        request.pointee.request_id = build(requestID)
        return request
    }

    private func appendRequest(
        _ key: Bytes, suffix: Bytes, _ requestID: Wire.RequestID?
    ) -> UnsafeMutablePointer<Swiftwater__V1__AppendRequest> {
        let request = arena.make(swiftwater__v1__append_request__init)
        request.pointee.key = ProtobufCBinaryData(borrowing: key)
        request.pointee.addition_case = SWIFTWATER__V1__APPEND_REQUEST__ADDITION_SUFFIX
        request.pointee.suffix = ProtobufCBinaryData(borrowing: suffix)
        request.pointee.request_id = build(requestID)
        return request
    }

    private func appendRequest(
        _ key: Bytes, item: Bytes, _ requestID: Wire.RequestID?
    ) -> UnsafeMutablePointer<Swiftwater__V1__AppendRequest> {
        let request = arena.make(swiftwater__v1__append_request__init)
        request.pointee.key = ProtobufCBinaryData(borrowing: key)
        request.pointee.addition_case = SWIFTWATER__V1__APPEND_REQUEST__ADDITION_ITEM
        request.pointee.item = ProtobufCBinaryData(borrowing: item)
        request.pointee.request_id = build(requestID)
        return request
    }

    private func build(_ requestID: Wire.RequestID?) -> UnsafeMutablePointer<Swiftwater__V1__RequestId>? {
        guard let requestID else { return nil }
        let message = arena.make(swiftwater__v1__request_id__init)
        message.pointee.session_id = requestID.sessionID
        message.pointee.sequence = requestID.sequence
        return message
    }
}

extension Wire.Consistency {
    fileprivate var coded: Swiftwater__V1__Consistency { Swiftwater__V1__Consistency(rawValue: rawValue) }
}

extension Wire.Path {
    /// The call that asks for this one thing.
    public static func path(of operation: Operation) -> String {
        switch operation {
        case .ping: kvPing
        case .get: kvGet
        case .set: kvSet
        case .strlen: kvStrlen
        case .delete: kvDelete
        case .append, .appendItem: kvAppend
        case .keys: kvKeys
        }
    }
}
