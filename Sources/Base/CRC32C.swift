private import CISAL

/// CRC-32C (Castagnoli), the checksum of iSCSI (RFC 3720, appendix B.4) and of most write-ahead logs. ISA-L computes it with
/// the processor's own instructions, where there are such: 10 bytes in the time that a table needs for one.
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
        // The library counts in 32 bits, and takes a pointer through which it does not write.
        var rest = bytes
        while let start = rest.baseAddress, !rest.isEmpty {
            let part = min(rest.count, 1 << 30)
            let mutable = UnsafeMutableRawPointer(mutating: start).assumingMemoryBound(to: UInt8.self)
            state = crc32_iscsi(mutable, Int32(part), state)
            rest = UnsafeRawBufferPointer(rebasing: rest[part...])
        }
    }

    public static func of(_ bytes: Bytes) -> UInt32 {
        var crc = CRC32C()
        crc.add(bytes)
        return crc.value
    }
}
