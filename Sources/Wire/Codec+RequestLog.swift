import Base
import CProto
import CProtobufC
import Keyspace

// RequestLog: a member's log, for people.
extension Wire.Codec {
    public func encode(_ request: Wire.RequestLogRequest) -> Bytes {
        let message = arena.make(swiftwater__v1__request_log_request__init)
        message.pointee.from_index = request.from.rawValue
        message.pointee.limit = request.limit
        return pack(message)
    }

    public func decodeRequestLog(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.RequestLogRequest {
        try unpack(swiftwater__v1__request_log_request__unpack, "RequestLogRequest", span) {
            Wire.RequestLogRequest(from: Index($0.from_index), limit: $0.limit)
        }
    }

    public func encode(_ record: Wire.LogRecord) -> Bytes {
        withExtendedLifetime(record) {
            let message = arena.make(swiftwater__v1__request_log_response__init)
            message.pointee.index = record.index.rawValue
            message.pointee.term = record.term.rawValue
            message.pointee.kind = Swiftwater__V1__EntryKind(rawValue: UInt32(truncatingIfNeeded: record.kind.rawValue))
            message.pointee.time_ms = record.timeMs
            message.pointee.committed = record.isCommitted ? 1 : 0
            switch record.command {
            case .single(let operation):
                (message.pointee.n_operations, message.pointee.operations) = build([operation])
            case .transaction(let operations):
                (message.pointee.n_operations, message.pointee.operations) = build(operations)
                message.pointee.transaction = 1
            case nil:
                break
            }
            message.pointee.configuration = record.configuration.map {
                build(Wire.LoggedConfiguration($0, index: record.index))
            }
            message.pointee.session_id = record.requestID?.sessionID ?? 0
            message.pointee.sequence = record.requestID?.sequence ?? 0
            message.pointee.size = record.size
            return pack(message)
        }
    }

    public func decodeLogRecord(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.LogRecord {
        try unpack(swiftwater__v1__request_log_response__unpack, "RequestLogResponse", span) {
            message throws(Wire.DecodeFailure) in
            Wire.LogRecord(
                index: Index(message.index), term: Term(message.term),
                kind: Entry.Kind(rawValue: UInt64(message.kind.rawValue)), timeMs: message.time_ms,
                isCommitted: message.committed != 0, command: try message.command,
                configuration: try message.configuration?.pointee.logged.configuration,
                requestID: message.session_id == 0
                    ? nil : Wire.RequestID(sessionID: message.session_id, sequence: message.sequence),
                size: message.size)
        }
    }
}

extension Swiftwater__V1__RequestLogResponse {
    fileprivate var command: Command? {
        get throws(Wire.DecodeFailure) {
            var list: [Operation] = []
            for number in 0..<n_operations {
                do throws(Wire.DecodeFailure) {
                    list.append(try operations[number]!.pointee.operation)
                } catch {
                    throw .inOperation(number + 1, error)
                }
            }
            if transaction != 0 { return .transaction(list) }
            guard list.count <= 1 else { throw .inconsistent("several operations, and no transaction") }
            return list.first.map { .single($0) }
        }
    }
}
