import Base

/// The head of a frame. A frame is what one turn of the log writes and syncs: some entries without gaps.
///
/// A frame that starts at an index which the log already holds supersedes everything from there on: this is how a
/// truncation is recorded, and the sequence of the frames leaves no doubt which of two entries is the later one.
/// A frame without entries only truncates.
public struct FrameHeader: Sendable, Equatable {
    public var segment: UInt64
    /// Counts the frames of the whole log from 1, one by one, across segments.
    public var sequence: UInt64
    public var firstIndex: Index
    /// The term of the last entry; of a frame without entries, 0.
    public var lastTerm: Term
    public var count: Int
    /// Bytes of the entries, without the padding that fills the last sector.
    public var payloadBytes: Int
    /// How many sectors of the frame hold nothing but zeros. When a bad frame has more of them, some sectors were
    /// never written; when it has not, all were, and have changed since.
    public var blankSectors: Int
    public var payloadChecksum: UInt32
    /// The log holds nothing of what stood before this frame: a snapshot has taken its place, and the frame's first index
    /// stands right behind it.
    public var restarts = false

    static let envelope = Envelope(magic: "SWfr", size: Format.frameHeaderBytes)

    /// Bytes from the start of this frame to the start of the next.
    public var extent: Int { Self.extent(payloadBytes: payloadBytes) }

    public static func extent(payloadBytes: Int) -> Int {
        Format.sectors(Format.frameHeaderBytes + payloadBytes)
    }

    /// The index of the last entry; the one before `firstIndex` without entries.
    public var lastIndex: Index { firstIndex.advanced(by: count - 1) }

    /// Reads a header from the first bytes of `bytes`.
    public init(decoding bytes: Bytes, member: MemberID) throws(RecordFault) {
        self = try bytes.withUnsafeBytes { (buffer) throws(RecordFault) in
            try FrameHeader(decoding: buffer, member: member)
        }
    }

    init(decoding bytes: UnsafeRawBufferPointer, member: MemberID) throws(RecordFault) {
        try Self.envelope.open(bytes, member: member)
        segment = bytes.number(8)
        sequence = bytes.number(16)
        firstIndex = Index(bytes.number(24, UInt64.self))
        lastTerm = Term(bytes.number(32, UInt64.self))
        count = Int(bytes.number(40, UInt32.self))
        payloadBytes = Int(bytes.number(44, UInt32.self))
        blankSectors = Int(bytes.number(48, UInt32.self))
        payloadChecksum = bytes.number(52)
        let flags = bytes.number(56, UInt32.self)
        guard flags <= 1 else { throw .invalid("a flag that does not exist") }
        restarts = flags == 1
        guard sequence > 0, firstIndex > 0 else { throw .invalid("a frame counts from 1") }
        guard firstIndex.rawValue <= .max - UInt64(count) else { throw .invalid("indexes run over") }
    }

    func encode(to bytes: UnsafeMutableRawBufferPointer, member: MemberID) {
        bytes.put(segment, 8)
        bytes.put(sequence, 16)
        bytes.put(firstIndex.rawValue, 24)
        bytes.put(lastTerm.rawValue, 32)
        bytes.put(UInt32(count), 40)
        bytes.put(UInt32(payloadBytes), 44)
        bytes.put(UInt32(blankSectors), 48)
        bytes.put(payloadChecksum, 52)
        bytes.put(restarts ? 1 : 0 as UInt32, 56)
        Self.envelope.seal(bytes, member: member)
    }
}

/// Frames as bytes.
public enum Frame {
    /// What an entry takes in a frame's payload: its length as a varint, then its packed bytes.
    @inlinable
    public static func size(of entry: Entry) -> Int {
        varintLength(UInt64(entry.packed.count)) + entry.packed.count
    }

    /// One whole frame, header to padding, in one run of bytes: a copy costs a tenth of the checksum, and one
    /// contiguous write needs no gathering by the kernel.
    ///
    /// Precondition: `payloadBytes` is the sum of the entries' sizes, and their indexes follow `firstIndex`.
    public static func encode(
        segment: UInt64, sequence: UInt64, firstIndex: Index, entries: some Collection<Entry>, payloadBytes: Int,
        member: MemberID, restarts: Bool = false
    ) -> (bytes: Bytes, header: FrameHeader) {
        var header = FrameHeader(
            segment: segment, sequence: sequence, firstIndex: firstIndex, count: entries.count,
            payloadBytes: payloadBytes)
        header.restarts = restarts
        let extent = header.extent
        let bytes = Bytes(capacity: extent) { buffer in
            let start = buffer.baseAddress!
            var offset = Format.frameHeaderBytes
            for entry in entries {
                offset += encodeVarint(UInt64(entry.packed.count), to: start + offset)
                entry.packed.withUnsafeBytes { packed in
                    guard let source = packed.baseAddress else { return }
                    (start + offset).copyMemory(from: source, byteCount: packed.count)
                }
                offset += entry.packed.count
                header.lastTerm = entry.term
            }
            precondition(offset == Format.frameHeaderBytes + payloadBytes, "entries changed size on their way into a frame")
            (start + offset).initializeMemory(as: UInt8.self, repeating: 0, count: extent - offset)
            // The first sector has a header in it and is not blank; the header itself is not there yet.
            let rest = UnsafeRawBufferPointer(rebasing: buffer[min(Format.sectorBytes, extent)...])
            header.blankSectors = LogFormat.blankSectors(rest)
            var crc = CRC32C()
            crc.add(UnsafeRawBufferPointer(rebasing: buffer[Format.frameHeaderBytes..<offset]))
            header.payloadChecksum = crc.value
            header.encode(to: buffer, member: member)
            return extent
        }
        return (bytes, header)
    }

    /// Whether the bytes behind a header are those that it was written with. `frame` begins with the header.
    public static func payloadMatches(_ header: FrameHeader, _ frame: Bytes) -> Bool {
        let end = Format.frameHeaderBytes + header.payloadBytes
        return frame.count >= end
            && CRC32C.of(frame[Format.frameHeaderBytes..<end]) == header.payloadChecksum
    }

    /// The entries of a frame whose payload matches. They share its storage.
    public static func entries(_ header: FrameHeader, _ frame: Bytes) throws(RecordFault) -> [Entry] {
        let payload = frame[Format.frameHeaderBytes..<Format.frameHeaderBytes + header.payloadBytes]
        var reader = ByteReader(payload)
        var entries: [Entry] = []
        entries.reserveCapacity(min(header.count, payload.count))
        var expected = header.firstIndex
        do {
            while !reader.isAtEnd {
                let entry = try Entry(unpacking: try reader.readLengthDelimited())
                guard entry.index == expected else {
                    throw RecordFault.invalid("entry \(expected) was expected and entry \(entry.index) found")
                }
                entries.append(entry)
                expected = expected.next
            }
        } catch let fault as RecordFault {
            throw fault
        } catch {
            throw .invalid("entry \(expected) cannot be decoded")
        }
        guard entries.count == header.count, (entries.last?.term ?? 0) == header.lastTerm else {
            throw .invalid("the frame does not hold the entries that its header announces")
        }
        return entries
    }
}

extension FrameHeader {
    init(segment: UInt64, sequence: UInt64, firstIndex: Index, count: Int, payloadBytes: Int) {
        self.segment = segment
        self.sequence = sequence
        self.firstIndex = firstIndex
        self.count = count
        self.payloadBytes = payloadBytes
        lastTerm = 0
        blankSectors = 0
        payloadChecksum = 0
    }
}
