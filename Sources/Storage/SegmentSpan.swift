import Base
import DequeModule
import LogFormat

/// What the frames of one segment hold: by it is judged whether the segment may go.
struct SegmentSpan: Sendable, Equatable {
    var number: UInt64
    /// The first index of its first frame.
    var first: Index
    /// The last index of any of its frames, superseded or not.
    var last: Index
    /// Of its frames.
    var bytes: Int

    /// It holds nothing that counts, and the start did not read it.
    var isUnread: Bool { first == 0 }

    /// One that is not read any more.
    init(superfluous segment: OpenSegment) {
        number = segment.number
        first = 0
        last = 0
        bytes = segment.size - Format.framesStart
    }

    init(_ frame: FrameHeader) {
        number = frame.segment
        first = frame.firstIndex
        last = frame.lastIndex
        bytes = frame.extent
    }
}

extension Deque<SegmentSpan> {
    /// A frame was written, or found, in the last segment or in the one after it.
    mutating func note(_ frame: FrameHeader) {
        let span = SegmentSpan(frame)
        if let current = last, current.number == span.number {
            self[count - 1].last = Swift.max(current.last, span.last)
            self[count - 1].bytes += span.bytes
        } else {
            append(span)
        }
    }
}
