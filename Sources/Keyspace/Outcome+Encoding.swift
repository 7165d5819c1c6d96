import Base

/// The encoding of an outcome: how a leader answers a write that a follower passed on to it, and later what a
/// session remembers. One byte of version, the revision, one byte of form, the results.
extension Outcome {
    private enum Form {
        static let none: UInt8 = 0
        static let single: UInt8 = 1
        static let transaction: UInt8 = 2
        static let failed: UInt8 = 3
        static let session: UInt8 = 4
    }

    private static let encodingVersion: UInt8 = 1

    public func encode() -> Bytes {
        var writer = ByteWriter(capacity: 32 + sizeHint)
        writer.write(Self.encodingVersion)
        writer.writeVarint(revision)
        switch result {
        case .none:
            writer.write(Form.none)
        case .single(let result):
            writer.write(Form.single)
            result.encode(into: &writer)
        case .transaction(let results):
            writer.write(Form.transaction)
            writer.writeVarint(UInt64(results.count))
            for result in results { result.encode(into: &writer) }
        case .session(let id):
            writer.write(Form.session)
            writer.writeVarint(id)
        case .failed(let failure):
            writer.write(Form.failed)
            failure.encode(into: &writer)
        }
        return writer.finish()
    }

    /// Reads an outcome; values are slices of `bytes`. Any bytes at all are safe to pass.
    public init(decoding bytes: Bytes) throws(Command.Failure) {
        var fields = FieldReader(bytes)
        let version = try fields.byte()
        guard version == Self.encodingVersion else { throw .unknownVersion(UInt64(version)) }
        let revision = try fields.number()
        let result: Result
        switch try fields.byte() {
        case Form.none:
            result = .none
        case Form.single:
            result = .single(try OperationResult(from: &fields))
        case Form.transaction:
            let count = try fields.number()
            guard count <= UInt64(fields.remaining) else { throw .malformed(.truncated(at: fields.offset)) }
            var results: [OperationResult] = []
            results.reserveCapacity(Int(min(count, 1024)))
            for _ in 0..<count { results.append(try OperationResult(from: &fields)) }
            result = .transaction(results)
        case Form.session:
            result = .session(try fields.number())
        case Form.failed:
            result = .failed(try OperationFailure(from: &fields))
        case let form:
            throw .unknownForm(form)
        }
        guard fields.remaining == 0 else { throw .tooLong(at: fields.offset) }
        self.init(revision: revision, result: result)
    }

    private var sizeHint: Int {
        switch result {
        case .none, .session, .failed: 128
        case .single(let result): result.size
        case .transaction(let results): results.reduce(0) { $0 + $1.size }
        }
    }
}

extension OperationResult {
    private enum Code {
        static let value: UInt8 = 1
        static let set: UInt8 = 2
        static let length: UInt8 = 3
        static let deleted: UInt8 = 4
        static let appended: UInt8 = 5
        static let keys: UInt8 = 6
        static let pong: UInt8 = 7
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .pong:
            writer.write(Code.pong)
        case .value(let value, let revision):
            writer.write(Code.value)
            writer.writeVarint(revision)
            writer.writeOptional(value)
        case .set:
            writer.write(Code.set)
        case .length(let length):
            writer.write(Code.length)
            writer.writeVarint(length)
        case .deleted(let previous):
            writer.write(Code.deleted)
            writer.writeOptional(previous)
        case .appended(let length):
            writer.write(Code.appended)
            writer.writeVarint(length)
        case .keys(let keys):
            writer.write(Code.keys)
            writer.writeVarint(UInt64(keys.count))
            for key in keys { writer.writeCounted(key) }
        }
    }

    init(from fields: inout FieldReader) throws(Command.Failure) {
        switch try fields.byte() {
        case Code.pong:
            self = .pong
        case Code.value:
            let revision = try fields.number()
            self = .value(try fields.optionalValue(), revision: revision)
        case Code.set:
            self = .set
        case Code.length:
            self = .length(try fields.number())
        case Code.deleted:
            self = .deleted(previous: try fields.optionalValue())
        case Code.appended:
            self = .appended(length: try fields.number())
        case Code.keys:
            let count = try fields.number()
            guard count <= UInt64(fields.remaining) else { throw .malformed(.truncated(at: fields.offset)) }
            var keys: [Bytes] = []
            keys.reserveCapacity(Int(min(count, 1024)))
            for _ in 0..<count { keys.append(try fields.counted()) }
            self = .keys(keys)
        case let code:
            throw .unknownOperation(code)
        }
    }
}

extension OperationFailure {
    private enum Code {
        static let wrongKind: UInt8 = 1
        static let valueTooLarge: UInt8 = 2
        static let resultTooLarge: UInt8 = 3
        static let sessionExpired: UInt8 = 4
        static let sequenceForgotten: UInt8 = 5
        static let answerForgotten: UInt8 = 6
    }

    func encode(into writer: inout ByteWriter) {
        writer.writeVarint(UInt64(operation))
        switch reason {
        case .wrongKind(let key, let kind):
            writer.write(Code.wrongKind)
            writer.writeCounted(key)
            writer.write(kind.rawValue)
        case .valueTooLarge(let key):
            writer.write(Code.valueTooLarge)
            writer.writeCounted(key)
        case .resultTooLarge:
            writer.write(Code.resultTooLarge)
        case .sessionExpired(let session):
            writer.write(Code.sessionExpired)
            writer.writeVarint(session)
        case .sequenceForgotten(let sequence):
            writer.write(Code.sequenceForgotten)
            writer.writeVarint(sequence)
        case .answerForgotten(let sequence):
            writer.write(Code.answerForgotten)
            writer.writeVarint(sequence)
        }
    }

    init(from fields: inout FieldReader) throws(Command.Failure) {
        let at = fields.offset
        guard let operation = Int(exactly: try fields.number()) else {
            throw .malformed(.varintTooLong(at: at))
        }
        let reason: Reason
        switch try fields.byte() {
        case Code.wrongKind:
            let key = try fields.counted()
            let code = try fields.byte()
            guard let kind = Value.Kind(rawValue: code) else { throw .unknownKindOfValue(code) }
            reason = .wrongKind(key: key, holds: kind)
        case Code.valueTooLarge:
            reason = .valueTooLarge(key: try fields.counted())
        case Code.resultTooLarge:
            reason = .resultTooLarge
        case Code.sessionExpired:
            reason = .sessionExpired(session: try fields.number())
        case Code.sequenceForgotten:
            reason = .sequenceForgotten(sequence: try fields.number())
        case Code.answerForgotten:
            reason = .answerForgotten(sequence: try fields.number())
        case let code:
            throw .unknownOperation(code)
        }
        self.init(operation: operation, reason: reason)
    }
}

extension ByteWriter {
    /// One byte: whether there is a value; then the value.
    fileprivate mutating func writeOptional(_ value: Value?) {
        write(UInt8(value == nil ? 0 : 1))
        value?.encode(into: &self)
    }
}

extension FieldReader {
    fileprivate mutating func optionalValue() throws(Command.Failure) -> Value? {
        switch try byte() {
        case 0: nil
        case 1: try Value(from: &self)
        case let other: throw .unknownKindOfValue(other)
        }
    }
}
