import Base

/// The end of the log, in memory: a ring of consecutive entries. Appending, cutting the end and trimming the front
/// cost O(1) an entry and move nothing.
///
/// Invariant: the entry at `firstIndex + k` stands in slot `(head + k) % slots.count`, and `ends` beside it holds the
/// packed bytes of everything ever put there up to and including it (less what was cut off the end).
struct EntryTail: Sendable {
    private var slots: [Entry] = []
    private var ends: [UInt64] = []
    private var head = 0
    private(set) var count = 0
    /// The index of the first entry held, or the next index when none is.
    private(set) var firstIndex: Index
    /// The packed bytes before the first entry held.
    private var startOfFirst: UInt64 = 0

    /// Stands in emptied slots, so that they keep no entry alive.
    private static let nothing = Entry(term: 0, index: 0, kind: .noOperation, timeMs: 0, data: Bytes())

    init(firstIndex: Index) { self.firstIndex = firstIndex }

    init(_ entries: [Entry], nextIndex: Index) {
        self.init(firstIndex: entries.first?.index ?? nextIndex)
        for entry in entries { append(entry) }
        precondition(self.nextIndex == nextIndex, "the restored tail does not end where the log does")
    }

    var nextIndex: Index { firstIndex.advanced(by: count) }
    /// The packed bytes held.
    var byteCount: Int { Int(end(count - 1) - startOfFirst) }

    func holds(_ index: Index) -> Bool { index >= firstIndex && index < nextIndex }

    subscript(index: Index) -> Entry {
        precondition(holds(index), "the tail does not hold this entry")
        return slots[slot(firstIndex.distance(to: index))]
    }

    mutating func append(_ entry: Entry) {
        precondition(entry.index == nextIndex, "a gap in the log")
        if count == slots.count { grow() }
        let slot = slot(count)
        slots[slot] = entry
        ends[slot] = end(count - 1) + UInt64(entry.packed.count)
        count += 1
    }

    /// Forgets the entries from `index` on.
    mutating func truncate(from index: Index) {
        while count > 0, nextIndex > index {
            count -= 1
            slots[slot(count)] = Self.nothing
        }
        if index < firstIndex { firstIndex = index }
    }

    /// Forgets entries from the front while more than `limit` bytes are held, up to and including `through`.
    mutating func trim(through: Index, keeping limit: Int) {
        while count > 0, firstIndex <= through, byteCount > limit {
            startOfFirst = ends[head]
            slots[head] = Self.nothing
            head = slot(1)
            count -= 1
            firstIndex = firstIndex.next
        }
    }

    /// The packed bytes from `from` through `through`, both held.
    func byteCount(from: Index, through: Index) -> Int {
        let first = firstIndex.distance(to: from)
        return Int(end(firstIndex.distance(to: through)) - end(first - 1))
    }

    /// The last index so that the entries from `from` on take at most `maxBytes`: at least `from`, at most `through`.
    /// O(log entries).
    func lastIndex(from: Index, through: Index, maxBytes: Int) -> Index {
        let first = firstIndex.distance(to: from)
        let limit = end(first - 1) + UInt64(max(0, maxBytes))
        var low = first
        var high = firstIndex.distance(to: through)
        while low < high {
            let middle = (low + high + 1) / 2
            if end(middle) <= limit { low = middle } else { high = middle - 1 }
        }
        return firstIndex.advanced(by: low)
    }

    /// The entries from `from` through `through`, all held. O(their number).
    func slice(from: Index, through: Index) -> [Entry] {
        guard from <= through else { return [] }
        precondition(holds(from) && holds(through), "the tail does not hold these entries")
        let first = slot(firstIndex.distance(to: from))
        let length = from.distance(to: through) + 1
        let unbroken = min(length, slots.count - first)
        if unbroken == length { return Array(slots[first..<first + length]) }
        var entries: [Entry] = []
        entries.reserveCapacity(length)
        entries.append(contentsOf: slots[first...])
        entries.append(contentsOf: slots[..<(length - unbroken)])
        return entries
    }

    private func slot(_ offset: Int) -> Int { (head + offset) & (slots.count - 1) }

    /// The running sum at an offset from the first entry; -1 is just before it.
    private func end(_ offset: Int) -> UInt64 { offset < 0 ? startOfFirst : ends[slot(offset)] }

    private mutating func grow() {
        let larger = max(64, 2 * slots.count)
        var newSlots: [Entry] = []
        var newEnds: [UInt64] = []
        newSlots.reserveCapacity(larger)
        newEnds.reserveCapacity(larger)
        for offset in 0..<count {
            newSlots.append(slots[slot(offset)])
            newEnds.append(ends[slot(offset)])
        }
        newSlots.append(contentsOf: repeatElement(Self.nothing, count: larger - count))
        newEnds.append(contentsOf: repeatElement(0, count: larger - count))
        slots = newSlots
        ends = newEnds
        head = 0
    }
}
