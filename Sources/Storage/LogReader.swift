import Base
import DequeModule
import LogFormat

/// Reads the segments that count in order, and judges what is not as it should be: a torn tail, or damage.
struct LogReader<Image: DirectoryImage> {
    private let directory: Image
    private let member: MemberID
    private let segments: [OpenSegment]
    private(set) var scan: LogScan
    /// The torn tail that was found.
    private(set) var cut: Damage?
    /// What wipes it out.
    private(set) var repairs: [DiskStep] = []
    /// Where the log goes on: behind the last whole frame.
    private(set) var current: OpenSegment
    private(set) var spares: [OpenSegment] = []
    /// The last witnessed frame of the segment that holds the last frame, and the turn of that witness.
    private(set) var witnessed: UInt64 = 0
    private(set) var witnessTurn: UInt64 = 0
    private(set) var spans: Deque<SegmentSpan>

    /// - Parameter superfluous: how many segments, the first ones, are not read.
    init(
        _ directory: Image, member: MemberID, segments: [OpenSegment], superfluous: Int, limits: StorageLimits,
        mayBeginLater: Bool
    ) {
        self.directory = directory
        self.member = member
        self.segments = Array(segments.dropFirst(superfluous))
        current = segments[superfluous]
        spans = Deque(segments.prefix(superfluous).map { SegmentSpan(superfluous: $0) })
        scan = LogScan(member: member, limits: limits, mayBeginLater: mayBeginLater)
    }

    mutating func read() throws(RecoveryFailure) {
        for segment in segments {
            var part = SegmentReading(
                segment, window: LogWindow(directory, .segment(segment.number), size: segment.size), member: member)
            try part.readWitnesses()
            if let cut {
                guard try part.window.firstWritten(from: Format.framesStart) == nil else {
                    throw .damaged(Damage(
                        cut.file, at: cut.offset, "\(cut.reason), and \(part.file.name) behind it holds frames"))
                }
                continue
            }
            let before = scan.sequence
            try readFrames(&part)
            guard scan.sequence > before || cut != nil else { continue }
            current = part.segment
            (witnessed, witnessTurn) = (part.witness?.sequence ?? 0, part.witnessTurn)
        }
        spares = segments.filter { $0.number > current.number }
    }

    /// Takes in the frames of one segment, up to the zeros behind the last of them.
    private mutating func readFrames(_ part: inout SegmentReading<Image>) throws(RecoveryFailure) {
        while part.segment.room >= Format.sectorBytes {
            let found: FoundFrame
            switch try part.next() {
            case .end:
                return try part.requireWitnessed(through: scan.sequence)
            case .frame(let frame):
                found = frame
            case .bad(let bad):
                let reason = try part.judge(bad, expected: scan.sequence + 1)
                cut = Damage(part.file, at: part.segment.offset, reason)
                repairs = try part.wipe()
                return
            }
            do {
                try scan.add(found.header, found.bytes, at: part.segment.offset)
            } catch {
                throw RecoveryFailure(error, "a frame", in: part.file, at: part.segment.offset)
            }
            spans.note(found.header)
            if let witness = part.witness, witness.sequence == found.header.sequence,
                !witness.matches(found.header, at: part.segment.offset) {
                throw .damaged(Damage(part.file, at: part.segment.offset, "it is not the frame that was witnessed"))
            }
            part.segment.offset += found.header.extent
        }
        try part.requireWitnessed(through: scan.sequence)
    }
}

extension RecoveryReader {
    /// How many of the first segments need not be read, as a snapshot covers all that counts in them: they wait to be written over.
    ///
    /// A frame takes the place of every earlier entry from its first index on. So where a segment's first one is covered by the
    /// snapshot, all before that segment is, or is superseded. That one may be torn itself: the log is read from two segments before
    /// it on, of which the second is whole, since a later frame was written. Followers, and people, may want what is covered: from
    /// more of them.
    func superfluous(of segments: [OpenSegment], member: MemberID, behind snapshot: Index) throws(RecoveryFailure) -> Int {
        guard snapshot > 0 else { return 0 }
        func isCovered(_ place: Int) throws(RecoveryFailure) -> Bool {
            let number = segments[place].number
            let sector = try bytes(.segment(number), Format.framesStart, Format.sectorBytes)
            guard let frame = try? FrameHeader(decoding: sector, member: member) else { return false }
            return frame.segment == number && frame.firstIndex <= snapshot
        }
        var first: Int?
        for place in segments.indices.reversed() where try isCovered(place) {
            first = place - 2
            break
        }
        guard var first, first > 0 else { return 0 }
        var kept = segments[first..<first + 2].reduce(0) { $0 + $1.size }
        while first > 0, kept < limits.coveredBytesRead {
            first -= 1
            kept += segments[first].size
        }
        return try isCovered(first) ? first : 0
    }
}

struct FoundFrame {
    var header: FrameHeader
    /// From the header to the end of the padding.
    var bytes: Bytes
}

/// A place where a frame should be and no whole one is.
struct BadFrame {
    /// Nil when the header itself cannot be read.
    var header: FrameHeader?
    var reason: String
    /// A sector that was written has content: fewer blank ones than sectors that were to be written.
    var hasUnwrittenSectors: Bool
}

/// One segment while it is read.
struct SegmentReading<Image: DirectoryImage> {
    enum Next {
        case frame(FoundFrame)
        case bad(BadFrame)
        /// Only zeros from here on.
        case end
    }

    /// `offset` is where the next frame should be.
    var segment: OpenSegment
    var window: LogWindow<Image>
    let member: MemberID
    private(set) var witness: Witness?
    private(set) var witnessTurn: UInt64 = 0
    /// A witness is there and cannot be read.
    private var witnessIsDamaged = false

    init(_ segment: OpenSegment, window: LogWindow<Image>, member: MemberID) {
        self.segment = segment
        self.window = window
        self.member = member
    }

    var file: DiskFile { .segment(segment.number) }

    mutating func readWitnesses() throws(RecoveryFailure) {
        for turn: UInt64 in [0, 1] {
            let bytes = try window.bytes(at: Witness.place(turn: turn), count: Format.sectorBytes)
            do {
                let found = try Witness(decoding: bytes, member: member)
                guard found.segment == segment.number else { throw RecordFault.invalid("it belongs elsewhere") }
                guard found.sequence > witness?.sequence ?? 0 else { continue }
                (witness, witnessTurn) = (found, turn)
            } catch {
                if !bytes.withUnsafeBytes({ isBlank($0) }) { witnessIsDamaged = true }
            }
        }
    }

    /// What stands at `segment.offset`.
    mutating func next() throws(RecoveryFailure) -> Next {
        let start = segment.offset
        let sector = try window.bytes(at: start, count: Format.sectorBytes)
        let header: FrameHeader
        do {
            header = try FrameHeader(decoding: sector, member: member)
        } catch {
            if case .newerFormat(let version) = error { throw .newerFormat(file, version: version) }
            guard sector.withUnsafeBytes({ isBlank($0) }) else {
                return .bad(BadFrame(header: nil, reason: "the header of a frame: \(error)", hasUnwrittenSectors: false))
            }
            guard try window.firstWritten(from: start) != nil else { return .end }
            return .bad(BadFrame(header: nil, reason: "the header of a frame is missing", hasUnwrittenSectors: true))
        }
        guard header.segment == segment.number, header.extent <= segment.room else {
            throw .damaged(Damage(file, at: start, "the frame does not belong here"))
        }
        let bytes = try window.bytes(at: start, count: header.extent)
        guard Frame.payloadMatches(header, bytes) else {
            let blank = bytes.withUnsafeBytes { blankSectors($0) }
            return .bad(BadFrame(
                header: header, reason: "the checksum of frame \(header.sequence) does not match",
                hasUnwrittenSectors: blank > header.blankSectors))
        }
        return .frame(FoundFrame(header: header, bytes: bytes))
    }

    /// Whether a bad frame is a torn tail, which was never acknowledged: then the reason to cut it. It throws when the
    /// frame is damaged, or may be.
    ///
    /// The next frame is written only after this one's sync: where there is a later frame, or a witness, this one was
    /// whole and durable. Without them, a crash leaves sectors as they were, blank, or as they were to be: when each
    /// sector has been written, the checksum can only fail because something changed since.
    mutating func judge(_ bad: BadFrame, expected: UInt64) throws(RecoveryFailure) -> String {
        let start = segment.offset
        func damaged(_ why: String) -> RecoveryFailure { .damaged(Damage(file, at: start, "\(bad.reason), and \(why)")) }

        if let later = try laterFrame(expected: expected) {
            throw damaged("frame \(later.sequence) at byte \(later.offset) was written after it")
        }
        if let witness, witness.sequence >= expected {
            throw damaged("frame \(witness.sequence) was whole once: its witness has index \(witness.firstIndex), "
                + "term \(witness.lastTerm) and its checksum")
        }
        if witnessIsDamaged { throw damaged("its witness cannot be read either") }
        if let header = bad.header, header.sequence != expected {
            throw damaged("it should be frame \(expected)")
        }
        guard bad.hasUnwrittenSectors else { throw damaged("all of its sectors have been written") }
        return "\(bad.reason): a write that a crash interrupted"
    }

    /// Frames that are only zeros now can be missed by their witness alone.
    func requireWitnessed(through sequence: UInt64) throws(RecoveryFailure) {
        guard let witness, witness.sequence > sequence else { return }
        throw .damaged(Damage(
            file, at: witness.offset, "frame \(witness.sequence) was whole once, as its witness says, and is gone"))
    }

    /// A header of this log behind the bad frame's first sector.
    private mutating func laterFrame(expected: UInt64) throws(RecoveryFailure) -> (sequence: UInt64, offset: Int)? {
        var offset = segment.offset + Format.sectorBytes
        while let found = try window.firstWritten(from: offset) {
            let sector = try window.bytes(at: found, count: Format.sectorBytes)
            if let header = try? FrameHeader(decoding: sector, member: member),
                header.segment == segment.number, header.sequence >= expected {
                return (header.sequence, found)
            }
            offset = found + Format.sectorBytes
        }
        return nil
    }

    /// Zeros over the torn frame, and a sync, so that nothing of it is ever met again.
    mutating func wipe() throws(RecoveryFailure) -> [DiskStep] {
        let start = segment.offset
        var end = start
        while let found = try window.firstWritten(from: end) { end = found + Format.sectorBytes }
        let blocks = (end - start) / Format.blockBytes
        let zeros = Array(repeating: Format.zeroBlock, count: blocks)
            + [Format.zeroBlock[0..<(end - start) % Format.blockBytes]]
        return [.write(file, offset: start, slices: zeros), .sync(file)]
    }
}
