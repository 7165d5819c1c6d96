@testable import Base
import Testing

@Suite struct NumbersTests {
    /// One bit at a time, as the definition has it.
    func plainCRC(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = 0xffff_ffff
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
        }
        return ~crc
    }

    @Test("CRC-32C gives the published checksums", arguments: [
        // The check value of the CRC catalogue, then RFC 3720, appendix B.4.
        ([UInt8]("123456789".utf8), 0xe306_9283),
        ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
        ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
        ([UInt8](0..<32), 0x46dd_794e),
        ([UInt8]((0..<32).reversed()), 0x113f_db5c),
        ([], 0),
    ] as [([UInt8], UInt32)])
    func crcVectors(bytes: [UInt8], crc: UInt32) {
        #expect(CRC32C.of(Bytes(bytes)) == crc && plainCRC(bytes) == crc)
    }

    @Test("a checksum does not depend on how the bytes are cut or where they lie")
    func crcPieces() {
        var random = SplitMix64(seed: 4)
        for _ in 0..<300 {
            let bytes = randomBytes(&random, below: 200)
            var crc = CRC32C()
            var rest = bytes
            while !rest.isEmpty {
                let cut = Int(1 + random.next(below: UInt64(rest.count)))
                crc.add(rest[0..<cut])
                rest = rest[cut..<rest.count]
            }
            #expect(crc.value == plainCRC(bytes.array))
            var span = CRC32C()
            bytes.withSpan { span.add($0) }
            #expect(span.value == crc.value)
        }
    }

    @Test("SplitMix64 gives the numbers of the reference implementation")
    func splitMix() {
        var zero = SplitMix64(seed: 0)
        #expect((0..<3).map { _ in zero.next() } == [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f])
        var other = SplitMix64(seed: 1_234_567)
        #expect((0..<5).map { _ in other.next() } == [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
            4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
        ])
    }

    @Test("numbers below a bound are all of them, about equally often", arguments: [1, 2, 3, 10, 1000] as [UInt64])
    func below(bound: UInt64) {
        var random = SplitMix64(seed: bound)
        var counts = [Int](repeating: 0, count: Int(bound))
        for _ in 0..<Int(bound) * 1_000 { counts[Int(random.next(below: bound))] += 1 }
        // Six standard deviations of a Poisson count of 1000.
        #expect(counts.allSatisfy { abs($0 - 1_000) < 190 })
    }

    @Test("a bound just over half of all numbers is not biased towards the low ones")
    func largeBound() {
        // Without rejection a third of the results would come up twice as often as the rest.
        var random = SplitMix64(seed: 8)
        let bound: UInt64 = 3 << 62
        var thirds = [0, 0, 0]
        for _ in 0..<30_000 {
            let number = random.next(below: bound)
            #expect(number < bound)
            thirds[Int(number % 3)] += 1
        }
        #expect(thirds.allSatisfy { abs($0 - 10_000) < 500 }, "\(thirds)")
    }

    @Test("indexes count, step and print")
    func indexes() {
        let five: Index = 5
        #expect(five.next == 6 && five.previous == 4 && five.distance(to: 2) == -3 && five.advanced(by: -2) == 3)
        #expect(Array(Index(1)..<4) == [1, 2, 3] && "\(five)" == "5" && Term(4).next == 5)
        #expect("\(MemberID(0xab))" == "00000000000000ab" && hexadecimal(.max) == "ffffffffffffffff")
    }

    @Test("time is added and taken away without wrapping round")
    func time() {
        let start = Instant(nanoseconds: 100)
        #expect(start + .microseconds(1) == Instant(nanoseconds: 1_100))
        #expect(start + .seconds(2) - start == .milliseconds(2_000))
        #expect(start - (start + .seconds(1)) == .zero)
        #expect(Instant.never + .seconds(1) == .never && Instant.never > start)
        #expect(Interval(nanoseconds: .max) + .seconds(1) == Interval(nanoseconds: .max))
        #expect(Interval.seconds(99_999_999 * 3_600) == Interval(nanoseconds: .max), "the longest grpc-timeout")
        // A timer set for these is never early, and the longest has a length in milliseconds too.
        #expect(Interval(nanoseconds: 1).milliseconds == 1 && Interval(nanoseconds: 1_000_000).milliseconds == 1)
        #expect(Interval(nanoseconds: 1_000_001).milliseconds == 2 && Interval.zero.milliseconds == 0)
        #expect((Instant.never - .zero).milliseconds == 18_446_744_073_710)
    }
}
