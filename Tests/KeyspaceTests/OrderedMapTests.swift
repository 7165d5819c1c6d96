@testable import Keyspace
import Base
import Testing

@Suite struct OrderedMapTests {
    /// The dumb oracle: a dictionary, sorted when asked for.
    struct Oracle {
        var records: [Bytes: UInt64] = [:]
        var sorted: [Bytes] { records.keys.sorted() }
    }

    func expectSame(_ map: OrderedMap, _ oracle: Oracle, sourceLocation: SourceLocation = #_sourceLocation) {
        let all = map.all
        #expect(all.map(\.key) == oracle.sorted, sourceLocation: sourceLocation)
        #expect(all.allSatisfy { oracle.records[$0.key] == $0.modified }, sourceLocation: sourceLocation)
    }

    @Test("a map does what a dictionary and a sort do", arguments: [1, 2, 3, 4] as [UInt64])
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var map = OrderedMap()
        var oracle = Oracle()
        let universe: UInt64 = seed % 2 == 0 ? 300 : 15_000
        var tallest = 0
        for step in 0..<40_000 as Range<UInt64> {
            // Phases in which it grows and in which it shrinks, so that nodes split and merge on every level.
            let growing = step / 10_000 % 2 == 0
            let key = randomKey(&random, among: universe)
            switch random.next(below: 10) {
            case 0:
                #expect(map.record(for: key)?.modified == oracle.records[key])
            case 1..<(growing ? 4 : 2):
                let old = map.record(for: key)
                let data = record(key, step).value
                key.withUnsafeBytes { key in
                    guard case .data(let data) = data else { return }
                    data.withUnsafeBytes { map.set(key, $0, revision: step) }
                }
                #expect(old?.modified == oracle.records.updateValue(step, forKey: key))
                #expect(map.record(for: key)?.value == data)
            case 4..<(growing ? 8 : 5):
                let old = map.update(key) { _ in record(key, step) }
                #expect(old?.modified == oracle.records.updateValue(step, forKey: key))
            default:
                #expect(map.remove(key)?.modified == oracle.records.removeValue(forKey: key))
            }
            tallest = max(tallest, map.height)
            if step % 4_999 == 0 { map.checkInvariants() }
        }
        map.checkInvariants()
        expectSame(map, oracle)
        #expect(universe < 1000 || tallest >= 3, "the test is to reach a tree of three levels")
        for key in oracle.sorted.reversed() { #expect(map.remove(key) != nil) }
        map.checkInvariants()
        #expect(map.count == 0 && map.height == 1)
    }

    @Test("keys in rising, falling and alternating order make a sound tree", arguments: 0..<3)
    func orders(shape: Int) {
        var map = OrderedMap()
        let count = 10_000
        for step in 0..<count {
            let number = [step, count - step, step % 2 == 0 ? step : 2 * count - step][shape]
            let key = Bytes(utf8: "key-\(hexadecimal(UInt64(number)))")
            map.update(key) { _ in record(key, 1) }
        }
        map.checkInvariants()
        #expect(map.count == count)
        // Taken out from the front, so that the leftmost nodes mend with their right neighbours.
        for (number, record) in map.all.enumerated() {
            #expect(map.remove(record.key) != nil)
            if number % 997 == 0 { map.checkInvariants() }
        }
        #expect(map.count == 0)
    }

    @Test("iteration starts at, or behind, any key, there or not")
    func iteration() {
        var random = SplitMix64(seed: 11)
        var map = OrderedMap()
        for step in 0..<6_000 as Range<UInt64> {
            let key = randomKey(&random, among: 9_000)
            map.update(key) { _ in record(key, step) }
        }
        let keys = map.all.map(\.key)
        for _ in 0..<1_000 {
            let start = randomKey(&random, among: 9_000)
            var from: [Bytes] = [], after: [Bytes] = []
            map.forEach(from: start) { from.append($0.key); return from.count < 70 }
            map.forEach(after: start) { after.append($0.key); return after.count < 70 }
            #expect(from == Array(keys.filter { $0 >= start }.prefix(70)))
            #expect(after == Array(keys.filter { $0 > start }.prefix(70)))
        }
    }

    @Test("a copy stays as it is, whichever of the two changes")
    func copies() {
        var random = SplitMix64(seed: 5)
        var map = OrderedMap()
        var oracle = Oracle()
        var copies: [(OrderedMap, Oracle)] = []
        for step in 0..<12_000 as Range<UInt64> {
            let key = randomKey(&random, among: 3_000)
            if random.next(below: 3) > 0 {
                map.update(key) { _ in record(key, step) }
                oracle.records[key] = step
            } else {
                map.remove(key)
                oracle.records[key] = nil
            }
            if step % 1_500 == 0 { copies.append((map, oracle)) }
            if step == 6_000 { swap(&map, &copies[2].0); swap(&oracle, &copies[2].1) }
        }
        for (copy, then) in copies {
            copy.checkInvariants()
            expectSame(copy, then)
        }
        expectSame(map, oracle)
    }

    @Test("what throws in the making of a record changes nothing")
    func throwing() {
        struct No: Error {}
        var map = OrderedMap()
        for number in 0..<200 as Range<UInt64> {
            let key = Bytes(utf8: "\(number)")
            map.update(key) { _ in record(key, number) }
        }
        let before = map.all.map(\.key)
        for key in ["17", "not there"] as [Bytes] {
            #expect(throws: No.self) { try map.update(key) { _ throws(No) in throw No() } }
        }
        #expect(map.all.map(\.key) == before && map.count == 200)
        map.checkInvariants()
    }
}
