import Base
import Testing

@testable import Consensus

/// The ring of entries, and the small counters beside it, each against an array.
@Suite struct EntryTailTests {
    @Test("a tail holds what an array would", arguments: 1...20)
    func oracle(seed: Int) {
        var chance = SplitMix64(seed: UInt64(seed))
        var tail = EntryTail(firstIndex: 1)
        var held: [Entry] = []
        var next: Index = 1
        for _ in 0..<400 {
            switch chance.next(below: 10) {
            case 0..<7:
                let data = Bytes(Array(repeating: 7, count: Int(chance.next(below: 90))))
                let entry = Entry(term: 1, index: next, kind: .command, timeMs: 0, data: data)
                tail.append(entry)
                held.append(entry)
                next = next.next
            case 7:
                let cut = held.isEmpty ? 0 : Int(chance.next(below: UInt64(min(5, held.count))))
                next = Index(next.rawValue - UInt64(cut))
                tail.truncate(from: next)
                held.removeLast(cut)
            default:
                let limit = Int(chance.next(below: 3_000))
                let through = Index(next.rawValue - min(next.rawValue, 1 + chance.next(below: 20)))
                tail.trim(through: through, keeping: limit)
                while let first = held.first, first.index <= through, size(held[...]) > limit { held.removeFirst() }
            }
            compare(tail, held, next, &chance)
        }
    }

    private func size(_ entries: ArraySlice<Entry>) -> Int { entries.reduce(0) { $0 + $1.packed.count } }

    /// `EntryTail` cannot be copied, and so not be shown to `#expect`: its answers are.
    private func compare(_ tail: borrowing EntryTail, _ held: [Entry], _ next: Index, _ chance: inout SplitMix64) {
        let (end, count, bytes) = (tail.nextIndex, tail.count, tail.byteCount)
        #expect(end == next && count == held.count && bytes == size(held[...]))
        guard !held.isEmpty else { return }
        let (first, beyond, before) = (tail.firstIndex, tail.holds(next), tail.holds(held[0].index.previous))
        #expect(first == held[0].index && !beyond && !before)
        let from = Int(chance.next(below: UInt64(held.count)))
        let through = from + Int(chance.next(below: UInt64(held.count - from)))
        let (low, high) = (held[from].index, held[through].index)
        let slice = tail.slice(from: low, through: high)
        #expect(slice == Array(held[from...through]))
        let sliceBytes = tail.byteCount(from: low, through: high)
        #expect(sliceBytes == size(held[from...through]))
        let limit = Int(chance.next(below: 600))
        var last = from
        while last < through, size(held[from...last + 1]) <= limit { last += 1 }
        let found = tail.lastIndex(from: low, through: high, maxBytes: limit)
        #expect(found == held[last].index)
    }

    @Test("a tail may be cut below its first entry")
    func cutBelow() {
        let entries = (5...9).map {
            Entry(term: 1, index: Index(UInt64($0)), kind: .command, timeMs: 0, data: "x")
        }
        var tail = EntryTail(entries, nextIndex: 10)
        tail.truncate(from: 3)
        let (count, next, bytes) = (tail.count, tail.nextIndex, tail.byteCount)
        #expect(count == 0 && next == 3 && bytes == 0)
        tail.append(Entry(term: 2, index: 3, kind: .command, timeMs: 0, data: "y"))
        let (data, holds, holdsNext) = (tail[3].data, tail.holds(3), tail.holds(4))
        #expect(data == "y" && holds && !holdsNext)
    }

    @Test("what is on its way is counted until it arrives, or all is given up")
    func inflight() {
        var inflight = Inflight()
        for last in 1...9 { inflight.append(last: Index(UInt64(last * 10)), bytes: last) }
        inflight.acknowledge(through: 39)
        #expect(inflight.count == 6 && inflight.bytes == 4 + 5 + 6 + 7 + 8 + 9)
        for last in 10...14 { inflight.append(last: Index(UInt64(last * 10)), bytes: last) }
        inflight.acknowledge(through: 100)
        #expect(inflight.count == 4 && inflight.bytes == 11 + 12 + 13 + 14)
        inflight.removeAll()
        #expect(inflight.count == 0 && inflight.bytes == 0)
    }

    @Test("the value that a quorum reached is found as by counting", arguments: 1...7)
    func quorum(voters: Int) {
        var chance = SplitMix64(seed: UInt64(voters))
        for _ in 0..<50 {
            var values = (0..<voters).map { _ in chance.next(below: 5) }
            let needed = voters / 2 + 1
            let counted: UInt64? = (0..<5).last { value in values.count { $0 >= value } >= needed }
            let reached: UInt64? = Quorum.reached(by: needed, of: &values)
            #expect(reached == counted)
        }
        var few: [Int] = [9]
        let none: Int? = Quorum.reached(by: 2, of: &few)
        #expect(none == nil)
    }

    @Test("a vote counts once, and only a voter's")
    func ballot() {
        let configuration = Configuration(
            members: (1...4).map { .init(id: MemberID($0), name: "n\($0)", address: "", isVoter: $0 <= 3) })
        let electorate = Electorate([PlacedConfiguration(index: 0, configuration: configuration)], self: 1)
        var ballot = Ballot()
        ballot.count(1, granted: true)
        ballot.count(1, granted: true)
        ballot.count(4, granted: true)
        ballot.count(9, granted: true)
        #expect(ballot.outcome(in: electorate) == nil)
        ballot.count(2, granted: false)
        ballot.count(2, granted: true)
        #expect(ballot.outcome(in: electorate) == nil)
        ballot.count(3, granted: false)
        #expect(ballot.outcome(in: electorate) == false)
        ballot = Ballot()
        ballot.count(1, granted: true)
        ballot.count(3, granted: true)
        #expect(ballot.outcome(in: electorate) == true)
    }
}
