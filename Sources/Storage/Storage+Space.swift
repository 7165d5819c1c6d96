@_spi(Sabotage) import Base
import LogFormat

/// The spare segment: made ahead of need, so that the log goes on without a pause and a full disk is known a whole
/// segment before it hurts.
enum Preparation {
    case idle
    case running(id: UInt64, size: Int)
    /// The disk was full.
    case waiting(until: Instant)
}

extension Storage {
    mutating func startPreparation() -> DiskOperation? {
        guard case .idle = preparation, spares.isEmpty || isSpareTooSmall else { return nil }
        let id = newID()
        let size = nextSegmentBytes
        preparation = .running(id: id, size: size)
        var steps = stepsToFreeSpares() + stepsToRecycle(as: segment.number + 1)
            + Self.steps(preparing: segment.number + 1, size: size, member: member)
        if limits.sabotage == .directoryNotSynced { steps.removeAll { $0 == .syncDirectory } }
        return DiskOperation(id: id, lane: .background, steps: steps)
    }

    /// Neither the segment nor its spare has room for the entry that waits.
    private var isSpareTooSmall: Bool {
        let needed = bytesFirstWaitingTakes
        return segment.room < needed && spares.first.map { $0.room < needed } ?? false
    }

    /// The log of a small store takes little space: what lies prepared, and what waits to go, is whole segments.
    public var usualSegmentBytes: Int {
        min(limits.segmentBytes, max(limits.leastSegmentBytes, (snapshot?.length ?? 0) / limits.segmentsOfState))
    }

    private var nextSegmentBytes: Int {
        let wanted = max(usualSegmentBytes, Format.framesStart + bytesFirstWaitingTakes)
        let blocks = (wanted + Format.blockBytes - 1) / Format.blockBytes
        return min(limits.segmentBytes, blocks * Format.blockBytes)
    }

    /// Spares that are of no use, as they are too small, go: the last first, so that no number is ever missing.
    private mutating func stepsToFreeSpares() -> [DiskStep] {
        defer { spares.removeAll() }
        return spares.reversed().flatMap { [.remove(.segment($0.number)), .syncDirectory] }
    }

    /// A segment gets its name only when all of it is zero, written and synced, and is used only when its name is
    /// durable too (pitfall 30).
    static func steps(preparing number: UInt64, size: Int, member: MemberID) -> [DiskStep] {
        let header = SegmentHeader(segment: number, member: member, size: size)
        return [
            .create(.segmentDraft(number), size: size),
            .write(.segmentDraft(number), offset: 0, slices: [header.encode()]),
            .sync(.segmentDraft(number)),
            .rename(.segmentDraft(number), to: .segment(number)),
            .syncDirectory,
        ]
    }

    mutating func preparationEnded(_ result: DiskResult, size: Int, now: Instant, into events: inout [StorageEvent]) {
        isRecycling = false
        switch result {
        case .done:
            preparation = .idle
            spares.append(OpenSegment(
                number: segment.number + 1, size: size, offset: Format.framesStart))
            guard isFull else { return }
            isFull = false
            events.append(.spaceReturned)
        case .failed(let error) where error.isFull && limits.sabotage == .fullDiskIgnored:
            preparationEnded(.done(reads: []), size: size, now: now, into: &events)
        case .failed(let error) where error.isFull:
            preparation = .waiting(until: now + limits.spaceRetry)
            guard !isFull else { return }
            isFull = true
            events.append(.full(error))
        case .failed(let error):
            fail(.disk(error), into: &events)
        }
    }
}
