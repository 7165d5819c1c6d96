@testable import Keyspace
import Base
import Testing

extension FrozenKeyspace {
    func chunks(chunkBytes: Int = 4096, configuration: Bytes = "a configuration") -> [Bytes] {
        var encoder = SnapshotEncoder(
            self, term: 7, configurationIndex: min(1, appliedIndex), configuration: configuration, chunkBytes: chunkBytes)
        var chunks: [Bytes] = []
        while let chunk = encoder.next() { chunks.append(chunk) }
        #expect(encoder.byteCount == UInt64(chunks.reduce(0) { $0 + $1.count }))
        return chunks
    }
}

func joined(_ chunks: [Bytes]) -> [UInt8] { chunks.flatMap(\.array) }

/// What a snapshot, in pieces of some size, was found to hold.
struct Restored {
    var head: SnapshotHead
    var contents: KeyspaceContents

    init(_ bytes: [UInt8], pieces: Int = .max) throws(SnapshotFault) {
        var decoder = SnapshotDecoder()
        var at = 0
        while at < bytes.count {
            let end = pieces < bytes.count - at ? at + pieces : bytes.count
            try decoder.feed(Bytes(Array(bytes[at..<end])))
            at = end
        }
        guard let head = decoder.head else { throw .truncated(at: decoder.byteCount) }
        self.head = head
        contents = try decoder.finish().contents
    }
}

@Suite struct SnapshotTests {
    /// A keyspace with everything in it: values of both kinds, sessions, answers of every kind.
    func sample(seed: UInt64, commands: Int, sessions: Int = 3) throws -> Space {
        var samples = Samples(seed: seed)
        let space = Space()
        var limits = SessionLimits()
        limits.window = 20
        limits.answerBytes = 600
        var ids: [UInt64] = []
        for _ in 0..<sessions { ids.append(try space.open(limits)) }
        for number in 0..<commands {
            let session = samples.number(3) == 0 || ids.isEmpty ? 0 : ids[Int(samples.number(UInt64(ids.count)))]
            try space.run(samples.command(), session: session, sequence: UInt64(number / 3 + 1), timeMs: UInt64(number))
        }
        return space
    }

    func expectSame(_ a: KeyspaceContents, _ b: KeyspaceContents, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(a.revision == b.revision && a.appliedIndex == b.appliedIndex && a.timeMs == b.timeMs, sourceLocation: sourceLocation)
        #expect(a.sessions == b.sessions, sourceLocation: sourceLocation)
        let entries = [a, b].map { FrozenKeyspace(contents: $0).entries(after: nil, maxEntries: .max, maxBytes: .max) }
        #expect(entries[0] == entries[1], sourceLocation: sourceLocation)
        b.map.checkInvariants(sourceLocation: sourceLocation)
    }

    @Test("what is written is read back, in chunks and pieces of any size", arguments: [64, 100, 4096, 1 << 20])
    func roundTrip(chunkBytes: Int) throws {
        for commands in [0, 1, 40, 1_500] {
            let space = try sample(seed: UInt64(commands + 3), commands: commands, sessions: commands == 0 ? 0 : 3)
            let chunks = FrozenKeyspace(contents: space.contents).chunks(chunkBytes: chunkBytes)
            #expect(chunks.allSatisfy { $0.count <= chunkBytes + SnapshotFormat.chunkHeadBytes })
            let bytes = joined(chunks)
            for pieces in [1, 15, 16, 17, 333, .max] {
                let restored = try Restored(bytes, pieces: pieces)
                expectSame(space.contents, restored.contents)
                #expect(restored.head.term == 7 && restored.head.configuration == "a configuration")
                #expect(restored.head.index == space.appliedIndex && restored.head.configurationIndex == min(1, space.appliedIndex))
                // The same state has the same bytes, wherever it comes from.
                #expect(joined(FrozenKeyspace(contents: restored.contents).chunks(chunkBytes: chunkBytes)) == bytes)
            }
        }
    }

    @Test("a restored keyspace goes on as the one it was taken from does", arguments: 1...4 as ClosedRange<UInt64>)
    func goesOn(seed: UInt64) throws {
        let original = try sample(seed: seed, commands: 800)
        let copy = Space()
        copy.space = try restoredKeyspace(joined(FrozenKeyspace(contents: original.contents).chunks()))
        var samples = Samples(seed: seed + 50)
        for number in 0..<2_000 {
            let command = samples.command()
            let session = samples.number(5)
            // Old requests again, new ones, and a time at which sessions end.
            let sequence = 200 + samples.number(100) + UInt64(number / 10)
            let timeMs = UInt64(number) * 5_000
            let outcomes = try [original, copy].map {
                try $0.run(command, session: session, sequence: sequence, timeMs: timeMs)
            }
            #expect(outcomes[0] == outcomes[1])
        }
        #expect(original.sessionCount == copy.sessionCount)
        expectSame(original.contents, copy.contents)
    }

    func restoredKeyspace(_ bytes: [UInt8]) throws -> Keyspace {
        var decoder = SnapshotDecoder()
        try decoder.feed(Bytes(bytes))
        return try decoder.finish()
    }

    @Test("a repeated request is known after a snapshot too")
    func sessionsInside() throws {
        let space = Space()
        let id = try space.open()
        let first = try space.run(.single(.append(key: "k", suffix: "x")), session: id, sequence: 1)
        let copy = Space()
        copy.space = try restoredKeyspace(joined(FrozenKeyspace(contents: space.contents).chunks()))
        #expect(try copy.run(.single(.append(key: "k", suffix: "x")), session: id, sequence: 1) == first)
        #expect(copy.length(of: "k") == 1)
    }

    @Test("every flipped bit, every beginning, and whatever stands behind is refused")
    func altered() throws {
        let space = try sample(seed: 5, commands: 60)
        let bytes = joined(FrozenKeyspace(contents: space.contents).chunks(chunkBytes: 128))
        #expect(bytes.count > 1_000 && bytes.count < 20_000)
        for at in bytes.indices {
            var altered = bytes
            altered[at] ^= 1 << (at % 8)
            do throws(SnapshotFault) {
                _ = try Restored(altered)
                Issue.record("byte \(at) was altered, and nobody saw it")
            } catch {
                switch error {
                case .damaged(let offset, _), .truncated(let offset), .newerFormat(_, let offset):
                    // A length that grew is noticed where the chunk should have ended.
                    #expect(offset <= UInt64(bytes.count), "\(error)")
                    if case .damaged = error { #expect(offset <= UInt64(at)) }
                }
            }
        }
        for count in bytes.indices {
            #expect(throws: SnapshotFault.truncated(at: UInt64(count))) { try Restored(Array(bytes[..<count])) }
        }
        for tail in [[0], bytes] as [[UInt8]] {
            #expect(throws: SnapshotFault.self) { try Restored(bytes + tail) }
        }
    }

    @Test("chunks left out, doubled or moved are refused")
    func rearranged() throws {
        let space = try sample(seed: 6, commands: 200)
        let chunks = FrozenKeyspace(contents: space.contents).chunks(chunkBytes: 512)
        #expect(chunks.count > 5)
        for at in chunks.indices {
            var without = chunks, twice = chunks, moved = chunks
            without.remove(at: at)
            twice.insert(chunks[at], at: at)
            moved.swapAt(at, (at + 1) % chunks.count)
            for wrong in [without, twice, moved] {
                #expect(throws: SnapshotFault.self) { try Restored(joined(wrong)) }
            }
        }
    }

    @Test("a newer format is told from damage")
    func newer() throws {
        var bytes = joined(FrozenKeyspace(contents: Space().contents).chunks())
        bytes[4] = 2
        let length = Int(bytes[8]) + SnapshotFormat.chunkHeadBytes
        let sum = bytes[..<length].withUnsafeBytes { SnapshotFormat.checksum(of: $0, after: 0) }
        for place in 0..<4 { bytes[12 + place] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(place))) }
        #expect(throws: SnapshotFault.newerFormat(2, at: 0)) { try Restored(bytes) }
    }

    @Test("values larger than a chunk go in parts")
    func largeValues() throws {
        let space = Space()
        let id = try space.open()
        for size in [5_000, 127, 128, 129, 70_000, 0] {
            let value = Value.data(Bytes((0..<size).map { UInt8(truncatingIfNeeded: $0) }))
            try space.run(.single(.set(key: Bytes(utf8: "key \(size)"), value: value)))
        }
        try space.run(.single(.delete(key: "key 70000")), session: id, sequence: 1)
        try space.run(.single(.delete(key: "key 127")), session: id, sequence: 2)
        for chunkBytes in [64, 128, 1000] {
            let chunks = FrozenKeyspace(contents: space.contents).chunks(chunkBytes: chunkBytes, configuration: Bytes([UInt8](repeating: 3, count: 3_000)))
            #expect(chunks.allSatisfy { $0.count <= chunkBytes + SnapshotFormat.chunkHeadBytes })
            expectSame(space.contents, try Restored(joined(chunks), pieces: 77).contents)
        }
    }

    @Test("a tree built from below has a tree's shape, whatever its size")
    func builder() {
        for count in [0, 1, 15, 16, 55, 56, 57, 63, 71, 72, 112, 113, 56 * 56, 56 * 56 + 1, 56 * 57 + 3, 10_000] {
            var builder = MapBuilder()
            var random = SplitMix64(seed: UInt64(count))
            let keys = Set((0..<count).map { _ in randomKey(&random, among: 1 << 40) }).sorted()
            for key in keys { builder.append(record(key, 1)) }
            var map = builder.finish()
            map.checkInvariants()
            #expect(map.all.map(\.key) == keys)
            for key in keys.shuffled(seed: 4).prefix(500) { map.remove(key) }
            for number in 0..<500 as Range<UInt64> { map.update(randomKey(&random, among: 1 << 40)) { _ in record("k", number) } }
        }
    }

    @Test("a hundred thousand keys go through a snapshot and come out equal")
    func large() throws {
        let space = Space()
        for number in 0..<100_000 {
            let key = Bytes(utf8: "user:\(number &* 7919 % 100_000):name")
            try space.run(.single(.set(key: key, value: .data(Bytes([UInt8](repeating: UInt8(number % 251), count: 100))))), wantsResult: false)
        }
        let clock = ContinuousClock()
        var chunks: [Bytes] = []
        let writing = clock.measure { chunks = FrozenKeyspace(contents: space.contents).chunks(chunkBytes: 256 << 10) }
        var decoder = SnapshotDecoder()
        let size = chunks.reduce(0) { $0 + $1.count }
        let reading = try clock.measure { for chunk in chunks { try decoder.feed(chunk) } }
        let contents = try decoder.finish().contents
        expectSame(space.contents, contents)
        print("a snapshot of 100,000 keys: \(size) bytes, written in \(writing), read in \(reading)")
    }
}

extension Array {
    func shuffled(seed: UInt64) -> [Element] {
        var random = SplitMix64(seed: seed)
        var copy = self
        for at in copy.indices.dropFirst() { copy.swapAt(at, Int(random.next(below: UInt64(at + 1)))) }
        return copy
    }
}
