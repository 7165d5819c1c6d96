/// One entry of the log: `Entry` of proto/swiftwater/v1/raft.proto.
///
/// It is packed once, by the leader, and the same bytes go to its disk and to every follower and to theirs; the
/// fields beside them are read from those bytes. Unknown fields therefore survive a member that is older.
public struct Entry: Sendable, Equatable {
    /// What an entry is for. A member that meets a kind it does not know stops: skipping one would make it differ.
    public struct Kind: RawRepresentable, Hashable, Sendable {
        public let rawValue: UInt64
        @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
        /// Commits everything before it in a new leader's term (dissertation 6.4).
        public static let noOperation = Kind(rawValue: 1)
        /// A command for the keyspace.
        public static let command = Kind(rawValue: 2)
        /// The members of the cluster from here on (dissertation 4.1).
        public static let configuration = Kind(rawValue: 3)
        /// A client registers, so that its commands apply exactly once (dissertation 6.3). The session's id is the
        /// entry's index.
        public static let openSession = Kind(rawValue: 4)
        /// A client is done with the session in `sessionID`.
        public static let closeSession = Kind(rawValue: 5)
    }

    public let term: Term
    public let index: Index
    public let kind: Kind
    /// The leader's wall time when it proposed, in milliseconds since 1970; never before its predecessor's.
    public let timeMs: UInt64
    /// Zero without a session (dissertation 6.3).
    public let sessionID: UInt64
    public let sequence: UInt64
    /// The version of the encoding of `data`.
    public let version: UInt64
    /// The protobuf encoding of the whole entry.
    public let packed: Bytes
    // Where `data` stands in `packed`: not a second `Bytes`, so that a copy of an entry counts one reference, not two.
    @usableFromInline let dataStart: UInt32
    @usableFromInline let dataLength: UInt32

    /// For a command, the keyspace's own encoding; for a configuration, `Configuration`'s. A slice of `packed`.
    @inlinable
    public var data: Bytes { packed[Int(dataStart)..<Int(dataStart) + Int(dataLength)] }

    /// The room that packing needs in front of `data`: give it as headroom to the writer that encodes a command.
    public static let headroom = 8 * 11

    /// Packs an entry. Copies nothing when `data` was written with `headroom`.
    public init(
        term: Term, index: Index, kind: Kind, timeMs: UInt64, sessionID: UInt64 = 0, sequence: UInt64 = 0,
        version: UInt64 = 1, data: Bytes
    ) {
        self.term = term
        self.index = index
        self.kind = kind
        self.timeMs = timeMs
        self.sessionID = sessionID
        self.sequence = sequence
        self.version = version
        let numbers = (term.rawValue, index.rawValue, kind.rawValue, timeMs, sessionID, sequence, version)
        packed = withUnsafeTemporaryAllocation(byteCount: Entry.headroom, alignment: 8) { head in
            var size = 0
            func put(_ field: UInt8, _ number: UInt64) {
                guard number != 0 else { return }
                head[size] = field << 3
                size += 1 + encodeVarint(number, to: head.baseAddress! + size + 1)
            }
            put(1, numbers.0)
            put(2, numbers.1)
            put(3, numbers.2)
            put(4, numbers.3)
            put(5, numbers.4)
            put(6, numbers.5)
            put(7, numbers.6)
            if !data.isEmpty {
                head[size] = 8 << 3 | WireType.lengthDelimited.rawValue
                size += 1 + encodeVarint(UInt64(data.count), to: head.baseAddress! + size + 1)
            }
            return data.prepending(size) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: head[..<size])) }
        }
        dataStart = UInt32(packed.count - data.count)
        dataLength = UInt32(data.count)
    }

    /// Reads a packed entry. `data` shares its storage.
    public init(unpacking packed: Bytes) throws(ByteReader.Failure) {
        var numbers = Numbers()
        var data = 0..<0
        if !packed.withUnsafeBytes({ Self.scan($0, &numbers, &data) }) {
            numbers = Numbers()
            data = try Self.read(packed, &numbers)
        }
        term = Term(numbers.values.0)
        index = Index(numbers.values.1)
        kind = Kind(rawValue: numbers.values.2)
        timeMs = numbers.values.3
        sessionID = numbers.values.4
        sequence = numbers.values.5
        version = numbers.values.6
        self.packed = packed
        dataStart = UInt32(data.lowerBound)
        dataLength = UInt32(data.count)
    }

    /// Fields 1 to 7.
    private struct Numbers {
        var values: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)

        @inline(__always)
        mutating func set(_ field: Int, _ number: UInt64) {
            switch field {
            case 1: values.0 = number
            case 2: values.1 = number
            case 3: values.2 = number
            case 4: values.3 = number
            case 5: values.4 = number
            case 6: values.5 = number
            default: values.6 = number
            }
        }
    }

    /// Reads what `init` packs: known fields alone, their tags a byte each. A follower and a recovering disk read every
    /// entry, so this counts no references. False when the bytes are anything else; `read` then says what.
    private static func scan(
        _ bytes: UnsafeRawBufferPointer, _ numbers: inout Numbers, _ data: inout Range<Int>
    ) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let tag = bytes[offset]
            offset += 1
            var number: UInt64 = 0
            var shift: UInt64 = 0
            while true {
                guard offset < bytes.count, shift < 63 else { return false }
                let byte = bytes[offset]
                offset += 1
                number |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { break }
                shift += 7
            }
            if tag == 8 << 3 | WireType.lengthDelimited.rawValue {
                guard number <= UInt64(bytes.count - offset) else { return false }
                data = offset..<offset + Int(number)
                offset = data.upperBound
            } else {
                guard tag & 7 == WireType.varint.rawValue, 1...7 ~= tag >> 3 else { return false }
                numbers.set(Int(tag >> 3), number)
            }
        }
        return true
    }

    /// Reads any encoding that protobuf allows, unknown fields included; where `data` stands.
    private static func read(_ packed: Bytes, _ numbers: inout Numbers) throws(ByteReader.Failure) -> Range<Int> {
        var data = 0..<0
        var reader = ByteReader(packed)
        while !reader.isAtEnd {
            let (field, type) = try reader.readTag()
            switch (field, type) {
            case (1...7, .varint):
                numbers.set(field, try reader.readVarint())
            case (8, .lengthDelimited):
                let count = try reader.readLengthDelimited().count
                data = reader.offset - count..<reader.offset
            default:
                try reader.skip(type)
            }
        }
        return data
    }

    public static func == (a: Entry, b: Entry) -> Bool { a.packed == b.packed }
}
