/// Reads numbers and slices from `Bytes`, front to back. Every read is checked: bytes from a disk or a network
/// can say anything. Slices share the storage they are read from.
public struct ByteReader {
    public enum Failure: Error, Equatable {
        /// The bytes ended in the middle of what was being read.
        case truncated(at: Int)
        /// A varint of more than 64 bits.
        case varintTooLong(at: Int)
        /// A protobuf wire type that does not exist or that was not expected.
        case badWireType(at: Int)
    }

    @usableFromInline let bytes: Bytes
    @usableFromInline var position: Int

    @inlinable
    public init(_ bytes: Bytes, from offset: Int = 0) {
        self.bytes = bytes
        precondition(offset >= 0 && offset <= bytes.count, "reading starts inside the bytes")
        position = offset
    }

    /// How many bytes are read so far.
    @inlinable
    public var offset: Int { position }
    @inlinable
    public var remaining: Int { bytes.count - position }
    @inlinable
    public var isAtEnd: Bool { position >= bytes.count }

    /// A little-endian number in its own width.
    @inlinable
    public mutating func read<N: FixedWidthInteger & BitwiseCopyable>(_: N.Type = N.self) throws(Failure) -> N {
        let size = MemoryLayout<N>.size
        guard remaining >= size else { throw .truncated(at: position) }
        let number = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: N.self) }
        position += size
        return N(littleEndian: number)
    }

    /// The next `count` bytes, shared, not copied.
    @inlinable
    public mutating func read(count: Int) throws(Failure) -> Bytes {
        guard count >= 0, remaining >= count else { throw .truncated(at: position) }
        defer { position += count }
        return bytes[position..<position + count]
    }

    @inlinable
    public mutating func readVarint() throws(Failure) -> UInt64 {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        let first = position
        while true {
            guard position < bytes.count else { throw .truncated(at: first) }
            let byte = bytes[position]
            position += 1
            if shift == 63, byte > 1 { throw .varintTooLong(at: first) }
            number |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return number }
            shift += 7
        }
    }

    /// A protobuf tag: the field's number and how its value is written.
    @inlinable
    public mutating func readTag() throws(Failure) -> (field: Int, type: WireType) {
        let first = position
        let tag = try readVarint()
        guard let type = WireType(rawValue: UInt8(tag & 7)), tag >> 3 > 0, tag >> 3 < 1 << 29 else {
            throw .badWireType(at: first)
        }
        return (Int(tag >> 3), type)
    }

    /// A length-delimited protobuf value: shared, not copied.
    @inlinable
    public mutating func readLengthDelimited() throws(Failure) -> Bytes {
        let first = position
        let length = try readVarint()
        guard length <= UInt64(remaining) else { throw .truncated(at: first) }
        return try read(count: Int(length))
    }

    /// Passes over a value of an unknown field.
    @inlinable
    public mutating func skip(_ type: WireType) throws(Failure) {
        switch type {
        case .varint: _ = try readVarint()
        case .fixed64: _ = try read(count: 8)
        case .lengthDelimited: _ = try readLengthDelimited()
        case .fixed32: _ = try read(count: 4)
        }
    }
}
