/// Appends numbers and bytes to a growing buffer and ends as `Bytes`, without a last copy.
///
/// Fixed-width numbers are little-endian. The protobuf forms (varint, tag) follow
/// https://protobuf.dev/programming-guides/encoding.
public struct ByteWriter: ~Copyable {
    @usableFromInline var storage: ByteStorage
    /// How many bytes of `storage` are written, headroom included.
    @usableFromInline var end: Int
    @usableFromInline let headroom: Int

    /// Room for `capacity` bytes at first, after `headroom` bytes that `Bytes.prepending` may claim later.
    @inlinable
    public init(capacity: Int = 64, headroom: Int = 0) {
        storage = .allocate(capacity: max(16, capacity) + headroom, headroom: headroom)
        end = headroom
        self.headroom = headroom
    }

    @inlinable public var count: Int { end - headroom }

    @inlinable
    mutating func reserve(_ more: Int) -> UnsafeMutableRawPointer {
        if end + more > storage.room { grow(more) }
        return storage.base + end
    }

    @usableFromInline
    mutating func grow(_ more: Int) {
        let larger = ByteStorage.allocate(
            capacity: max(min(2 * storage.room, Int(UInt32.max)), end + more), headroom: headroom)
        larger.base.copyMemory(from: storage.base, byteCount: end)
        storage = larger
    }

    /// Appends `number` in its own width, little-endian.
    @inlinable
    public mutating func write<N: FixedWidthInteger & BitwiseCopyable>(_ number: N) {
        reserve(MemoryLayout<N>.size).storeBytes(of: number.littleEndian, as: N.self)
        end += MemoryLayout<N>.size
    }

    @inlinable
    public mutating func write(_ bytes: Bytes) {
        bytes.withUnsafeBytes { write($0) }
    }

    @inlinable
    public mutating func write(_ span: RawSpan) {
        span.withUnsafeBytes { write($0) }
    }

    @inlinable
    public mutating func write(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
        end += bytes.count
    }

    public mutating func write(utf8 text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    @inlinable
    public mutating func writeZeros(_ count: Int) {
        guard count > 0 else { return }
        reserve(count).initializeMemory(as: UInt8.self, repeating: 0, count: count)
        end += count
    }

    /// A protobuf varint: seven bits a byte, lowest first.
    @inlinable
    public mutating func writeVarint(_ number: UInt64) {
        let target = reserve(10)
        end += encodeVarint(number, to: target)
    }

    /// A protobuf field's tag.
    @inlinable
    public mutating func writeTag(field: Int, _ type: WireType) {
        writeVarint(UInt64(field) << 3 | UInt64(type.rawValue))
    }

    /// Overwrites a number written before: for lengths and checksums that are known only later.
    @inlinable
    public mutating func overwrite<N: FixedWidthInteger & BitwiseCopyable>(at offset: Int, _ number: N) {
        precondition(offset >= 0 && offset + MemoryLayout<N>.size <= count, "outside of what was written")
        (storage.base + headroom + offset).storeBytes(of: number.littleEndian, as: N.self)
    }

    /// Lends what was written so far.
    @inlinable
    public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        defer { withExtendedLifetime(storage) {} }
        return try body(UnsafeRawBufferPointer(start: storage.base + headroom, count: count))
    }

    /// Forgets what was written and keeps the memory.
    @inlinable
    public mutating func removeAll() { end = headroom }

    @inlinable
    public consuming func finish() -> Bytes {
        Bytes(storage: storage, start: UInt32(headroom), length: UInt32(end - headroom))
    }
}

/// The protobuf wire types in use.
public enum WireType: UInt8, Sendable {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case fixed32 = 5
}

/// Writes a varint at `target`, which has room for ten bytes; the number of bytes written.
@inlinable
public func encodeVarint(_ number: UInt64, to target: UnsafeMutableRawPointer) -> Int {
    var number = number
    var count = 0
    while number >= 0x80 {
        target.storeBytes(of: UInt8(truncatingIfNeeded: number) | 0x80, toByteOffset: count, as: UInt8.self)
        number >>= 7
        count += 1
    }
    target.storeBytes(of: UInt8(truncatingIfNeeded: number), toByteOffset: count, as: UInt8.self)
    return count + 1
}

/// How many bytes a varint of `number` takes: 1 to 10.
@inlinable
public func varintLength(_ number: UInt64) -> Int {
    (64 - (number | 1).leadingZeroBitCount + 6) / 7
}
