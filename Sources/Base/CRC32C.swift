/// CRC-32C (Castagnoli), the checksum of iSCSI (RFC 3720, appendix B.4) and of most write-ahead logs.
/// Slicing by eight: 8 table look-ups for 8 bytes.
public struct CRC32C: Sendable {
    @usableFromInline var state: UInt32 = 0xffff_ffff

    @inlinable public init() {}

    /// The checksum of all that was added so far.
    @inlinable public var value: UInt32 { ~state }

    @inlinable
    public mutating func add(_ bytes: Bytes) {
        bytes.withUnsafeBytes { add($0) }
    }

    @inlinable
    public mutating func add(_ span: RawSpan) {
        span.withUnsafeBytes { add($0) }
    }

    public mutating func add(_ bytes: UnsafeRawBufferPointer) {
        state = Self.tables.withUnsafeBufferPointer { Self.extend(state, with: bytes, $0) }
    }

    public static func of(_ bytes: Bytes) -> UInt32 {
        var crc = CRC32C()
        crc.add(bytes)
        return crc.value
    }

    private static func extend(
        _ state: UInt32, with bytes: UnsafeRawBufferPointer, _ table: UnsafeBufferPointer<UInt32>
    ) -> UInt32 {
        var crc = state
        var offset = 0
        while offset + 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ UInt64(crc)
            crc = table[7 * 256 + Int(word & 0xff)] ^ table[6 * 256 + Int(word >> 8 & 0xff)]
                ^ table[5 * 256 + Int(word >> 16 & 0xff)] ^ table[4 * 256 + Int(word >> 24 & 0xff)]
                ^ table[3 * 256 + Int(word >> 32 & 0xff)] ^ table[2 * 256 + Int(word >> 40 & 0xff)]
                ^ table[1 * 256 + Int(word >> 48 & 0xff)] ^ table[Int(word >> 56)]
            offset += 8
        }
        while offset < bytes.count {
            crc = table[Int((crc ^ UInt32(bytes[offset])) & 0xff)] ^ crc >> 8
            offset += 1
        }
        return crc
    }

    /// tables[256 * k + b]: the state after byte `b` and `k` zero bytes. 0x82f63b78 is the polynomial, reflected.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
            tables[byte] = crc
        }
        for index in 256..<8 * 256 {
            let before = tables[index - 256]
            tables[index] = tables[Int(before & 0xff)] ^ before >> 8
        }
        return tables
    }()
}
