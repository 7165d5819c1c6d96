@testable import Base
import Testing

@Suite struct ReaderWriterTests {
    @Test("numbers are little-endian, in their own width")
    func numbers() throws {
        var writer = ByteWriter(capacity: 1)
        writer.write(0x0102_0304 as UInt32)
        writer.write(0xab as UInt8)
        writer.write(-2 as Int16)
        writer.writeZeros(3)
        writer.write(UInt64.max)
        #expect(writer.count == 18)
        writer.overwrite(at: 0, 0xaabb_ccdd as UInt32)
        let bytes = writer.finish()
        #expect(bytes.array == [0xdd, 0xcc, 0xbb, 0xaa, 0xab, 0xfe, 0xff, 0, 0, 0] + [UInt8](repeating: 255, count: 8))
        var reader = ByteReader(bytes)
        #expect(try reader.read(UInt32.self) == 0xaabb_ccdd)
        #expect(try reader.read() as UInt8 == 0xab)
        #expect(try reader.read(Int16.self) == -2)
        #expect(try reader.read(count: 3) == [0, 0, 0])
        #expect(reader.remaining == 8 && reader.offset == 10)
        #expect(try reader.read(UInt64.self) == .max)
        #expect(reader.isAtEnd)
        #expect(throws: ByteReader.Failure.truncated(at: 18)) { try reader.read(UInt8.self) }
    }

    @Test("varints, byte for byte", arguments: [
        (0, [0]), (1, [1]), (127, [0x7f]), (128, [0x80, 1]), (300, [0xac, 2]), (16_383, [0xff, 0x7f]),
        (16_384, [0x80, 0x80, 1]), (UInt64.max >> 1, [UInt8](repeating: 0xff, count: 8) + [0x7f]),
        (UInt64.max, [UInt8](repeating: 0xff, count: 9) + [1]),
    ] as [(UInt64, [UInt8])])
    func varints(number: UInt64, bytes: [UInt8]) throws {
        var writer = ByteWriter()
        writer.writeVarint(number)
        #expect(writer.finish().array == bytes && varintLength(number) == bytes.count)
        var reader = ByteReader(Bytes(bytes))
        #expect(try reader.readVarint() == number && reader.isAtEnd)
        for count in 0..<bytes.count {
            var short = ByteReader(Bytes(bytes[..<count]))
            #expect(throws: ByteReader.Failure.truncated(at: 0)) { try short.readVarint() }
        }
    }

    @Test("every power of two and its neighbours come back, at the length foretold")
    func varintBorders() throws {
        for bit in 0..<64 as Range<UInt64> {
            for number in [1 << bit, (1 << bit) - 1, (1 << bit) | 1] as [UInt64] {
                var writer = ByteWriter(capacity: 0)
                writer.writeVarint(number)
                #expect(writer.count == varintLength(number))
                var reader = ByteReader(writer.finish())
                #expect(try reader.readVarint() == number)
            }
        }
    }

    @Test("a varint of more than 64 bits is refused; one with zeros on top is read")
    func longVarints() throws {
        func read(_ bytes: [UInt8]) -> Result<UInt64, ByteReader.Failure> {
            var reader = ByteReader(Bytes([9] + bytes), from: 1)
            do throws(ByteReader.Failure) { return .success(try reader.readVarint()) } catch { return .failure(error) }
        }
        let nine = [UInt8](repeating: 0x80, count: 9)
        #expect(read(nine + [0]) == .success(0))
        #expect(read(nine + [1]) == .success(1 << 63))
        #expect(read(nine + [2]) == .failure(.varintTooLong(at: 1)))
        #expect(read(nine + [0x80, 0]) == .failure(.varintTooLong(at: 1)))
        #expect(read([0xff, 0]) == .success(127))
    }

    @Test("tags and length-delimited values; what is unknown can be passed over")
    func protobuf() throws {
        var writer = ByteWriter()
        writer.writeTag(field: 1, .lengthDelimited)
        writer.writeVarint(3)
        writer.write("abc" as Bytes)
        for type in [WireType.varint, .fixed64, .lengthDelimited, .fixed32] {
            writer.writeTag(field: (1 << 29) - 1, type)
            switch type {
            case .varint: writer.writeVarint(.max)
            case .fixed64: writer.write(0 as UInt64)
            case .lengthDelimited: writer.writeVarint(1); writer.write(0 as UInt8)
            case .fixed32: writer.write(0 as UInt32)
            }
        }
        let bytes = writer.finish()
        var reader = ByteReader(bytes)
        let (field, type) = try reader.readTag()
        #expect(field == 1 && type == .lengthDelimited)
        let value = try reader.readLengthDelimited()
        #expect(value == "abc" && address(value) == address(bytes) + 2)
        for _ in 0..<4 {
            let (field, type) = try reader.readTag()
            #expect(field == (1 << 29) - 1)
            try reader.skip(type)
        }
        #expect(reader.isAtEnd)
        for (bad, failure) in [
            ([0x0b], .badWireType(at: 0)), ([0x0c], .badWireType(at: 0)), ([0x0e], .badWireType(at: 0)),
            ([0x02], .badWireType(at: 0)), ([0x80, 0x80, 0x80, 0x80, 0x10], .badWireType(at: 0)),
        ] as [([UInt8], ByteReader.Failure)] {
            var reader = ByteReader(Bytes(bad))
            #expect(throws: failure) { try reader.readTag() }
        }
        var long = ByteReader(Bytes([0x05, 1, 2]))
        #expect(throws: ByteReader.Failure.truncated(at: 0)) { try long.readLengthDelimited() }
        var huge = ByteReader(Bytes([UInt8](repeating: 0xff, count: 9) + [1]))
        #expect(throws: ByteReader.Failure.truncated(at: 0)) { try huge.readLengthDelimited() }
    }

    @Test("a writer grows without losing what it holds or its headroom, and can be used again")
    func growing() {
        var random = SplitMix64(seed: 1)
        var writer = ByteWriter(capacity: 1, headroom: 5)
        for _ in 0..<3 {
            var expected: [UInt8] = []
            for _ in 0..<500 {
                let piece = randomBytes(&random, below: 30)
                switch random.next(below: 3) {
                case 0: writer.write(piece)
                case 1: piece.withSpan { writer.write($0) }
                default: piece.withUnsafeBytes { writer.write($0) }
                }
                expected += piece.array
            }
            #expect(writer.count == expected.count && writer.withUnsafeBytes { Array($0) } == expected)
            writer.removeAll()
        }
        writer.write(utf8: "end")
        let bytes = writer.finish()
        let before = address(bytes)
        let longer = bytes.prepending(5) { $0.initializeMemory(as: UInt8.self, repeating: 0x2d) }
        #expect(longer == "-----end" && address(longer) == before - 5)
    }

    @Test("no bytes make the reader trap", arguments: 1...3 as ClosedRange<UInt64>)
    func fuzz(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var ended = 0
        for _ in 0..<20_000 {
            let bytes = Bytes((0..<random.next(below: 24)).map { _ in
                random.next(below: 2) == 0 ? UInt8(random.next(below: 20)) : UInt8(random.next(below: 256))
            })
            var reader = ByteReader(bytes)
            do throws(ByteReader.Failure) {
                while !reader.isAtEnd {
                    let before = reader.offset
                    let (_, type) = try reader.readTag()
                    try reader.skip(type)
                    #expect(reader.offset > before && reader.offset <= bytes.count)
                }
                ended += 1
            } catch {
                #expect(reader.offset <= bytes.count)
            }
        }
        #expect(ended > 200)
    }
}
