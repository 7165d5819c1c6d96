@_spi(Sabotage) import Base
import DequeModule
import LogFormat

/// The log behind a snapshot goes (dissertation 5.1): whole segments, the oldest first, so that the numbers of those that
/// are left never have a gap. The segment with the last frame stays: with it the count of the frames would be lost.
extension Storage {
    /// The log begins behind `index` from here on, which a durable snapshot covers. Its segments go when nothing reads
    /// them any more; until then a start may find more than this.
    public mutating func compact(through index: Index) {
        precondition(
            index <= snapshot?.index ?? 0 || limits.sabotage == .logCutBeforeSnapshot, "the log is cut before a snapshot covers it")
        guard index >= firstIndex else { return }
        firstIndex = index.next
        reads.void(before: firstIndex)
    }

    /// How many bytes the frames of the log take on the disk.
    public var logBytes: Int { spans.reduce(0) { $0 + $1.bytes } }

    /// Where the last `bytes` of the log begin, or a little before: at the begin of a segment.
    public func firstIndex(ofLast bytes: Int) -> Index {
        var kept = 0
        for span in spans.reversed() {
            kept += span.bytes
            if kept >= bytes { return max(firstIndex, span.first) }
        }
        return firstIndex
    }

    /// The number of segments, counted from the oldest, that hold nothing any more and are not being read.
    private var countOfRemovable: Int {
        guard let lastFrame, let first = spans.first, first.last < firstIndex else { return 0 }
        let oldest = reads.oldestSegment
        return spans.prefix { $0.number < lastFrame.segment && $0.last < firstIndex && $0.number < oldest }.count
    }

    /// Of them what is not only there to be written over.
    public var neededLogBytes: Int { spans.reduce(0) { $1.last < firstIndex ? $0 : $0 + $1.bytes } }

    /// Whether there are segments to be given back.
    var hasSuperfluous: Bool { spans.first.map { $0.last < firstIndex } ?? false }

    /// What only waits to be written over goes: nothing has been written for long, or space is wanted.
    var givesSpaceBack: Bool { isIdle || isFull || snapshotLacksSpace }

    /// Removes segments that are not needed as spares: what the log may have stays, to be written over.
    mutating func startRemoval() -> DiskOperation? {
        guard removal == nil, !isRecycling, logBytes > logRoomBytes || givesSpaceBack else { return nil }
        var excess = givesSpaceBack ? Int.max : logBytes - logRoomBytes
        // One is left for the next spare in any case.
        var count = 0
        for span in spans.prefix(max(0, min(countOfRemovable - 1, 8))) where excess > 0 {
            excess -= span.bytes
            count += 1
        }
        guard count > 0 else { return nil }
        var steps: [DiskStep] = []
        for span in spans.prefix(count) { steps += [.remove(.segment(span.number)), .syncDirectory] }
        if limits.sabotage == .segmentsFromTheEnd { steps = Array(steps.reversed()) }
        forgetSegments(count)
        let id = newID()
        removal = id
        return DiskOperation(id: id, lane: .background, steps: steps)
    }

    /// What makes the oldest segment a draft, if it may go: its space, written and synced long ago, becomes the next spare's.
    mutating func stepsToRecycle(as number: UInt64) -> [DiskStep] {
        guard removal == nil, countOfRemovable > 0 else { return [] }
        let old = spans[0].number
        forgetSegments(1)
        isRecycling = true
        return [.rename(.segment(old), to: .segmentDraft(number)), .syncDirectory]
    }

    private mutating func forgetSegments(_ count: Int) {
        spans.removeFirst(count)
        guard let first = spans.first else { preconditionFailure("the segment with the last frame stays") }
        // A start did not read those that held nothing: nothing is remembered of them.
        guard !first.isUnread else { return }
        positions.forget(before: first.number, first: first.first)
    }
}
