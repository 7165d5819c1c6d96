@testable import Keyspace
import Base
import Testing

@Suite struct FrozenTests {
    func filled(_ count: Int) throws -> Keyspace {
        var space = Keyspace()
        for number in 0..<count { try space.run(.set(key: key(number), value: .data("old"))) }
        return space
    }

    func key(_ number: Int) -> Bytes { Bytes(utf8: "key-\(hexadecimal(UInt64(number)))") }

    /// Watches the nodes of a tree without holding them.
    final class Watch {
        weak var node: Node?
        init(_ node: Node) { self.node = node }

        static func all(of map: OrderedMap) -> [Watch] {
            var watches: [Watch] = []
            var left = [map.root]
            while let node = left.popLast() {
                watches.append(Watch(node))
                left += node.children
            }
            return watches
        }
    }

    @Test("freezing shares everything, and a change copies only the way to one leaf")
    func sharing() throws {
        var space = try filled(5_000)
        let frozen = space.frozen()
        let before = Set(Watch.all(of: frozen.contents.map).map { ObjectIdentifier($0.node!) })
        try space.run(.set(key: key(2_500), value: .data("new")))
        let after = Set(Watch.all(of: space.contents.map).map { ObjectIdentifier($0.node!) })
        #expect(after.subtracting(before).count == space.contents.map.height)
        #expect(frozen.value(of: key(2_500)).value == .data("old"))
        #expect(space.value(of: key(2_500)).value == .data("new"))
        // What is the map's own by now is changed in place.
        try space.run(.set(key: key(2_500), value: .data("newer")))
        #expect(Set(Watch.all(of: space.contents.map).map { ObjectIdentifier($0.node!) }) == after)
    }

    @Test("what only a frozen version held is freed with it, at once or in slices", arguments: [nil, 1, 7] as [Int?])
    func freeing(slice: Int?) throws {
        var space = try filled(20_000)
        var frozen: FrozenKeyspace? = space.frozen()
        let watches = Watch.all(of: space.contents.map)
        // Half of the tree changes: those nodes only the frozen version holds now.
        for number in 0..<10_000 { try space.run(.append(key: key(number), suffix: "+")) }
        let live = Set(Watch.all(of: space.contents.map).map { ObjectIdentifier($0.node!) })
        #expect(watches.allSatisfy { $0.node != nil })
        if let slice {
            var remains = frozen!.dismantled()
            frozen = nil
            var slices = 0
            while !remains.isEmpty {
                let before = watches.count { $0.node != nil }
                remains.release(nodes: slice)
                #expect(before - watches.count { $0.node != nil } <= slice)
                slices += 1
            }
            #expect(slices >= watches.count / 2 / slice / 2)
        } else {
            frozen = nil
        }
        #expect(watches.allSatisfy { $0.node == nil || live.contains(ObjectIdentifier($0.node!)) })
        #expect(watches.contains { $0.node != nil } && watches.contains { $0.node == nil })
        space.contents.map.checkInvariants()
        #expect(space.count == 20_000)
    }

    @Test("a walk that takes a frozen version apart lets go of what it passed, and the map changes that in place again")
    func walking() throws {
        var space = try filled(20_000)
        var frozen: FrozenKeyspace? = space.frozen()
        let watches = Watch.all(of: space.contents.map)
        for number in 0..<10_000 { try space.run(.append(key: key(number), suffix: "+")) }
        var walk = LeafWalk(frozen!.contents.map)
        frozen = nil
        var keys: [Bytes] = []
        while keys.count < 15_000 {
            let leaf = try #require(walk.leaf)
            // Not always a whole leaf at a time.
            let end = min(leaf.records.count, walk.at + 5)
            keys += leaf.records[walk.at..<end].map(\.key)
            walk.pass(upTo: end)
        }
        // Passed: what the map had copied is freed, and the rest is its own.
        let copied = watches.count { $0.node == nil }
        #expect(copied > 10_000 / Node.capacity)
        let before = Set(Watch.all(of: space.contents.map).map { ObjectIdentifier($0.node!) })
        let (passed, ahead) = (12_000, 18_000)
        try space.run(.set(key: key(passed), value: .data("new")))
        let after = Set(Watch.all(of: space.contents.map).map { ObjectIdentifier($0.node!) })
        #expect(after.subtracting(before).isEmpty)
        try space.run(.set(key: key(ahead), value: .data("new")))
        let then = Set(Watch.all(of: space.contents.map).map { ObjectIdentifier($0.node!) })
        #expect(!then.subtracting(after).isEmpty)
        while let leaf = walk.leaf {
            keys += leaf.records[walk.at...].map(\.key)
            walk.pass(upTo: leaf.records.count)
        }
        #expect(keys == (0..<20_000).map(key).sorted())
        let live = Set(Watch.all(of: space.contents.map).map { ObjectIdentifier($0.node!) })
        #expect(watches.allSatisfy { $0.node == nil || live.contains(ObjectIdentifier($0.node!)) })
        space.contents.map.checkInvariants()
    }

    @Test("a walk through an empty map is at its end")
    func walkingThroughNothing() { #expect(LeafWalk(OrderedMap()).leaf == nil) }

    @Test("appending leaves what was frozen, read and put back as it was")
    func appending() throws {
        var space = Keyspace()
        try space.run(.set(key: "d", value: .data("0")))
        try space.run(.set(key: "l", value: .list(["0"])))
        var seen: [(FrozenKeyspace, Value, Value, Int)] = []
        for number in 1...2_000 {
            let tail = Bytes(utf8: "\(number % 10)")
            // A transaction that fails after having appended in place.
            #expect(try space.failure(.transaction([
                .append(key: "d", suffix: "lost"), .appendItem(key: "l", item: "lost"), .append(key: "l", suffix: "wrong"),
            ])) != nil)
            try space.run(.append(key: "d", suffix: tail))
            try space.run(.appendItem(key: "l", item: tail))
            if number % 100 == 0 {
                seen.append((space.frozen(), space.value(of: "d").value!, space.value(of: "l").value!, number))
            }
        }
        for (frozen, data, list, count) in seen {
            let items = (0...count).map { Bytes(utf8: "\($0 % 10)") }
            #expect(data == .data(Bytes(items.flatMap(\.array))) && list == .list(ItemList(items)))
            #expect(frozen.value(of: "d").value == data && frozen.value(of: "l").value == list)
        }
    }

    @Test("appending copies the value seldom, also while a frozen version has it")
    func amortised() throws {
        var space = Keyspace()
        try space.run(.set(key: "d", value: .data("start")))
        var moves = 0
        var last: UInt = 0
        for _ in 0..<10_000 {
            let frozen = space.frozen()
            try space.run(.append(key: "d", suffix: "0123456789abcdef"))
            #expect(frozen.length(of: "d") + 16 == space.length(of: "d"))
            guard case .data(let bytes) = space.value(of: "d").value else { Issue.record("no data"); return }
            if address(bytes) != last { moves += 1 }
            last = address(bytes)
        }
        #expect(moves < 45, "\(moves) copies of 10,000 appends")
    }

    @Test("a frozen version can be read on other threads while the keyspace goes on")
    func threads() async throws {
        var space = try filled(3_000)
        await withTaskGroup(of: Int.self) { group in
            for round in 0..<20 {
                let frozen = space.frozen()
                group.addTask {
                    let entries = frozen.entries(after: nil, maxEntries: .max, maxBytes: .max)
                    return entries.count { $0.value.length == 3 + UInt64(round) }
                }
                for number in 0..<3_000 {
                    do { try space.run(.append(key: Bytes(utf8: "key-\(hexadecimal(UInt64(number)))"), suffix: "+")) } catch {
                        Issue.record(error)
                    }
                }
            }
            for await same in group { #expect(same == 3_000) }
        }
    }
}

@Suite struct KeyScanTests {
    @Test("slices of a scan together give what one answer gives", arguments: [1, 3, 64, 1000])
    func slices(most: Int) throws {
        var random = SplitMix64(seed: 21)
        var space = Keyspace()
        for _ in 0..<3_000 {
            try space.run(.set(key: randomKey(&random, among: 5_000), value: .data("v")))
        }
        for prefix in ["", "key-", "user:1", "deep/deep/", "nothing", "\0\0\0"] as [Bytes] {
            let start = random.next(below: 2) == 0 ? Bytes() : randomKey(&random, among: 5_000)
            for limit in [0, 10, 100] as [UInt64] {
                let whole = space.read(.single(.keys(prefix: prefix, startAfter: start, limit: limit))).result
                var scan = KeyScan(prefix: prefix, startAfter: start, limit: limit)
                var keys: [Bytes] = []
                while !scan.isFinished {
                    let slice = space.keys(&scan, maxKeys: most, maxBytes: 500)
                    #expect(slice.count <= most && slice.dropLast().reduce(0) { $0 + $1.count } < 500)
                    #expect(!slice.isEmpty || scan.isFinished)
                    keys += slice
                }
                #expect(.single(.keys(keys)) == whole)
                #expect(space.keys(&scan, maxKeys: 1, maxBytes: 1).isEmpty)
            }
        }
    }

    @Test("a scan goes on by key while keys come and go, also when the one it stopped at is gone")
    func changes() throws {
        var space = Keyspace()
        for number in stride(from: 0, to: 2_000, by: 2) { try space.run(.set(key: Bytes(utf8: pad(number)), value: .data(""))) }
        var scan = KeyScan(prefix: "")
        var given: [Bytes] = []
        var number = 0
        while !scan.isFinished {
            given += space.keys(&scan, maxKeys: 7, maxBytes: 1 << 20)
            if let last = scan.after { try space.run(.delete(key: last)) }
            try space.run(.set(key: Bytes(utf8: pad(2 * number + 1)), value: .data("")))
            number += 1
        }
        #expect(zip(given, given.dropFirst()).allSatisfy { $0 < $1 })
        let even = Set(stride(from: 0, to: 2_000, by: 2).map { Bytes(utf8: pad($0)) })
        #expect(even.subtracting(given).isEmpty)
    }

    func pad(_ number: Int) -> String { String(String(1_000_000 + number).dropFirst()) }

    @Test("the last key of a slice does not hold its value in memory")
    func resumeKey() throws {
        var space = Keyspace()
        try space.run(.set(key: "a", value: .data(Bytes([UInt8](repeating: 0, count: 1 << 20)))))
        try space.run(.set(key: "b", value: .data("")))
        var scan = KeyScan(prefix: "")
        _ = space.keys(&scan, maxKeys: 1, maxBytes: 100)
        #expect(scan.after == "a" && scan.after?.pinsMore == false)
    }

    @Test("entries come in slices too")
    func entries() throws {
        var space = Keyspace()
        for number in 0..<500 { try space.run(.set(key: Bytes(utf8: "\(number)"), value: .data("v"))) }
        let frozen = space.frozen()
        var all: [KeyEntry] = []
        while true {
            let slice = frozen.entries(after: all.last?.key, maxEntries: 30, maxBytes: 50)
            if slice.isEmpty { break }
            #expect(slice.count <= 30 && slice.dropLast().reduce(0) { $0 + $1.key.count + $1.value.size } < 50)
            all += slice
        }
        #expect(all == frozen.entries(after: nil, maxEntries: .max, maxBytes: .max) && all.count == 500)
    }
}
