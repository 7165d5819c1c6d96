import Base

/// What stands at the beginning of a backup: where it was taken.
public struct BackupHead: Sendable, Equatable {
    public var cluster: ClusterID
    /// Whose store it is a copy of.
    public var member: MemberID
    /// That member's wall time when it was begun, in milliseconds since 1970.
    public var takenMs: UInt64
    /// The last entry that is applied in it.
    public var index: Index

    public init(cluster: ClusterID, member: MemberID, takenMs: UInt64, index: Index) {
        self.cluster = cluster
        self.member = member
        self.takenMs = takenMs
        self.index = index
    }

    func encode() -> Bytes {
        var writer = ByteWriter(capacity: BackupFormat.headBytes)
        writer.write(BackupFormat.headMagic)
        writer.write(UInt16(BackupFormat.version))
        writer.write(UInt16(0))
        for number in [cluster.rawValue, member.rawValue, takenMs, index.rawValue] { writer.write(number) }
        writer.writeZeros(BackupFormat.headBytes - 4 - writer.count)
        return BackupFormat.sealed(writer)
    }

    init(decoding bytes: Bytes) throws(BackupFault) {
        try BackupFormat.open(bytes, BackupFormat.headMagic, at: 0, "a backup's head")
        self = bytes.withUnsafeBytes { bytes in
            func number(_ offset: Int) -> UInt64 {
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
            return BackupHead(
                cluster: ClusterID(number(8)), member: MemberID(number(16)), takenMs: number(24), index: Index(number(32)))
        }
    }
}

/// Why bytes are no backup. Offsets count from its first byte.
public enum BackupFault: Error, Sendable, Equatable, CustomStringConvertible {
    case damaged(at: UInt64, String)
    /// It ends too early.
    case truncated(at: UInt64)
    /// Written by a later version of this program; undamaged.
    case newerFormat(Int, at: UInt64)

    public var description: String {
        switch self {
        case .damaged(let offset, let what): "damaged at byte \(offset): \(what)"
        case .truncated(let offset): "it ends too early, at byte \(offset)"
        case .newerFormat(let version, let offset): "it has the newer format \(version) at byte \(offset): use a later version"
        }
    }

    /// What is wrong with the content, which begins behind the head.
    init(_ fault: SnapshotFault) {
        let start = UInt64(BackupFormat.headBytes)
        switch fault {
        case .damaged(let offset, let what): self = .damaged(at: start + offset, what)
        case .truncated(let offset): self = .truncated(at: start + offset)
        case .newerFormat(let version, let offset): self = .newerFormat(version, at: start + offset)
        }
    }
}

/// A backup is a head, the content of a snapshot (`SnapshotFormat`), and an end. Numbers are little-endian.
///
/// | offset | bytes | |
/// | --- | --- | --- |
/// | 0 | 4 | `SWbk` |
/// | 4 | 4 | format: 1; then 0 |
/// | 8 | 8 | cluster |
/// | 16 | 8 | member |
/// | 24 | 8 | when, in milliseconds since 1970 |
/// | 32 | 8 | index of the last entry that is applied in it |
/// | 40 | 20 | 0 |
/// | 60 | 4 | CRC32C of the 60 bytes before |
/// | 64 | n | content |
/// | 64 + n | 4 | `SWbe` |
/// | 68 + n | 4 | format, 0 |
/// | 72 + n | 8 | n |
/// | 80 + n | 4 | CRC32C of all before the end: the head and the content |
/// | 84 + n | 8 | 0 |
/// | 92 + n | 4 | CRC32C of the 28 bytes before |
///
/// The length stands at the end, so that a backup can be written to a pipe.
public enum BackupFormat {
    public static let version = 1
    public static let headBytes = 64
    public static let endBytes = 32

    static let headMagic: UInt32 = 0x6b62_5753
    static let endMagic: UInt32 = 0x6562_5753

    /// With the checksum of what was written behind it.
    static func sealed(_ writer: consuming ByteWriter) -> Bytes {
        var crc = CRC32C()
        writer.withUnsafeBytes { crc.add($0) }
        writer.write(crc.value)
        return writer.finish()
    }

    /// Checks a head or an end, which is all of `bytes`.
    static func open(_ bytes: Bytes, _ magic: UInt32, at offset: UInt64, _ what: String) throws(BackupFault) {
        let (found, version, sum) = bytes.withUnsafeBytes {
            (
                UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 0, as: UInt32.self)),
                UInt16(littleEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt16.self)),
                UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: $0.count - 4, as: UInt32.self))
            )
        }
        guard found == magic else { throw .damaged(at: offset, "this is not \(what)") }
        guard CRC32C.of(bytes[0..<bytes.count - 4]) == sum else {
            throw .damaged(at: offset, "the checksum of \(what) does not match")
        }
        guard version <= Self.version else { throw .newerFormat(Int(version), at: offset) }
        guard version > 0 else { throw .damaged(at: offset, "there is no format 0") }
    }
}
