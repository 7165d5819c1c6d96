import Base

/// The encoding of a command: `Entry.data` of an entry of kind `command`, under `Entry.version`.
///
/// Version 1: one byte says the form (1: one operation, 2: a transaction, then a varint count); each operation is
/// one byte of kind and its fields. A field of bytes is a varint length and the bytes. docs/decisions has the
/// table and the reasons.
extension Command {
    /// What this program writes into `Entry.version`.
    public static let version: UInt64 = 1

    /// Why bytes are no command. A member that meets one in its log must stop: the others may know what it means,
    /// and a member that skipped it would differ from them.
    public enum Failure: Error, Equatable {
        case unknownVersion(UInt64)
        case unknownForm(UInt8)
        case unknownOperation(UInt8)
        case unknownKindOfValue(UInt8)
        case malformed(ByteReader.Failure)
        case malformedList(ItemList.Failure)
        /// An item to append that is not valid UTF-8.
        case itemNotUTF8(at: Int)
        /// Bytes are left after the end of the command.
        case tooLong(at: Int)
    }

    static let singleForm: UInt8 = 1

    private enum Form {
        static let single: UInt8 = singleForm
        static let transaction: UInt8 = 2
    }

    /// The command's bytes, with `headroom` in front of them (`Entry.headroom`, so that packing copies nothing).
    public func encode(headroom: Int = Entry.headroom) -> Bytes {
        switch self {
        case .single(let operation):
            var writer = ByteWriter(capacity: 1 + operation.encodedSizeBound, headroom: headroom)
            writer.write(Form.single)
            operation.encode(into: &writer)
            return writer.finish()
        case .transaction(let operations):
            let size = operations.reduce(11) { $0 + $1.encodedSizeBound }
            var writer = ByteWriter(capacity: size, headroom: headroom)
            writer.write(Form.transaction)
            writer.writeVarint(UInt64(operations.count))
            for operation in operations { operation.encode(into: &writer) }
            return writer.finish()
        }
    }

    /// What `single(.set(key: key, value: .data(data)))` encodes to, from bytes that are only borrowed: they are copied
    /// once, to where they stay until the entry is on the disk.
    public static func encodeSet(key: RawSpan, data: RawSpan, headroom: Int = Entry.headroom) -> Bytes {
        var writer = ByteWriter(capacity: 23 + key.byteCount + data.byteCount, headroom: headroom)
        writer.write(Form.single)
        Operation.encodeSet(key: key, data: data, into: &writer)
        return writer.finish()
    }

    /// Reads a command; keys and values are slices of `bytes`. Any bytes at all are safe to pass.
    public init(decoding bytes: Bytes, version: UInt64) throws(Failure) {
        guard version == Self.version else { throw .unknownVersion(version) }
        var fields = FieldReader(bytes)
        switch try fields.byte() {
        case Form.single:
            self = .single(try Operation(from: &fields))
        case Form.transaction:
            let count = try fields.number()
            // An operation takes at least a byte: a count that lies cannot make us reserve memory.
            guard count <= UInt64(fields.remaining) else { throw .malformed(.truncated(at: fields.offset)) }
            var operations: [Operation] = []
            operations.reserveCapacity(Int(min(count, 1024)))
            for _ in 0..<count { operations.append(try Operation(from: &fields)) }
            self = .transaction(operations)
        case let form:
            throw .unknownForm(form)
        }
        guard fields.remaining == 0 else { throw .tooLong(at: fields.offset) }
    }
}

extension Operation {
    static let setCode: UInt8 = 2

    private enum Code {
        static let get: UInt8 = 1
        static let set: UInt8 = setCode
        static let strlen: UInt8 = 3
        static let delete: UInt8 = 4
        static let append: UInt8 = 5
        static let appendItem: UInt8 = 6
        static let keys: UInt8 = 7
        static let ping: UInt8 = 8
    }

    /// No encoding of this operation is longer.
    var encodedSizeBound: Int {
        switch self {
        case .ping: 1
        case .get(let key), .strlen(let key), .delete(let key): 11 + key.count
        case .set(let key, let value): 22 + key.count + value.size
        case .append(let key, let tail), .appendItem(let key, let tail): 21 + key.count + tail.count
        case .keys(let prefix, let startAfter, _): 31 + prefix.count + startAfter.count
        }
    }

    static func encodeSet(key: RawSpan, data: RawSpan, into writer: inout ByteWriter) {
        writer.write(Code.set)
        writer.writeVarint(UInt64(key.byteCount))
        writer.write(key)
        writer.write(Value.Kind.data.rawValue)
        writer.writeVarint(UInt64(data.byteCount))
        writer.write(data)
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .ping:
            writer.write(Code.ping)
        case .get(let key):
            writer.write(Code.get)
            writer.writeCounted(key)
        case .set(let key, let value):
            writer.write(Code.set)
            writer.writeCounted(key)
            value.encode(into: &writer)
        case .strlen(let key):
            writer.write(Code.strlen)
            writer.writeCounted(key)
        case .delete(let key):
            writer.write(Code.delete)
            writer.writeCounted(key)
        case .append(let key, let suffix):
            writer.write(Code.append)
            writer.writeCounted(key)
            writer.writeCounted(suffix)
        case .appendItem(let key, let item):
            writer.write(Code.appendItem)
            writer.writeCounted(key)
            writer.writeCounted(item)
        case .keys(let prefix, let startAfter, let limit):
            writer.write(Code.keys)
            writer.writeCounted(prefix)
            writer.writeCounted(startAfter)
            writer.writeVarint(limit)
        }
    }

    init(from fields: inout FieldReader) throws(Command.Failure) {
        switch try fields.byte() {
        case Code.ping:
            self = .ping
        case Code.get:
            self = .get(key: try fields.counted())
        case Code.set:
            let key = try fields.counted()
            self = .set(key: key, value: try Value(from: &fields))
        case Code.strlen:
            self = .strlen(key: try fields.counted())
        case Code.delete:
            self = .delete(key: try fields.counted())
        case Code.append:
            let key = try fields.counted()
            self = .append(key: key, suffix: try fields.counted())
        case Code.appendItem:
            let key = try fields.counted()
            let at = fields.offset
            let item = try fields.counted()
            guard item.isValidUTF8 else { throw .itemNotUTF8(at: at) }
            self = .appendItem(key: key, item: item)
        case Code.keys:
            let prefix = try fields.counted()
            let startAfter = try fields.counted()
            self = .keys(prefix: prefix, startAfter: startAfter, limit: try fields.number())
        case let code:
            throw .unknownOperation(code)
        }
    }
}

extension Value {
    /// One byte of kind, then the bytes counted; a list as the protobuf encoding of `StringList`.
    func encode(into writer: inout ByteWriter) {
        writer.write(kind.rawValue)
        switch self {
        case .data(let bytes): writer.writeCounted(bytes)
        case .list(let list): writer.writeCounted(list.packed)
        }
    }

    init(from fields: inout FieldReader) throws(Command.Failure) {
        let code = try fields.byte()
        switch Kind(rawValue: code) {
        case .data:
            self = .data(try fields.counted())
        case .list:
            let packed = try fields.counted()
            do { self = .list(try ItemList(validating: packed)) } catch { throw .malformedList(error) }
        case nil:
            throw .unknownKindOfValue(code)
        }
    }
}

extension ByteWriter {
    /// A varint length, then the bytes.
    mutating func writeCounted(_ bytes: Bytes) {
        writeVarint(UInt64(bytes.count))
        write(bytes)
    }
}

/// `ByteReader` with the failures of a command, and only the few shapes that our encodings are made of.
struct FieldReader {
    private var reader: ByteReader

    init(_ bytes: Bytes) { reader = ByteReader(bytes) }

    var remaining: Int { reader.remaining }
    var offset: Int { reader.offset }

    mutating func byte() throws(Command.Failure) -> UInt8 {
        do { return try reader.read(UInt8.self) } catch { throw .malformed(error) }
    }

    mutating func number() throws(Command.Failure) -> UInt64 {
        do { return try reader.readVarint() } catch { throw .malformed(error) }
    }

    mutating func fixedNumber() throws(Command.Failure) -> UInt64 {
        do { return try reader.read(UInt64.self) } catch { throw .malformed(error) }
    }

    mutating func read(_ count: Int) throws(Command.Failure) -> Bytes {
        do { return try reader.read(count: count) } catch { throw .malformed(error) }
    }

    mutating func counted() throws(Command.Failure) -> Bytes {
        do { return try reader.readLengthDelimited() } catch { throw .malformed(error) }
    }
}
