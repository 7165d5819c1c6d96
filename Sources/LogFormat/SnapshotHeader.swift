import Base

/// The first block of a snapshot file. What follows from `contentStart` on is the keyspace's own encoding, which carries
/// checksums of its own from end to end; what stands here is what the log must know to go on behind it. It is written when
/// all of the content is, and synced with it, before the file gets its name.
public struct SnapshotHeader: Sendable, Equatable {
    /// The last entry that the snapshot covers.
    public var index: Index
    public var term: Term
    public var member: MemberID
    /// Bytes of the content.
    public var length: Int

    public static let contentStart = Format.blockBytes
    static let envelope = Envelope(magic: "SWsn", size: 64)

    public init(index: Index, term: Term, member: MemberID, length: Int) {
        self.index = index
        self.term = term
        self.member = member
        self.length = length
    }

    public func encode() -> Bytes {
        Bytes(capacity: Self.envelope.size) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            bytes.put(index.rawValue, 8)
            bytes.put(term.rawValue, 16)
            bytes.put(UInt64(length), 24)
            Self.envelope.seal(bytes, member: member)
            return bytes.count
        }
    }

    /// A snapshot of `member`: one that strayed here from another member's directory does not check out.
    public init(decoding bytes: Bytes, member: MemberID) throws(RecordFault) {
        self = try bytes.withUnsafeBytes { (bytes) throws(RecordFault) in
            try Self.envelope.open(bytes, member: member)
            guard let length = Int(exactly: bytes.number(24, UInt64.self)) else { throw .invalid("no file is that large") }
            return SnapshotHeader(
                index: Index(bytes.number(8, UInt64.self)), term: Term(bytes.number(16, UInt64.self)), member: member,
                length: length)
        }
    }
}
