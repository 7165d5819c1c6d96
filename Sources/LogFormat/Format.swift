import Base

/// The numbers that every file of a data directory shares. docs/DISK-FORMAT.md draws them.
public enum Format {
    /// The newest format that this program writes, and the newest that it reads.
    public static let version: UInt16 = 1
    /// What a disk writes whole or not at all. Frames begin and end on sectors, so that no write ever touches a
    /// sector that holds something acknowledged.
    public static let sectorBytes = 512
    /// Records that must fail independently stand in blocks of their own.
    public static let blockBytes = 4096
    /// Where the first frame of a segment begins: after the segment's header and two slots for its witness.
    public static let framesStart = 3 * blockBytes
    public static let stateBytes = 2 * blockBytes
    public static let frameHeaderBytes = 64

    /// `count` rounded up to whole sectors.
    @inlinable
    public static func sectors(_ count: Int) -> Int {
        (count + sectorBytes - 1) / sectorBytes * sectorBytes
    }

    /// A block of zeros, to be shared.
    public static let zeroBlock = zeros(blockBytes)

    public static func zeros(_ count: Int) -> Bytes {
        Bytes(capacity: count) { buffer in
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            return count
        }
    }

    /// The checksum of `bytes`, which belong to `member`: a file that strayed here from another member's directory
    /// does not check out.
    static func checksum(_ bytes: UnsafeRawBufferPointer, of member: MemberID) -> UInt32 {
        var crc = CRC32C()
        withUnsafeBytes(of: member.rawValue.littleEndian) { crc.add($0) }
        crc.add(bytes)
        return crc.value
    }
}

/// What is wrong with a record.
public enum RecordFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// Nothing but zeros: never written.
    case blank
    /// It does not begin as such a record does, or its checksum does not match.
    case unreadable(String)
    /// Written by a later version of this program. Its checksum matched.
    case newerFormat(Int)
    /// The checksum matched and the content still makes no sense, or belongs elsewhere.
    case invalid(String)

    public var description: String {
        switch self {
        case .blank: "there are only zeros"
        case .unreadable(let what), .invalid(let what): what
        case .newerFormat(let version): "it has the newer format \(version)"
        }
    }
}

/// What every record begins with, and the checksum that it ends with. The places of these three never change from
/// one format to the next, so that a newer format is told from damage.
struct Envelope {
    /// Four ASCII characters.
    let magic: StaticString
    /// Bytes of the record, checksum included.
    let size: Int

    private func matchesMagic(_ bytes: UnsafeRawBufferPointer) -> Bool {
        magic.withUTF8Buffer { letters in
            bytes.count >= letters.count && zip(letters, bytes).allSatisfy { $0 == $1 }
        }
    }

    /// Completes a record whose fields from byte 8 on are written.
    func seal(_ bytes: UnsafeMutableRawBufferPointer, member: MemberID) {
        magic.withUTF8Buffer { bytes.copyBytes(from: $0) }
        bytes.storeBytes(of: Format.version.littleEndian, toByteOffset: 4, as: UInt16.self)
        bytes.storeBytes(of: 0, toByteOffset: 6, as: UInt16.self)
        let crc = Format.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<(size - 4)]), of: member)
        bytes.storeBytes(of: crc.littleEndian, toByteOffset: size - 4, as: UInt32.self)
    }

    /// Checks everything but the fields.
    func open(_ bytes: UnsafeRawBufferPointer, member: MemberID) throws(RecordFault) {
        guard bytes.count >= size else { throw .unreadable("the file ends here") }
        let record = UnsafeRawBufferPointer(rebasing: bytes[..<size])
        guard matchesMagic(record) else {
            throw isBlank(record) ? .blank : .unreadable("no record begins like this")
        }
        let crc = UInt32(littleEndian: record.loadUnaligned(fromByteOffset: size - 4, as: UInt32.self))
        guard crc == Format.checksum(UnsafeRawBufferPointer(rebasing: record[..<(size - 4)]), of: member) else {
            throw .unreadable("the checksum does not match")
        }
        let version = UInt16(littleEndian: record.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
        guard version <= Format.version else { throw .newerFormat(Int(version)) }
        guard version > 0 else { throw .invalid("there is no format 0") }
    }
}

/// Whether all of `bytes` are zero. Eight at a time.
public func isBlank(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var offset = 0
    while offset + 8 <= bytes.count {
        if bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) != 0 { return false }
        offset += 8
    }
    while offset < bytes.count {
        if bytes[offset] != 0 { return false }
        offset += 1
    }
    return true
}

/// How many whole sectors of `bytes` are blank.
public func blankSectors(_ bytes: UnsafeRawBufferPointer) -> Int {
    var count = 0
    for start in stride(from: 0, to: bytes.count - Format.sectorBytes + 1, by: Format.sectorBytes)
    where isBlank(UnsafeRawBufferPointer(rebasing: bytes[start..<start + Format.sectorBytes])) {
        count += 1
    }
    return count
}

extension UnsafeRawBufferPointer {
    /// The little-endian number at `offset`.
    @inlinable
    func number<N: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: N.Type = N.self) -> N {
        N(littleEndian: loadUnaligned(fromByteOffset: offset, as: N.self))
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Writes `number` at `offset`, little-endian.
    @inlinable
    func put<N: FixedWidthInteger & BitwiseCopyable>(_ number: N, _ offset: Int) {
        storeBytes(of: number.littleEndian, toByteOffset: offset, as: N.self)
    }
}
