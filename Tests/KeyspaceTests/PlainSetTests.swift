@testable import Keyspace
import Base
import Testing

/// The short ways around decoding a command: each must come to what the long way comes to.
@Suite struct PlainSetTests {
    /// Keys that search and encoding might trip over.
    static let keys: [Bytes] = [
        "", "a", "\0", "\0\0", "a\0", "a\0b", "prefix/", "prefix/1", "prefix/12345678", "prefix/123456789",
        Bytes([UInt8](repeating: 0xff, count: 8)), Bytes([UInt8](repeating: 0, count: 9)),
        Bytes([UInt8](repeating: 7, count: 64 << 10)), Bytes([UInt8](repeating: 7, count: 64 << 10 | 1)),
    ]

    func fields(_ bytes: Bytes) -> (key: Bytes, data: Bytes)? {
        bytes.withUnsafeBytes { PlainSet($0, version: Command.version) }.map { (bytes[$0.key], bytes[$0.data]) }
    }

    func decoded(_ bytes: Bytes) -> (key: Bytes, data: Bytes)? {
        do {
            guard case .single(.set(let key, .data(let data))) = try Command(decoding: bytes, version: Command.version)
            else { return nil }
            return (key, data)
        } catch {
            return nil
        }
    }

    @Test("a set of data is recognised, whatever its key")
    func recognised() throws {
        for key in Self.keys {
            for data in ["", "x", Bytes([UInt8](repeating: 1, count: 200)), Bytes([UInt8](repeating: 2, count: 70_000))] as [Bytes] {
                let found = try #require(fields(Command.single(.set(key: key, value: .data(data))).encode()))
                #expect(found == (key, data))
            }
        }
    }

    @Test("what is recognised is what decoding says, for any bytes", arguments: [1, 2, 3] as [UInt64])
    func anyBytes(seed: UInt64) {
        var samples = Samples(seed: seed)
        var random = SplitMix64(seed: seed)
        var recognised = 0
        for _ in 0..<20_000 {
            var bytes = samples.command().encode().array
            if random.next(below: 3) > 0, !bytes.isEmpty {
                for _ in 0...random.next(below: 3) {
                    bytes[Int(random.next(below: UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next(below: 256))
                }
                if random.next(below: 4) == 0 { bytes.removeLast(Int(random.next(below: UInt64(bytes.count)))) }
            }
            guard let found = fields(Bytes(bytes)) else { continue }
            recognised += 1
            let truth = decoded(Bytes(bytes))
            #expect(truth != nil && truth! == found)
        }
        #expect(recognised > 1_000)
        #expect(Bytes("").withUnsafeBytes { PlainSet($0, version: Command.version) } == nil)
    }

    @Test("another version is not recognised")
    func version() {
        let bytes = Command.single(.set(key: "k", value: .data("v"))).encode()
        #expect(bytes.withUnsafeBytes { PlainSet($0, version: Command.version + 1) } == nil)
    }

    @Test("an encoded command is judged as the decoded one is")
    func judged() throws {
        let space = Keyspace()
        var limits = Limits()
        limits.keySize = 64 << 10
        limits.valueSize = 1_000
        for key in Self.keys {
            for size in [0, 999, 1_000, 1_001] {
                let command = Command.single(.set(key: key, value: .data(Bytes([UInt8](repeating: 3, count: size)))))
                let short = try space.refusal(encoded: command.encode(), version: Command.version, limits: limits)
                #expect(short == space.refusal(for: command, limits: limits))
                #expect((short == nil) == (!key.isEmpty && key.count <= 64 << 10 && size <= 1_000))
            }
        }
        #expect(throws: Command.Failure.self) { try space.refusal(encoded: "junk", version: Command.version, limits: limits) }
    }

    @Test("what was read or frozen stays as it was when its key is set anew, at every size")
    func inPlace() throws {
        var space = Keyspace()
        var held: [(Value?, FrozenKeyspace, Value)] = []
        for step in 0..<400 {
            let value = Value.data(Bytes([UInt8](repeating: UInt8(step % 251), count: step * 7 % 90)))
            try space.run(.set(key: "k", value: value))
            #expect(space.value(of: "k").value == value && space.entry(for: "k")?.created == 1)
            #expect(space.entry(for: "k")?.version == space.revision)
            if step % 3 == 0 { held.append((space.value(of: "k").value, space.frozen(), value)) }
            if step % 5 == 0 { try space.run(.append(key: "k", suffix: "tail")) }
            if step % 7 == 0 { try space.run(.set(key: "k", value: .list(["an", "item"]))) }
        }
        for (read, frozen, value) in held { #expect(read == value && frozen.value(of: "k").value == value) }
    }
}

@Suite struct TouchTests {
    /// Entries of every sort, readable or not.
    func entries(_ samples: inout Samples, _ random: inout SplitMix64, from first: UInt64) -> [Entry] {
        (0..<UInt64(Keyspace.touchAhead)).map { number in
            var data = samples.command().encode()
            if number % 4 == 0 { data = data[0..<Int(random.next(below: UInt64(data.count)))] }
            if number % 4 > 1 {
                let key = number % 4 == 2 ? randomKey(&random, among: 50_000) : PlainSetTests.keys[Int(number) % PlainSetTests.keys.count]
                data = Command.single(.set(key: key, value: .data("v"))).encode()
            }
            let kind: Entry.Kind = number % 8 == 5 ? .noOperation : .command
            return Entry(term: 1, index: Index(rawValue: first + number), kind: kind, timeMs: 1, data: data)
        }
    }

    @Test("touching what entries need changes nothing, whatever they say, in a tree of any height", arguments: [0, 5_000, 30_000])
    func changesNothing(count: Int) throws {
        var samples = Samples(seed: 8), random = SplitMix64(seed: 9)
        var space = Keyspace()
        while space.count < count { try space.run(.set(key: randomKey(&random, among: 200_000), value: .data("v"))) }
        for key in PlainSetTests.keys where count > 0 { try space.run(.set(key: key, value: .data(key))) }
        let before = space.frozen().entries(after: nil, maxEntries: .max, maxBytes: .max)
        var touched: UInt64 = 0
        for round in 0..<200 as Range<UInt64> {
            let entries = entries(&samples, &random, from: space.appliedIndex.rawValue + 1 + round)
            touched |= space.touch(entries[...])
            touched |= space.touch(entries[3..<3])
        }
        #expect((touched != 0) == (count >= 10_000), "whether anything was read")
        #expect(space.frozen().entries(after: nil, maxEntries: .max, maxBytes: .max) == before)
        space.contents.map.checkInvariants()
    }
}
