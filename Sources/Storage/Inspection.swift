import Base
import Consensus
import LogFormat

/// What a data directory holds, file by file, for people to look at. What is damaged is named, and the rest is told all the
/// same: a start ends at the first damage, this goes on.
public struct Inspection: Sendable {
    /// One segment of the log.
    public struct Segment: Sendable, Equatable {
        public var number: UInt64
        /// Of the file, and how many of them hold frames, the segment's head included.
        public var bytes: Int
        public var used: Int
        public var frames = 0
        public var entries = 0
        /// The lowest and the highest index of its entries, superseded ones included; nil without entries.
        public var indexes: ClosedRange<Index>?
        public var terms: ClosedRange<Term>?
    }

    /// Nil when it cannot be read, or when there is no member here.
    public internal(set) var identity: Identity?
    public internal(set) var bootstrap: Configuration?
    public internal(set) var hardState: HardState?
    /// What a start would go on with; nil when it would be refused.
    public internal(set) var log: ClosedRange<Index>?
    /// The log does not go on from the snapshot: a start sets it aside.
    public internal(set) var setsLogAside = false
    public internal(set) var segments: [Segment] = []
    /// Those whose heads can be read, ascending. Their contents are not checked here: `Storage.content`.
    public internal(set) var snapshots: [SnapshotHeader] = []
    /// What a crash left of files on their way to being made; a start removes them.
    public internal(set) var drafts: [(file: DiskFile, size: Int)] = []
    /// The end of the log, which was never acknowledged and which a start cuts off.
    public internal(set) var torn: Damage?
    /// Why a start would be refused, and all else that was found. Empty: all is well.
    public internal(set) var failures: [RecoveryFailure] = []
    /// A start goes on from here, as far as the log tells, and has no need of these files: they wait to be written over.
    public internal(set) var starts = false
    public internal(set) var superfluous: Set<DiskFile> = []
    /// There is nothing of a member here.
    public internal(set) var isBlank = false
}

/// A frame as an inspection comes by it, in the order of the files.
public struct InspectedFrame: Sendable {
    public let header: FrameHeader
    /// Of the frame in its segment.
    public let offset: Int
    public let entries: [Entry]
    /// It takes the place of entries before it, from its first index on.
    public let supersedes: Bool
}

extension Storage {
    /// Looks at all of a directory and changes nothing. Blocking; little memory, however long the log. `eachFrame` sees every
    /// frame that is whole.
    public static func inspect(
        _ directory: some DirectoryImage, limits: StorageLimits = StorageLimits(),
        eachFrame: (InspectedFrame) -> Void = { _ in }
    ) -> Inspection {
        let files: [(file: DiskFile, size: Int)]
        do { files = try directory.list() } catch {
            var inspection = Inspection()
            inspection.failures = [.disk(error)]
            return inspection
        }
        var inspector = Inspector(reader: RecoveryReader(directory: directory, files: files, limits: limits))
        inspector.readAsAStartWould()
        if inspector.inspection.isBlank { return inspector.inspection }
        inspector.surveySegments(eachFrame)
        inspector.surveySnapshots()
        return inspector.inspection
    }
}

/// One inspection: first what a start would say, then each file by itself.
private struct Inspector<Image: DirectoryImage> {
    let reader: RecoveryReader<Image>
    var inspection = Inspection()
    /// Of the last frame and the last entry met.
    private var sequence: UInt64 = 0
    private var lastIndex: Index = 0

    init(reader: RecoveryReader<Image>) { self.reader = reader }

    /// Two readings of the same damage are one.
    private mutating func note(_ failure: RecoveryFailure) {
        let isKnown = inspection.failures.contains { known in
            guard case .damaged(let a) = known, case .damaged(let b) = failure else { return known == failure }
            return a.file == b.file && a.offset == b.offset
        }
        if !isKnown { inspection.failures.append(failure) }
    }

    mutating func readAsAStartWould() {
        for (file, size) in reader.files.sorted(by: { $0.file.name < $1.file.name }) where file.isDraft {
            inspection.drafts.append((file, size))
        }
        do {
            guard let (recovered, _) = try reader.read() else { return inspection.isBlank = true }
            inspection.identity = recovered.identity
            inspection.bootstrap = recovered.bootstrap
            inspection.hardState = recovered.hardState
            inspection.torn = recovered.cut
            inspection.setsLogAside = recovered.restarts
            inspection.starts = true
            inspection.superfluous = Set(
                recovered.staleSnapshots.map { .snapshot($0.index.rawValue) } + recovered.spans.filter(\.isUnread).map { .segment($0.number) })
            if recovered.firstIndex <= recovered.lastIndex { inspection.log = recovered.firstIndex...recovered.lastIndex }
        } catch {
            note(error)
            readAlone()
        }
    }

    /// Identity, term and vote, each by itself, when something else or one of them is damaged.
    private mutating func readAlone() {
        do throws(RecoveryFailure) {
            inspection.identity = try reader.readIdentity()
            inspection.bootstrap = try inspection.identity.flatMap { (identity) throws(RecoveryFailure) in
                try reader.bootstrap(identity)
            }
        } catch {
            note(error)
        }
        do throws(RecoveryFailure) {
            inspection.hardState = try reader.readState(of: inspection.identity?.member).0
        } catch {
            note(error)
        }
    }

    // MARK: Segments

    mutating func surveySegments(_ eachFrame: (InspectedFrame) -> Void) {
        var found: [(number: UInt64, size: Int)] = []
        for (file, size) in reader.files {
            if case .segment(let number) = file { found.append((number, size)) }
        }
        for (number, size) in found.sorted(by: { $0.number < $1.number }) {
            var segment = Inspection.Segment(number: number, bytes: size, used: 0)
            do {
                try survey(&segment, eachFrame)
            } catch {
                note(error)
            }
            inspection.segments.append(segment)
        }
    }

    private mutating func survey(
        _ segment: inout Inspection.Segment, _ eachFrame: (InspectedFrame) -> Void
    ) throws(RecoveryFailure) {
        let file = DiskFile.segment(segment.number)
        let head: SegmentHeader
        let bytes = try reader.bytes(file, 0, Format.sectorBytes)
        do {
            head = try SegmentHeader(decoding: bytes)
        } catch {
            // Whose it is cannot be told without its head, unless the identity can.
            note(RecoveryFailure(error, "the header of the segment", in: file, at: 0))
            guard let member = inspection.identity?.member else { return }
            return try surveyFrames(&segment, of: member, eachFrame)
        }
        try surveyFrames(&segment, of: inspection.identity?.member ?? head.member, eachFrame)
    }

    private mutating func surveyFrames(
        _ segment: inout Inspection.Segment, of member: MemberID, _ eachFrame: (InspectedFrame) -> Void
    ) throws(RecoveryFailure) {
        let file = DiskFile.segment(segment.number)
        var part = SegmentReading(
            OpenSegment(number: segment.number, size: segment.bytes, offset: Format.framesStart),
            window: LogWindow(reader.directory, file, size: segment.bytes), member: member)
        try part.readWitnesses()
        segment.used = Format.framesStart
        while part.segment.room >= Format.sectorBytes {
            switch try part.next() {
            case .end:
                return try part.requireWitnessed(through: sequence)
            case .bad(let bad):
                let expected = sequence == 0 ? bad.header?.sequence ?? 1 : sequence + 1
                let reason = try part.judge(bad, expected: expected)
                if inspection.superfluous.contains(file) {
                    note(.damaged(Damage(file, at: part.segment.offset, reason)))
                } else if inspection.torn == nil { inspection.torn = Damage(file, at: part.segment.offset, reason) }
                return
            case .frame(let frame):
                count(frame, at: part.segment.offset, in: &segment, eachFrame)
                part.segment.offset += frame.header.extent
                segment.used = part.segment.offset
            }
        }
        try part.requireWitnessed(through: sequence)
    }

    private mutating func count(
        _ frame: FoundFrame, at offset: Int, in segment: inout Inspection.Segment, _ eachFrame: (InspectedFrame) -> Void
    ) {
        let file = DiskFile.segment(segment.number)
        if sequence > 0, frame.header.sequence != sequence + 1 {
            note(.damaged(Damage(
                file, at: offset, "frame \(sequence + 1) was expected and frame \(frame.header.sequence) found")))
        }
        sequence = frame.header.sequence
        segment.frames += 1
        let entries: [Entry]
        do {
            entries = try Frame.entries(frame.header, frame.bytes)
        } catch {
            return note(RecoveryFailure(error, "a frame", in: file, at: offset))
        }
        let supersedes = frame.header.restarts || frame.header.firstIndex <= lastIndex
        lastIndex = frame.header.lastIndex
        segment.entries += entries.count
        for entry in entries {
            segment.indexes = Self.widened(segment.indexes, by: entry.index)
            segment.terms = Self.widened(segment.terms, by: entry.term)
        }
        eachFrame(InspectedFrame(header: frame.header, offset: offset, entries: entries, supersedes: supersedes))
    }

    private static func widened<Value: Comparable>(_ range: ClosedRange<Value>?, by value: Value) -> ClosedRange<Value> {
        guard let range else { return value...value }
        return min(range.lowerBound, value)...max(range.upperBound, value)
    }

    // MARK: Snapshots

    mutating func surveySnapshots() {
        var found: [(index: UInt64, size: Int)] = []
        for (file, size) in reader.files {
            if case .snapshot(let index) = file { found.append((index, size)) }
        }
        guard let member = inspection.identity?.member else { return }
        for (index, size) in found.sorted(by: { $0.index < $1.index }) {
            do {
                inspection.snapshots.append(try reader.snapshotHeader(Index(index), size: size, of: member))
            } catch {
                note(error)
            }
        }
    }
}
