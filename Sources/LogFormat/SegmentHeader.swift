import Base

/// The first record of a segment file, written and synced before the file gets its name.
public struct SegmentHeader: Sendable, Equatable {
    public var segment: UInt64
    public var member: MemberID
    /// Bytes of the whole file.
    public var size: Int

    static let envelope = Envelope(magic: "SWsg", size: 64)

    public init(segment: UInt64, member: MemberID, size: Int) {
        self.segment = segment
        self.member = member
        self.size = size
    }

    public func encode() -> Bytes {
        Bytes(capacity: Self.envelope.size) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            bytes.put(segment, 8)
            bytes.put(member.rawValue, 16)
            bytes.put(UInt64(size), 24)
            Self.envelope.seal(bytes, member: member)
            return bytes.count
        }
    }

    public init(decoding bytes: Bytes) throws(RecordFault) {
        self = try bytes.withUnsafeBytes { (bytes) throws(RecordFault) in
            guard bytes.count >= 24 else { throw .unreadable("the file ends here") }
            let member = MemberID(bytes.number(16, UInt64.self))
            try Self.envelope.open(bytes, member: member)
            guard let size = Int(exactly: bytes.number(24, UInt64.self)) else { throw .invalid("no file is that large") }
            return SegmentHeader(segment: bytes.number(8), member: member, size: size)
        }
    }
}

/// The last frame's place, index, term and checksum, written a second time, in another block than the frame, once
/// the frame's sync is complete and the log has fallen quiet. A frame that stands here was whole and durable: when
/// it is bad or missing at the end of the log, it was damaged, not torn.
public struct Witness: Sendable, Equatable {
    public var segment: UInt64
    public var sequence: UInt64
    public var offset: Int
    public var firstIndex: Index
    public var lastTerm: Term
    public var payloadChecksum: UInt32

    static let envelope = Envelope(magic: "SWwt", size: 64)

    public init(_ header: FrameHeader, at offset: Int) {
        segment = header.segment
        sequence = header.sequence
        self.offset = offset
        firstIndex = header.firstIndex
        lastTerm = header.lastTerm
        payloadChecksum = header.payloadChecksum
    }

    /// Where the witness number `turn` stands: two places in turn, so that one of them is always whole.
    public static func place(turn: UInt64) -> Int { Format.blockBytes * (1 + Int(turn & 1)) }

    public func encode(member: MemberID) -> Bytes {
        Bytes(capacity: Self.envelope.size) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            bytes.put(segment, 8)
            bytes.put(sequence, 16)
            bytes.put(UInt64(offset), 24)
            bytes.put(firstIndex.rawValue, 32)
            bytes.put(lastTerm.rawValue, 40)
            bytes.put(payloadChecksum, 48)
            Self.envelope.seal(bytes, member: member)
            return bytes.count
        }
    }

    public init(decoding bytes: Bytes, member: MemberID) throws(RecordFault) {
        self = try bytes.withUnsafeBytes { (bytes) throws(RecordFault) in
            try Self.envelope.open(bytes, member: member)
            return Witness(decoding: bytes)
        }
    }

    private init(decoding bytes: UnsafeRawBufferPointer) {
        segment = bytes.number(8)
        sequence = bytes.number(16)
        offset = Int(truncatingIfNeeded: bytes.number(24, UInt64.self))
        firstIndex = Index(bytes.number(32, UInt64.self))
        lastTerm = Term(bytes.number(40, UInt64.self))
        payloadChecksum = bytes.number(48)
    }

    /// Whether this is about the frame with that header at that place.
    public func matches(_ header: FrameHeader, at offset: Int) -> Bool {
        self == Witness(header, at: offset)
    }
}
