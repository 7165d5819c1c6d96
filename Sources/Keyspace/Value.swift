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
        /// An item that is not valid UTF-8.
        case notUTF8(item: Int)
    }

    /// Reads the protobuf encoding of a `StringList`, shared, not copied, and checks all of it.
    public init(validating packed: Bytes) throws(Failure) {
        var reader = ByteReader(packed)
        var count = 0
        while !reader.isAtEnd {
            let item: Bytes
            do {
                let at = reader.offset
                // The tag must be written in its one-byte form: equal lists have equal bytes.
                guard try reader.read(UInt8.self) == Self.tag else { throw Failure.unknownField(at: at) }
                item = try reader.readLengthDelimited()
            } catch let failure as Failure {
                throw failure
            } catch let failure as ByteReader.Failure {
                throw .malformed(failure)
            } catch {
                preconditionFailure("both kinds of failure are handled above")
            }
            guard item.isValidUTF8 else { throw .notUTF8(item: count) }
            count += 1
        }
        self.init(trusting: packed, count: count)
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
