import Base
import Consensus

/// A disk in memory that does writes in order, when it is told to, and that forgets what was not yet done.
struct TestDisk {
    private(set) var hardState = HardState()
    private(set) var entries: [Entry] = []
    private(set) var queue: [Write] = []
    /// The newest snapshot. Its state is told by all that it covers.
    private(set) var snapshot: (point: SnapshotPoint, entries: [Entry])?
    /// What stands up to here was cut off; it is kept in `entries` for the test's eyes alone.
    private(set) var base: Index = 0

    init(entries: [Entry] = [], hardState: HardState = HardState()) {
        self.entries = entries
        self.hardState = hardState
    }

    var lastIndex: Index { Index(UInt64(entries.count)) }

    /// A snapshot becomes durable, beside whatever the log is doing.
    mutating func keep(_ point: SnapshotPoint, _ covered: [Entry]) {
        guard point.index > snapshot?.point.index ?? 0 else { return }
        snapshot = (point, covered)
    }

    mutating func compact(through index: Index) {
        precondition(index <= snapshot?.point.index ?? 0 && index <= lastIndex, "a gap between snapshot and log")
        base = max(base, index)
    }

    /// A start: a log that does not go on from the snapshot is none (figure 5.3).
    mutating func recover() {
        guard let (point, covered) = snapshot else { return }
        let place = Int(point.index.rawValue) - 1
        if place < entries.count, entries[place].term == point.term { return }
        entries = covered
        base = point.index
    }

    func holds(_ entry: Entry) -> Bool {
        let place = Int(entry.index.rawValue) - 1
        if let snapshot, place < snapshot.entries.count { return snapshot.entries[place] == entry }
        return place < entries.count && entries[place] == entry
    }

    mutating func submit(_ write: Write) {
        precondition(queue.last.map { $0.token < write.token } ?? true, "tokens must rise")
        queue.append(write)
    }

    /// Does the oldest `count` writes; gives the token of the last.
    mutating func sync(_ count: Int) -> WriteToken? {
        guard count > 0, !queue.isEmpty else { return nil }
        let done = queue.prefix(count)
        for write in done { perform(write, parts: .max) }
        queue.removeFirst(done.count)
        return done.last?.token
    }

    /// The process dies: the oldest `whole` writes were done, of the next one only its first `parts` (hard state,
    /// truncation, entries one by one), and of the rest nothing.
    mutating func crash(keeping whole: Int, parts: Int) {
        _ = sync(whole)
        if let next = queue.first { perform(next, parts: parts) }
        queue.removeAll()
    }

    private mutating func perform(_ write: Write, parts: Int) {
        var left = parts
        if let state = write.hardState {
            guard left > 0 else { return }
            hardState = state
            left -= 1
        }
        if let index = write.restartAfter {
            guard left > 0 else { return }
            guard let snapshot, snapshot.point.index >= index else { preconditionFailure("no snapshot to go on from") }
            entries = Array(snapshot.entries.prefix(Int(index.rawValue)))
            base = index
            left -= 1
        }
        if let index = write.truncateFrom {
            guard left > 0 else { return }
            precondition(index <= lastIndex.next, "a truncation beyond the log")
            entries.removeSubrange((Int(index.rawValue) - 1)...)
            left -= 1
        }
        for entry in write.entries.prefix(left) {
            precondition(entry.index == lastIndex.next, "the disk is told of a gap")
            entries.append(entry)
        }
    }

    func read(_ load: Load) -> [Entry] {
        precondition(load.from > 0 && load.through <= lastIndex, "a load of what the disk does not hold")
        if load.from <= base { return [] }
        var answer: [Entry] = []
        var bytes = 0
        for entry in entries[Int(load.from.rawValue) - 1..<Int(load.through.rawValue)] {
            bytes += entry.packed.count
            if !answer.isEmpty, bytes > load.maxBytes { break }
            answer.append(entry)
        }
        return answer
    }
}
