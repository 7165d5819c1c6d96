import Base

/// The end of the log, in memory: a ring of consecutive entries. Appending, cutting the end and trimming the front
/// cost O(1) an entry and move nothing.
///
/// Invariant: the entry at `firstIndex + k`, for k below `count`, stands in slot `(head + k) % capacity`, and `ends`
/// beside it holds the packed bytes of everything ever put there up to and including it (less what was cut off the
/// end). All other slots are uninitialised: an entry that was forgotten is kept alive by nobody.
struct EntryTail: ~Copyable {
    private var slots: UnsafeMutablePointer<Entry>
    private var ends: UnsafeMutablePointer<UInt64>
    /// A power of two.
    private var capacity: Int
    private var head = 0
    private(set) var count = 0
    /// The index of the first entry held, or the next index when none is.
    private(set) var firstIndex: Index
    /// The packed bytes before the first entry held.
    private var startOfFirst: UInt64 = 0

    init(firstIndex: Index) {
        self.firstIndex = firstIndex
        capacity = 64
        slots = .allocate(capacity: capacity)
        ends = .allocate(capacity: capacity)
    }

    init(_ entries: [Entry], nextIndex: Index) {
        self.init(firstIndex: entries.first?.index ?? nextIndex)
        for entry in entries { append(entry) }
        precondition(self.nextIndex == nextIndex, "the restored tail does not end where the log does")
    }

    deinit {
        for offset in 0..<count { (slots + ((head + offset) & (capacity - 1))).deinitialize(count: 1) }
        slots.deallocate()
        ends.deallocate()
    }

    var nextIndex: Index { firstIndex.advanced(by: count) }
    /// The packed bytes held.
    var byteCount: Int { Int(end(count - 1) - startOfFirst) }

    func holds(_ index: Index) -> Bool { index >= firstIndex && index < nextIndex }

    subscript(index: Index) -> Entry {
        precondition(holds(index), "the tail does not hold this entry")
        return slots[slot(firstIndex.distance(to: index))]
    }

    mutating func append(_ entry: consuming Entry) {
        precondition(entry.index == nextIndex, "a gap in the log")
        if count == capacity { grow() }
        let slot = slot(count)
        ends[slot] = end(count - 1) + UInt64(entry.packed.count)
        (slots + slot).initialize(to: entry)
        count += 1
    }

    /// Forgets the entries from `index` on.
    mutating func truncate(from index: Index) {
        while count > 0, nextIndex > index {
            count -= 1
            (slots + slot(count)).deinitialize(count: 1)
        }
        if index < firstIndex { firstIndex = index }
    }

    /// Forgets entries from the front while more than `limit` bytes are held, up to and including `through`.
    mutating func trim(through: Index, keeping limit: Int) {
        while count > 0, firstIndex <= through, byteCount > limit {
            startOfFirst = ends[head]
            (slots + head).deinitialize(count: 1)
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
        let unbroken = min(length, capacity - first)
        return Array(unsafeUninitializedCapacity: length) { buffer, initialized in
            guard let target = buffer.baseAddress else { return }
            target.initialize(from: slots + first, count: unbroken)
            (target + unbroken).initialize(from: slots, count: length - unbroken)
            initialized = length
        }
    }

    private func slot(_ offset: Int) -> Int { (head + offset) & (capacity - 1) }

    /// The running sum at an offset from the first entry; -1 is just before it.
    private func end(_ offset: Int) -> UInt64 { offset < 0 ? startOfFirst : ends[slot(offset)] }

    private mutating func grow() {
        let newSlots = UnsafeMutablePointer<Entry>.allocate(capacity: 2 * capacity)
        let newEnds = UnsafeMutablePointer<UInt64>.allocate(capacity: 2 * capacity)
        for offset in 0..<count {
            (newSlots + offset).moveInitialize(from: slots + slot(offset), count: 1)
            newEnds[offset] = ends[slot(offset)]
        }
        slots.deallocate()
        ends.deallocate()
        slots = newSlots
        ends = newEnds
        capacity *= 2
        head = 0
    }
}
