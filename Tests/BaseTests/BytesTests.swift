@testable import Base
import Testing

/// Where the bytes lie: two values with one address share their storage.
func address(_ bytes: Bytes) -> UInt { bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } }

func randomBytes(_ random: inout SplitMix64, below bound: UInt64) -> Bytes {
    // Few different bytes, so that many begin alike.
    Bytes((0..<random.next(below: bound)).map { _ in [0, 1, 0x7f, 0x80, 0xff][Int(random.next(below: 5))] as UInt8 })
}

@Suite struct BytesTests {
    @Test("however bytes are made they are the bytes that were given")
    func making() {
        let array: [UInt8] = [0, 1, 255, 104]
        #expect(Bytes(array).array == array)
        #expect(Bytes(AnyCollection(array)).array == array)
        #expect(array.withUnsafeBytes { Bytes(copying: $0) }.array == array)
        #expect(Bytes(array).withSpan { Bytes(copying: $0) }.array == array)
        #expect(Bytes(utf8: "hé").array == [0x68, 0xc3, 0xa9])
        #expect(("hé" as Bytes).array == [0x68, 0xc3, 0xa9])
        #expect(([1, 2] as Bytes).array == [1, 2])
        let written = Bytes(capacity: 10) { target in
            target[0] = 7
            return 1
        }
        #expect(written.array == [7])
        for empty in [Bytes(), "", [], Bytes(utf8: ""), Bytes([] as [UInt8]), Bytes(capacity: 4) { _ in 0 }] as [Bytes] {
            #expect(empty.isEmpty && empty.array == [] && empty == Bytes() && empty.compacted().isEmpty)
        }
    }

    @Test("a value takes 16 bytes, its memory one object")
    func layout() {
        #expect(MemoryLayout<Bytes>.size == 16)
        #expect(MemoryLayout<ByteStorage.Header>.size == 12)
    }

    @Test("a slice shares the storage of what it was cut from")
    func slices() {
        let bytes: Bytes = "hello, world"
        let slice = bytes[7..<12]
        #expect(slice == "world" && slice[0] == 0x77 && address(slice) == address(bytes) + 7)
        #expect(slice[1..<3] == "or" && bytes[3..<3].isEmpty)
        #expect(slice.hasPrefix("wor") && !slice.hasPrefix("worlds") && slice.hasPrefix("") && !slice.hasPrefix("x"))
    }

    @Test("what keeps more alive than itself is copied out")
    func compacting() {
        let large = Bytes([UInt8](repeating: 65, count: 1000))
        #expect(!large.pinsMore && address(large.compacted()) == address(large))
        let piece = large[10..<20]
        #expect(piece.pinsMore)
        let copy = piece.compacted()
        #expect(copy == piece && !copy.pinsMore && address(copy) != address(piece))
    }

    @Test("order is byte order, as of unsigned numbers; equal bytes hash alike", arguments: [1, 2])
    func order(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var equal = 0
        for _ in 0..<4_000 {
            let a = randomBytes(&random, below: seed == 1 ? 3 : 20), b = randomBytes(&random, below: 20)
            let padded = Bytes([1] + b.array)[1..<b.count + 1]
            #expect((a < b) == a.array.lexicographicallyPrecedes(b.array))
            #expect((a == b) == (a.array == b.array))
            #expect(Bytes.order(a, b).signum() == -Bytes.order(b, a).signum())
            #expect(padded == b && padded.hashValue == b.hashValue && Bytes.order(padded, b) == 0)
            if a == b { equal += 1 }
        }
        #expect(equal > 0 || seed == 2)
    }

    @Test("bytes in front are written into the headroom, once")
    func prepending() {
        var writer = ByteWriter(capacity: 8, headroom: 10)
        writer.write(utf8: "data")
        let data = writer.finish()
        func front(_ text: StaticString, _ bytes: Bytes) -> Bytes {
            let front = Bytes(stringLiteral: text)
            return bytes.prepending(front.count) { target in front.withUnsafeBytes { target.copyMemory(from: $0) } }
        }
        let first = front("abc", data), second = front("xyz", data), third = front("1234567", first)
        #expect(first == "abcdata" && second == "xyzdata" && third == "1234567abcdata" && data == "data")
        #expect(address(first) == address(data) - 3, "the first takes the headroom")
        #expect(address(second) != address(data) - 3, "the second finds it taken")
        #expect(address(third) == address(data) - 10, "what is left may be taken too")
        #expect(front("x", third) == "x1234567abcdata" && front("y", third[2..<4]) == "y34")
        #expect(front("a", Bytes()) == "a")
    }

    @Test("bytes behind are written into room kept for them, and nothing that exists changes")
    func appending() {
        var random = SplitMix64(seed: 3)
        var values: [(Bytes, [UInt8])] = [(Bytes(), [])]
        for _ in 0..<3_000 {
            // Any value so far may be continued, also in different ways.
            let (bytes, array) = values[Int(random.next(below: UInt64(values.count)))]
            let suffix = randomBytes(&random, below: 9)
            values.append((bytes.appending(suffix), array + suffix.array))
            if random.next(below: 4) == 0 {
                let cut = Int(random.next(below: UInt64(array.count + 1)))
                values.append((bytes[0..<cut], Array(array[..<cut])))
            }
        }
        for (bytes, array) in values { #expect(bytes.array == array) }
    }

    @Test("a value that grows is copied seldom")
    func growth() {
        var bytes: Bytes = "x"
        var moves = 0
        for _ in 0..<100_000 {
            let before = address(bytes)
            bytes = bytes.appending("y")
            if address(bytes) != before { moves += 1 }
        }
        #expect(bytes.count == 100_001 && moves < 40, "\(moves) copies of 100,000 appends")
        #expect(!bytes.pinsMore, "the room behind is within what a stored value may keep")
        #expect(address(bytes.appending("")) == address(bytes))
    }

    @Test("bytes are rewritten in place only when nobody else sees it and the memory is of the right size")
    func rewriting() {
        func fill(_ bytes: inout Bytes, _ count: Int) -> Bool {
            bytes.rewrite(count: count) { target in
                for at in target.indices { target[at] = UInt8(ascii: "n") }
            }
        }
        var bytes = Bytes([UInt8](repeating: 1, count: 200))
        let before = address(bytes)
        #expect(fill(&bytes, 180) && address(bytes) == before)
        #expect(bytes == Bytes([UInt8](repeating: UInt8(ascii: "n"), count: 180)))
        #expect(bytes.appending("xyz").count == 183, "what a shorter value leaves behind it may be claimed")
        #expect(fill(&bytes, 200) && !fill(&bytes, 201) && !fill(&bytes, 60) && !fill(&bytes, 0))
        let slice = bytes[3..<5]
        #expect(!fill(&bytes, 200) && slice == "nn" && bytes.count == 200)
        var none = Bytes()
        #expect(!fill(&none, 1))
        var tail = Bytes("0123456789")[4..<10]
        #expect(fill(&tail, 6) && tail == "nnnnnn" && !fill(&tail, 7))
    }

    @Test("UTF-8 is judged as the standard library judges it")
    func utf8() {
        for text in ["", "a", "é", "水", "🌊", "a long text, ä ö ü, 水水水水 🌊🌊", "\0", "\u{d7ff}\u{e000}\u{10ffff}"] {
            #expect(Bytes(utf8: text).isValidUTF8)
        }
        let leads: [UInt8] = [0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf3, 0xf4, 0xf5, 0xff]
        let nexts: [UInt8] = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]
        for lead in leads {
            for a in nexts {
                for b in nexts {
                    for c in nexts {
                        for bytes in [[lead], [lead, a], [lead, a, b], [lead, a, b, c], [65, 65, 65, 65, 65, 65, lead, a, b, c]] {
                            let valid = String(validating: bytes, as: UTF8.self) != nil
                            if Bytes(bytes).isValidUTF8 != valid { Issue.record("\(bytes) is valid: \(valid)") }
                        }
                    }
                }
            }
        }
        #expect(Bytes(utf8: "水").utf8String == "水" && ([0xff] as Bytes).utf8String == nil)
    }

    @Test("people see printable ASCII as it is and the rest as numbers")
    func description() {
        #expect("\(Bytes([0x61, 0, 0x0f, 0xff, 0x5c, 0x7e, 0x7f]))" == #"a\x00\x0f\xff\x5c~\x7f"#)
    }
}
