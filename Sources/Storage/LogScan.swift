import Base
import Consensus
import DequeModule
import LogFormat

/// The log as recovery has read it so far: what every whole frame, in order, makes of it.
struct LogScan {
    let member: MemberID
    let tailBytes: Int
    private(set) var sequence: UInt64 = 0
    /// The index before the log's first: 0, or where the segments that are left begin, or where the log began anew.
    private(set) var base: Index = 0
    private(set) var lastIndex: Index = 0
    /// A snapshot covers what stood before: the first segments may be gone.
    let mayBeginLater: Bool
    private(set) var lastFrame: Witness?
    private(set) var runs: [Recovered.Run] = []
    private(set) var configurations: [Recovered.PlacedConfiguration] = []
    private(set) var tail = Deque<Entry>()
    private(set) var positions: Positions
    private var tailSize = 0

    init(member: MemberID, limits: StorageLimits, mayBeginLater: Bool = false) {
        self.member = member
        self.mayBeginLater = mayBeginLater
        tailBytes = limits.tailBytes
        positions = Positions(limit: limits.maxPositions, spacing: limits.positionSpacing)
    }

    var lastTerm: Term { runs.last?.term ?? 0 }

    /// The tail in bytes of its own: entries share the windows that they were read through, with all the padding
    /// between small frames, and would keep those alive.
    var ownTail: [Entry] {
        tail.map { entry in
            do {
                return try Entry(unpacking: entry.packed.compacted())
            } catch {
                preconditionFailure("what was read once cannot be read again: \(error)")
            }
        }
    }

    /// Takes in the next frame, whose checksums match. What it throws is damage, or a mistake of the writer.
    mutating func add(_ header: FrameHeader, _ frame: Bytes, at offset: Int) throws(RecordFault) {
        if sequence == 0, mayBeginLater, header.sequence > 1 {
            sequence = header.sequence - 1
            begin(at: header.firstIndex)
        }
        guard header.sequence == sequence + 1 else {
            throw .invalid("frame \(sequence + 1) was expected and frame \(header.sequence) found")
        }
        let entries = try Frame.entries(header, frame)
        let supersedes = header.restarts || header.firstIndex <= lastIndex
        if header.restarts { begin(at: header.firstIndex) }
        guard header.firstIndex <= lastIndex.next else {
            throw .invalid("entry \(lastIndex.next) was expected and entry \(header.firstIndex) found")
        }
        if supersedes { truncate(from: header.firstIndex) }
        for entry in entries { try add(entry) }
        sequence = header.sequence
        lastFrame = Witness(header, at: offset)
        positions.note(header, at: offset, supersedes: supersedes)
    }

    private mutating func add(_ entry: Entry) throws(RecordFault) {
        guard entry.term >= lastTerm, entry.term > 0 else {
            throw .invalid("entry \(entry.index) has term \(entry.term), after an entry of term \(lastTerm)")
        }
        if entry.term > lastTerm { runs.append(Recovered.Run(first: entry.index, term: entry.term)) }
        if entry.kind == .configuration {
            guard let configuration = try? Configuration(decoding: entry.data) else {
                throw .invalid("entry \(entry.index) holds a configuration that cannot be decoded")
            }
            configurations.append(.init(index: entry.index, configuration: configuration))
        }
        lastIndex = entry.index
        tail.append(entry)
        tailSize += entry.packed.count
        while tailSize > tailBytes, tail.count > 1 { tailSize -= tail.removeFirst().packed.count }
    }

    /// Nothing before counts.
    private mutating func begin(at index: Index) {
        truncate(from: 0)
        base = index.previous
        lastIndex = base
    }

    /// The term of an entry of the log; nil for others. O(runs).
    func term(at index: Index) -> Term? {
        guard index > base, index <= lastIndex else { return nil }
        return runs.last { $0.first <= index }?.term
    }

    private mutating func truncate(from index: Index) {
        runs.removeAll { $0.first >= index }
        configurations.removeAll { $0.index >= index }
        while let last = tail.last, last.index >= index {
            tailSize -= last.packed.count
            tail.removeLast()
        }
        guard index > 0 else { return }
        lastIndex = index.previous
        base = min(base, lastIndex)
    }
}
