@_spi(Sabotage) import Base
import LogFormat

/// The spare segment: made ahead of need, so that the log goes on without a pause and a full disk is known a whole
/// segment before it hurts.
enum Preparation {
    case idle
    case running(id: UInt64)
    /// The disk was full.
    case waiting(until: Instant)
}

extension Storage {
    mutating func startPreparation() -> DiskOperation? {
        guard case .idle = preparation, spares.isEmpty else { return nil }
        let id = newID()
        preparation = .running(id: id)
        var steps = stepsToRecycle(as: segment.number + 1)
            + Self.steps(preparing: segment.number + 1, size: limits.segmentBytes, member: member)
        if limits.sabotage == .directoryNotSynced { steps.removeAll { $0 == .syncDirectory } }
        return DiskOperation(id: id, lane: .background, steps: steps)
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

    mutating func preparationEnded(_ result: DiskResult, now: Instant, into events: inout [StorageEvent]) {
        isRecycling = false
        switch result {
        case .done:
            preparation = .idle
            spares.append(OpenSegment(
                number: segment.number + 1, size: limits.segmentBytes, offset: Format.framesStart))
            guard isFull else { return }
            isFull = false
            events.append(.spaceReturned)
        case .failed(let error) where error.isFull && limits.sabotage == .fullDiskIgnored:
            preparationEnded(.done(reads: []), now: now, into: &events)
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
