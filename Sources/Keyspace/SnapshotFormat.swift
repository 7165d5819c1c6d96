import Base

/// What stands at the beginning of a snapshot (dissertation 5.1): which entries it stands for, and what a member must
/// know beside the keys.
public struct SnapshotHead: Sendable, Equatable {
    /// The last entry that is applied in it.
    public var index: Index
    public var term: Term
    /// The newest configuration at or before `index`, in its own encoding, and the index of its entry.
    public var configurationIndex: Index
    public var configuration: Bytes
    public var revision: UInt64
    /// The largest time of any entry up to `index`, in milliseconds since 1970.
    public var timeMs: UInt64
    public var keyCount: Int
    public var sessionCount: Int
    var limits: SessionLimits

    init(_ contents: KeyspaceContents, term: Term, configurationIndex: Index, configuration: Bytes) {
        index = contents.appliedIndex
        self.term = term
        self.configurationIndex = configurationIndex
        self.configuration = configuration
        revision = contents.revision
        timeMs = contents.timeMs
        keyCount = contents.map.count
        sessionCount = contents.sessions.count
        limits = contents.sessions.limits
    }

    func encode(into writer: inout ByteWriter) {
        for number in [
            index.rawValue, term.rawValue, configurationIndex.rawValue, revision, timeMs, UInt64(keyCount),
            UInt64(sessionCount), limits.sessions, limits.idleMs, limits.window, limits.answerBytes,
        ] { writer.writeVarint(number) }
        writer.writeCounted(configuration)
    }

    init(from fields: inout FieldReader) throws(Command.Failure) {
        index = Index(try fields.number())
        term = Term(try fields.number())
        configurationIndex = Index(try fields.number())
        revision = try fields.number()
        timeMs = try fields.number()
        let counts = (try fields.number(), try fields.number())
        guard let keys = Int(exactly: counts.0), let sessions = Int(exactly: counts.1) else {
            throw .tooLong(at: fields.offset)
        }
        keyCount = keys
        sessionCount = sessions
        limits = SessionLimits()
        limits.sessions = try fields.number()
        limits.idleMs = try fields.number()
        limits.window = try fields.number()
        limits.answerBytes = try fields.number()
        configuration = try fields.counted().compacted()
    }
}

/// Why bytes are no snapshot. Offsets count from its first byte.
public enum SnapshotFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// The chunk that begins at `at` is not what was written.
    case damaged(at: UInt64, String)
    /// It ends too early.
    case truncated(at: UInt64)
    /// Written by a later version of this program; undamaged.
    case newerFormat(Int, at: UInt64)

    public var description: String {
        switch self {
        case .damaged(let offset, let what): "the snapshot is damaged at byte \(offset): \(what)"
        case .truncated(let offset): "the snapshot ends too early, at byte \(offset)"
        case .newerFormat(let version, let offset):
            "the snapshot has the newer format \(version) at byte \(offset); this program reads \(SnapshotFormat.version)"
        }
    }
}

/// A snapshot is a row of chunks, each with a head of 16 bytes, little-endian:
///
/// | offset | bytes | |
/// | --- | --- | --- |
/// | 0 | 4 | `SWsk` |
/// | 4 | 2 | format: 1 |
/// | 6 | 1 | kind: 1 head, 2 sessions, 3 keys, 4 end |
/// | 7 | 1 | 1 when the chunk's only record goes on in the next chunk, else 0 |
/// | 8 | 4 | bytes of payload behind the head |
/// | 12 | 4 | CRC32C of the number that stands here in the chunk before (0 in the first), bytes 0 to 11, and the payload |
///
/// So a chunk vouches for all that stand before it: none can be altered, left out, doubled or moved. One head, then
/// sessions in order of their ids, keys in byte order, and one end, which counts them. A snapshot of the same state has
/// the same bytes on every member.
public enum SnapshotFormat {
    public static let version = 1
    public static let chunkHeadBytes = 16
    /// The largest payload of a chunk.
    public static let maxChunkBytes = 1 << 20

    static let magic: UInt32 = 0x6b73_5753

    enum ChunkKind: UInt8, Comparable {
        case head = 1
        case sessions = 2
        case keys = 3
        case end = 4

        static func < (a: ChunkKind, b: ChunkKind) -> Bool { a.rawValue < b.rawValue }
    }

    /// The kinds of records among the sessions.
    enum SessionRecord {
        static let session: UInt8 = 1
        /// An answer of the session before it.
        static let answer: UInt8 = 2
    }

    enum AnswerCode {
        static let set: UInt8 = 1
        static let appended: UInt8 = 2
        static let encoded: UInt8 = 3
        static let forgotten: UInt8 = 4
    }

    /// `chunk` begins with its head; the number at 12 is left out.
    static func checksum(of chunk: UnsafeRawBufferPointer, after previous: UInt32) -> UInt32 {
        var crc = CRC32C()
        withUnsafeBytes(of: previous.littleEndian) { crc.add($0) }
        crc.add(UnsafeRawBufferPointer(rebasing: chunk[0..<12]))
        crc.add(UnsafeRawBufferPointer(rebasing: chunk[chunkHeadBytes...]))
        return crc.value
    }
}
