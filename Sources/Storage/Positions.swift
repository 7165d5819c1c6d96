import Base
import LogFormat

/// Where in the log's files entries stand: not every one of them, but enough to find any by walking a short way
/// from frame to frame.
///
/// Memory is bounded: at most `limit` points of 16 bytes, whatever the length of the log. When there are more, every
/// second one is forgotten and the walks become twice as long. Only the points of truncations stay, and there are
/// no more of those than terms in the log.
///
/// Invariant: points and cuts ascend, and from one point to the next cut the frames on disk follow each other
/// without a gap in their indexes.
struct Positions: Sendable {
    struct Point: Sendable, Equatable {
        /// The first index of the frame that stands there.
        var index: Index
        var segment: UInt32
        var offset: UInt32
    }

    private(set) var points: [Point] = []
    /// First indexes of the frames that superseded others: what stands before such a frame in the files says nothing
    /// about its index and those that follow.
    private(set) var cuts: [Index] = []
    /// Bytes of log between two points.
    private(set) var spacing: Int
    private var sincePoint = 0
    private let limit: Int

    init(limit: Int, spacing: Int) {
        precondition(limit >= 2 && spacing > 0, "positions need some room")
        self.limit = limit
        self.spacing = spacing
    }

    /// A frame is durable, after all that were noted before. `supersedes`: it starts at an index that others held.
    mutating func note(_ frame: FrameHeader, at offset: Int, supersedes: Bool) {
        if frame.restarts {
            points = []
            cuts = []
        }
        if supersedes {
            points.removeAll(from: points.partition(at: frame.firstIndex, by: \.index))
            cuts.removeAll(from: cuts.partition(at: frame.firstIndex, by: \.self))
            cuts.append(frame.firstIndex)
        }
        if supersedes || points.isEmpty || sincePoint >= spacing {
            points.append(Point(index: frame.firstIndex, segment: UInt32(frame.segment), offset: UInt32(offset)))
            sincePoint = 0
            if points.count > limit { thinOut() }
        }
        sincePoint += frame.extent
    }

    /// The segments before this one are gone. Its first frame begins with entry `first`.
    mutating func forget(before segment: UInt64, first: Index) {
        points.removeAll { $0.segment < segment }
        guard first < points.first?.index ?? Index(.max) else { return }
        points.insert(Point(index: first, segment: UInt32(segment), offset: UInt32(Format.framesStart)), at: 0)
        cuts.removeAll { $0 <= first }
    }

    private mutating func thinOut() {
        var kept: [Point] = []
        var cut = 0
        for (number, point) in points.enumerated() {
            while cut < cuts.count, cuts[cut] < point.index { cut += 1 }
            if number.isMultiple(of: 2) || (cut < cuts.count && cuts[cut] == point.index) { kept.append(point) }
        }
        points = kept
        spacing *= 2
    }

    /// The last point at or before `index`: from there, frames lead to it. O(log points).
    func point(atOrBefore index: Index) -> Point? {
        let after = points.partition(at: index.next, by: \.index)
        return after == 0 ? nil : points[after - 1]
    }

    /// How far one may walk from a point at or before `index`: the last index before the next cut.
    func walkEnd(from index: Index) -> Index? {
        let next = cuts.partition(at: index.next, by: \.self)
        return next == cuts.count ? nil : cuts[next].previous
    }
}

extension Array {
    /// The number of elements before the first whose key is at least `bound`. The keys ascend.
    func partition<Key: Comparable>(at bound: Key, by key: (Element) -> Key) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if key(self[middle]) < bound { low = middle + 1 } else { high = middle }
        }
        return low
    }

    mutating func removeAll(from position: Int) { removeSubrange(position...) }
}
