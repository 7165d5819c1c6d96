import Base
import Consensus

/// A disk in memory that does writes in order, when it is told to, and that forgets what was not yet done.
struct TestDisk {
    private(set) var hardState = HardState()
    private(set) var entries: [Entry] = []
    private(set) var queue: [Write] = []

    init(entries: [Entry] = [], hardState: HardState = HardState()) {
        self.entries = entries
        self.hardState = hardState
    }

    var lastIndex: Index { Index(UInt64(entries.count)) }

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
