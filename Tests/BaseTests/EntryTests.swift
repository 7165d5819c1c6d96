@testable import Base
import Testing

@Suite struct EntryTests {
    func sample(_ random: inout SplitMix64) -> Entry {
        func number() -> UInt64 { random.next() >> random.next(below: 64) }
        return Entry(
            term: Term(number()), index: Index(number()), kind: Entry.Kind(rawValue: number()), timeMs: number(),
            sessionID: number(), sequence: number(), version: number(), data: randomBytes(&random, below: 300))
    }

    @Test("an entry, byte for byte")
    func golden() {
        let entry = Entry(term: 300, index: 2, kind: .command, timeMs: 3, sessionID: 4, sequence: 5, data: "abc")
        #expect(entry.packed.array == [8, 0xac, 2, 16, 2, 24, 2, 32, 3, 40, 4, 48, 5, 56, 1, 66, 3, 0x61, 0x62, 0x63])
        // As protobuf has it, what is zero is left out.
        let plain = Entry(term: 1, index: 2, kind: .noOperation, timeMs: 0, version: 0, data: Bytes())
        #expect(plain.packed.array == [8, 1, 16, 2, 24, 1])
    }

    @Test("what is packed is unpacked")
    func roundTrip() throws {
        var random = SplitMix64(seed: 1)
        for _ in 0..<2_000 {
            let entry = sample(&random)
            let read = try Entry(unpacking: entry.packed)
            #expect(read == entry && read.term == entry.term && read.index == entry.index && read.kind == entry.kind)
            #expect(read.timeMs == entry.timeMs && read.sessionID == entry.sessionID && read.sequence == entry.sequence)
            #expect(read.version == entry.version && read.data == entry.data)
            #expect(read.data.isEmpty || address(read.data) == address(entry.data))
        }
    }

    @Test("data written with headroom is not copied, whatever the numbers; without it, it is")
    func headroom() {
        let numbers: [UInt64] = [0, 1, 127, 128, .max]
        for number in numbers {
            for size in [1, 127, 128, 100_000] {
                var writer = ByteWriter(capacity: size, headroom: Entry.headroom)
                writer.writeZeros(size)
                let data = writer.finish()
                func pack() -> Entry {
                    Entry(
                        term: Term(number), index: Index(number), kind: Entry.Kind(rawValue: number), timeMs: number,
                        sessionID: number, sequence: number, version: number, data: data)
                }
                let entry = pack()
                #expect(entry.data == data && address(entry.data) == address(data))
                // The headroom is taken: the same data once more is packed into memory of its own.
                let again = pack()
                #expect(again == entry && address(again.data) != address(data))
            }
        }
    }

    @Test("unknown fields stay in the packed bytes; a field given twice counts as it came last")
    func unknownFields() throws {
        let packed = Bytes([8, 1, 8, 7] + [0x7a, 2, 1, 2] + [0x79] + [UInt8](repeating: 0, count: 8) + [66, 1, 5])
        let entry = try Entry(unpacking: packed)
        #expect(entry.term == 7 && entry.data == [5] && entry.packed == packed)
        // Field 1, but as length-delimited bytes: nothing that we know.
        #expect(try Entry(unpacking: [10, 1, 9]).term == 0)
    }

    @Test("no bytes make unpacking trap", arguments: 1...3 as ClosedRange<UInt64>)
    func fuzz(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var understood = 0
        for _ in 0..<10_000 {
            var bytes = sample(&random).packed.array
            for _ in 0..<1 + random.next(below: 3) {
                let at = Int(random.next(below: UInt64(bytes.count + 1)))
                switch random.next(below: 4) {
                case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8(random.next(below: 8))
                case 1 where at < bytes.count: bytes[at] = UInt8(random.next(below: 256))
                case 2: bytes.removeSubrange(at...)
                default: bytes.insert(UInt8(random.next(below: 256)), at: at)
                }
            }
            do throws(ByteReader.Failure) {
                let entry = try Entry(unpacking: Bytes(bytes))
                #expect(entry.packed.array == bytes)
                understood += 1
            } catch {
                continue
            }
        }
        #expect(understood > 500)
    }
}
