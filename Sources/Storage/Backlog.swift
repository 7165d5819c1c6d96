import Base
import Consensus
import DequeModule
import LogFormat

/// The writes that wait for their turn at the disk, folded into one: while a sync runs, the next batch gathers here.
///
/// Invariant: `entries` follow each other from `first` on; marks ascend in token and in place.
struct Backlog {
    /// The index at which the next frame starts; nil when no frame is needed.
    private(set) var first: Index?
    private(set) var entries = Deque<Entry>()
    /// What the entries take in a frame's payload.
    private(set) var bytes = 0
    private(set) var hardState: HardState?
    private(set) var identity: Identity?

    /// A token, and how much of the backlog must be written before it is durable.
    private struct Mark {
        var token: UInt64
        var place: UInt64
    }
    private var marks = Deque<Mark>()
    /// Places count entries and truncations, since the start. `written` of them have left, `end` have come.
    private var written: UInt64 = 0
    private var end: UInt64 = 0
    /// The next frame must be written even without entries.
    private var truncates = false
    /// The next frame says that nothing before it counts any more.
    private(set) var restarts = false

    var isEmpty: Bool { first == nil && hardState == nil && identity == nil && marks.isEmpty }

    mutating func add(
        token: UInt64, hardState: HardState?, truncateFrom: Index?, restartAfter: Index? = nil, entries new: [Entry]
    ) {
        if let hardState { self.hardState = hardState }
        if let restartAfter { restart(at: restartAfter.next) }
        if let truncateFrom { truncate(from: truncateFrom) }
        if let entry = new.first, first == nil { first = entry.index }
        for entry in new {
            entries.append(entry)
            bytes += Frame.size(of: entry)
        }
        end += UInt64(new.count)
        marks.append(Mark(token: token, place: end))
    }

    mutating func add(token: UInt64, identity: Identity) {
        self.identity = identity
        marks.append(Mark(token: token, place: end))
    }

    /// Entries from `index` on are void, those that wait here and those that left. The writes that brought the former
    /// are durable when the one that made them void is: no token ever stands for an entry that is not on disk.
    private mutating func truncate(from index: Index) {
        if let first, first < index {
            while let last = entries.last, last.index >= index { dropLast() }
        } else {
            while !entries.isEmpty { dropLast() }
            if !truncates { end += 1 }
            truncates = true
            first = index
        }
        while let mark = marks.last, mark.place > end { marks.removeLast() }
    }

    /// The log begins anew at `index`: everything that waits is void.
    mutating func restart(at index: Index) {
        while !entries.isEmpty { dropLast() }
        if !truncates { end += 1 }
        truncates = true
        restarts = true
        first = index
        while let mark = marks.last, mark.place > end { marks.removeLast() }
    }

    private mutating func dropLast() {
        bytes -= Frame.size(of: entries.removeLast())
        end -= 1
    }

    /// Term, vote and identity leave for the disk.
    mutating func takeState() -> (hardState: HardState?, identity: Identity?) {
        defer { (hardState, identity) = (nil, nil) }
        return (hardState, identity)
    }

    /// The first `count` entries leave for the disk, and the truncation before them.
    mutating func take(_ count: Int) -> [Entry] {
        let taken = Array(entries.prefix(count))
        entries.removeFirst(count)
        for entry in taken { bytes -= Frame.size(of: entry) }
        written += UInt64(count) + (truncates ? 1 : 0)
        truncates = false
        restarts = false
        first = entries.first?.index
        return taken
    }

    /// The last token that is durable once all that has left is. Given out once.
    mutating func takeToken() -> UInt64? {
        var token: UInt64?
        while let mark = marks.first, mark.place <= written {
            token = mark.token
            marks.removeFirst()
        }
        return token
    }
}
