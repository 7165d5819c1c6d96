import Base

/// What a key holds.
public enum Value: Hashable, Sendable {
    case data(Bytes)
    case list(ItemList)

    public enum Kind: UInt8, Sendable {
        case data = 0
        case list = 1
    }

    @inlinable
    public var kind: Kind {
        switch self {
        case .data: .data
        case .list: .list
        }
    }

    /// What `strlen` says: the bytes of data, the items of a list.
    @inlinable
    public var length: UInt64 {
        switch self {
        case .data(let bytes): UInt64(bytes.count)
        case .list(let list): UInt64(list.count)
        }
    }

    /// What the value limit counts, in bytes: data as it is, a list as it is packed (each item with its length).
    @inlinable
    public var size: Int {
        switch self {
        case .data(let bytes): bytes.count
        case .list(let list): list.packed.count
        }
    }

    /// The most that a key and its value may take together, whatever a member's flags say, in bytes. It is part of
    /// what a version 1 command means, and so the same in every member: an append beyond it fails everywhere.
    public static let sizeCeiling = 1 << 30
}

/// A list of strings, kept as one run of bytes: the protobuf encoding of `StringList` (field 1, repeated), so that
/// a list goes to the wire as it stands. A million short items cost a million short items, not a million objects.
///
/// Invariant: `packed` is a sequence of (0x0a, varint length, valid UTF-8), and `count` is how many.
public struct ItemList: Hashable, Sendable {
    public private(set) var packed: Bytes
    /// How many items.
    public private(set) var count: Int

    public init() {
        packed = Bytes()
        count = 0
    }

    /// The caller vouches that each item is valid UTF-8.
    public init(_ items: some Sequence<Bytes>) {
        self.init()
        for item in items { append(item) }
    }

    init(trusting packed: Bytes, count: Int) {
        self.packed = packed
        self.count = count
    }

    public enum Failure: Error, Equatable {
        case malformed(ByteReader.Failure)
        /// A field that `StringList` does not have.
        case unknownField(at: Int)
        /// A length that is not written in its shortest form.
        case lengthTooLong(at: Int)
        /// An item that is not valid UTF-8.
        case notUTF8(item: Int)
    }

    /// Reads the protobuf encoding of a `StringList`, shared, not copied, and checks all of it. Tags and lengths must
    /// be in their shortest form, so that equal lists have equal bytes.
    public init(validating packed: Bytes) throws(Failure) {
        var reader = ByteReader(packed)
        var count = 0
        while !reader.isAtEnd {
            let at = reader.offset
            guard packed[at] == Self.tag else { throw .unknownField(at: at) }
            let item: Bytes
            do {
                _ = try reader.read(UInt8.self)
                item = try reader.readLengthDelimited()
            } catch {
                throw .malformed(error)
            }
            guard reader.offset - at == Self.packedSize(item) else { throw .lengthTooLong(at: at + 1) }
            guard item.isValidUTF8 else { throw .notUTF8(item: count) }
            count += 1
        }
        self.init(trusting: packed, count: count)
    }

    /// Reads a `StringList` as any protobuf library may have written it: unknown fields are left out, long forms of
    /// lengths made short. Shares `message` when it is in the shortest form already, as it nearly always is.
    public init(parsing message: Bytes) throws(Failure) {
        do {
            try self.init(validating: message)
            return
        } catch {
            switch error {
            case .malformed, .notUTF8: throw error
            case .unknownField, .lengthTooLong: break
            }
        }
        self.init()
        var reader = ByteReader(message)
        do throws(ByteReader.Failure) {
            while !reader.isAtEnd {
                let (field, type) = try reader.readTag()
                guard field == 1, type == .lengthDelimited else {
                    try reader.skip(type)
                    continue
                }
                append(try reader.readLengthDelimited())
            }
        } catch {
            throw .malformed(error)
        }
        var number = 0
        for item in self {
            guard item.isValidUTF8 else { throw .notUTF8(item: number) }
            number += 1
        }
    }

    static let tag: UInt8 = 1 << 3 | WireType.lengthDelimited.rawValue

    public var isEmpty: Bool { count == 0 }

    /// Adds an item at the end; the caller vouches that it is valid UTF-8. Amortised O(item), also when the list
    /// so far is shared (see `Bytes.appending`).
    public mutating func append(_ item: Bytes) {
        let size = Self.packedSize(item)
        packed = packed.appending(size) { target in
            target[0] = Self.tag
            let head = 1 + encodeVarint(UInt64(item.count), to: target.baseAddress! + 1)
            item.withUnsafeBytes { bytes in
                guard let source = bytes.baseAddress else { return }
                (target.baseAddress! + head).copyMemory(from: source, byteCount: bytes.count)
            }
        }
        count += 1
    }

    /// How many bytes of `packed` an item takes.
    public static func packedSize(_ item: Bytes) -> Int {
        1 + varintLength(UInt64(item.count)) + item.count
    }
}

extension ItemList: Sequence {
    public struct Iterator: IteratorProtocol {
        var reader: ByteReader

        public mutating func next() -> Bytes? {
            guard !reader.isAtEnd else { return nil }
            do {
                _ = try reader.read(UInt8.self)
                return try reader.readLengthDelimited()
            } catch {
                preconditionFailure("a packed list was checked when it was made: \(error)")
            }
        }
    }

    /// The items in order; each is a slice of `packed`.
    public func makeIterator() -> Iterator { Iterator(reader: ByteReader(packed)) }
    public var underestimatedCount: Int { count }
}

extension ItemList: ExpressibleByArrayLiteral {
    public init(arrayLiteral items: Bytes...) { self.init(items) }
}

extension ItemList: CustomStringConvertible {
    public var description: String { "[" + map(\.description).joined(separator: ", ") + "]" }
}
