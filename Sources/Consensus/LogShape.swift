import Base

/// The terms of a whole log, as runs: a log of a million entries from three leaders is three runs. With it `Raft`
/// answers every question of terms without the entries.
///
/// Invariants: runs are in ascending order of both index and term, no two neighbours have the same term, and the
/// first one, if any, begins at `base.index + 1`.
public struct LogShape: Sendable, Equatable {
    public struct Run: Sendable, Equatable {
        public var first: Index
        public var term: Term
        public init(first: Index, term: Term) {
            self.first = first
            self.term = term
        }
    }

    /// The entry before the log's first: 0 and 0, or the last one that a snapshot covers.
    public private(set) var baseIndex: Index
    public private(set) var baseTerm: Term
    public private(set) var lastIndex: Index
    public private(set) var runs: [Run]

    /// An empty log after an entry that a snapshot covers; without arguments, the log of a new member.
    public init(baseIndex: Index = 0, baseTerm: Term = 0) {
        self.baseIndex = baseIndex
        self.baseTerm = baseTerm
        lastIndex = baseIndex
        runs = []
    }

    /// What a disk was found to hold. Check `isValid`.
    public init(baseIndex: Index = 0, baseTerm: Term = 0, runs: [Run], lastIndex: Index) {
        self.baseIndex = baseIndex
        self.baseTerm = baseTerm
        self.runs = runs
        self.lastIndex = lastIndex
    }

    public var isEmpty: Bool { lastIndex == baseIndex }
    public var firstIndex: Index { baseIndex.next }
    public var lastTerm: Term { runs.last?.term ?? baseTerm }

    /// The term of the entry at `index`; nil when it is before the base or after the end. O(1) for the newest term,
    /// else O(log runs).
    public func term(at index: Index) -> Term? {
        guard index >= baseIndex, index <= lastIndex else { return nil }
        guard index > baseIndex else { return baseTerm }
        if let last = runs.last, index >= last.first { return last.term }
        return runs[position(of: index)].term
    }

    /// The first index of the run that holds `index`: how far a follower's conflict reaches back (3.5).
    public func firstIndexOfTerm(at index: Index) -> Index {
        index > baseIndex && index <= lastIndex ? runs[position(of: index)].first : baseIndex
    }

    /// The last index up to `index` whose term is at most `term`; the base when there is none.
    public func lastIndex(ofTermAtMost term: Term, through index: Index) -> Index {
        // The number of runs whose term is at most `term`: they are the first ones.
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].term <= term { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return min(index, baseIndex) }
        return min(index, low == runs.count ? lastIndex : runs[low].first.previous)
    }

    /// Adds `count` entries of one term. Amortised O(1).
    public mutating func append(_ count: Int = 1, term: Term) {
        precondition(term >= lastTerm && term > 0, "terms never fall along the log")
        guard count > 0 else { return }
        if runs.last?.term != term { runs.append(Run(first: lastIndex.next, term: term)) }
        lastIndex = lastIndex.advanced(by: count)
    }

    /// Forgets the entries from `index` on.
    public mutating func truncate(from index: Index) {
        precondition(index > baseIndex && index <= lastIndex.next, "truncation outside of the log")
        while let last = runs.last, last.first >= index { runs.removeLast() }
        lastIndex = index.previous
    }

    /// Forgets the entries up to and including `index`, which a snapshot covers (5.1).
    public mutating func compact(through index: Index) {
        precondition(index > baseIndex && index <= lastIndex, "compaction outside of the log")
        let place = position(of: index)
        baseTerm = runs[place].term
        baseIndex = index
        runs.removeFirst(place)
        let isOver = runs.count > 1 ? runs[1].first == index.next : index == lastIndex
        if isOver { runs.removeFirst() } else { runs[0].first = index.next }
    }

    /// The place in `runs` of the run that holds `index`, which is in the log.
    private func position(of index: Index) -> Int {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].first <= index { low = middle + 1 } else { high = middle }
        }
        precondition(low > 0, "an index before the first run")
        return low - 1
    }

    /// Whether the type's invariants hold. O(runs).
    public var isValid: Bool {
        guard lastIndex >= baseIndex, runs.isEmpty == (lastIndex == baseIndex) else { return false }
        guard let first = runs.first else { return true }
        guard first.first == firstIndex, first.term >= baseTerm, first.term > 0, runs.last!.first <= lastIndex
        else { return false }
        return zip(runs, runs.dropFirst()).allSatisfy { $0.first < $1.first && $0.term < $1.term }
    }
}
