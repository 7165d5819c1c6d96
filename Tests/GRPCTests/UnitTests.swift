import Base
import Testing

@testable import GRPC

@Suite("Small parts")
struct UnitTests {
    @Test("grpc-message: what is encoded is ASCII, and comes back")
    func percent() {
        for message in ["", "plain", "100%", "a\nb\u{0}c", "naïve ✓ 漢字", "%41", "~ }"] {
            let encoded = PercentEncoding.encode(message)
            #expect(encoded.array.allSatisfy { $0 >= 0x20 && $0 <= 0x7e })
            #expect(encoded.withUnsafeBytes { PercentEncoding.decode($0) } == message)
        }
        #expect(Bytes("%zz%4".utf8).withUnsafeBytes { PercentEncoding.decode($0) } == "%zz%4")
        #expect(Bytes("%ff".utf8).withUnsafeBytes { PercentEncoding.decode($0) } == "\u{fffd}")
        let long = String(repeating: "x", count: 100_000)
        #expect(PercentEncoding.encode(long).count == PercentEncoding.maxMessageBytes)
    }

    @Test("Base64: the vectors of RFC 4648, with padding and without, and everything that is none", arguments: [
        ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy"),
    ])
    func base64(plain: String, text: String) {
        #expect(Base64.encode(Bytes(utf8: plain)) == Bytes(utf8: text))
        #expect(Bytes(utf8: text).withUnsafeBytes { Base64.decode($0) } == Bytes(utf8: plain))
        let padded = text + String(repeating: "=", count: (4 - text.count % 4) % 4)
        #expect(Bytes(utf8: padded).withUnsafeBytes { Base64.decode($0) } == Bytes(utf8: plain))
        #expect(Bytes(utf8: text + "?").withUnsafeBytes { Base64.decode($0) } == nil)
    }

    @Test("grpc-timeout: units, limits and rounding")
    func timeout() {
        func parse(_ text: String) -> Interval? { Bytes(utf8: text).withUnsafeBytes { Timeout.parse($0) } }
        #expect(parse("1n") == Interval(nanoseconds: 1))
        #expect(parse("250u") == .microseconds(250))
        #expect(parse("100m") == .milliseconds(100))
        #expect(parse("99999999S") == .seconds(99_999_999))
        #expect(parse("2M") == .seconds(120))
        #expect(parse("1H") == .seconds(3600))
        // Longer than 64 bits of nanoseconds: cut at a century.
        #expect(parse("99999999H") == .seconds(100 * 365 * 86_400))
        for text in ["", "1", "m", "1.5S", "123456789m", " 1S", "1s"] { #expect(parse(text) == nil) }
        #expect(Timeout.encode(.seconds(5)) == "5S")
        #expect(Timeout.encode(.milliseconds(1500)) == "1500000u")
        #expect(Timeout.encode(Interval(nanoseconds: 1)) == "1u")
        #expect(Timeout.encode(.zero) == "1u")
        var generator = SplitMix64(seed: 7)
        for _ in 0..<1000 {
            let interval = Interval(nanoseconds: generator.next() >> (generator.next() % 50 + 10))
            let text = Timeout.encode(interval)
            let back = text.withUnsafeBytes { Timeout.parse($0) }!
            #expect(text.count <= 9)
            #expect(back >= interval)
            #expect(back.nanoseconds <= interval.nanoseconds + interval.nanoseconds / 100_000 + 1000)
        }
    }

    @Test("Metadata takes what may stand in a header, and nothing else")
    func metadata() {
        var metadata = Metadata()
        var taken = [metadata.add("a-name_1.x", "a value"), metadata.add(binary: "b-bin", Bytes([0, 1]))]
        #expect(taken == [true, true])
        taken = []
        for name in ["", "Upper", "sp ace", ":path", "grpc-status", "te", "content-type", "a\n"] {
            taken.append(metadata.add(name, "x"))
        }
        for value in ["line\nbreak", "é", " front", "back "] { taken.append(metadata.add("name", value)) }
        taken.append(metadata.add("text-bin", "x"))
        taken.append(metadata.add(binary: "text", "x"))
        #expect(!taken.contains(true))
        #expect(metadata.entries.count == 2)
        metadata.add("a-name_1.x", "again")
        #expect(metadata["a-name_1.x"] == "again")
    }

    /// Gives a message in pieces of one size.
    struct Source: MessageSource {
        var rest: Bytes
        let size: Int
        let count: Int

        init(rest: Bytes, size: Int) { (self.rest, self.size, count) = (rest, size, rest.count) }

        mutating func next() -> Bytes {
            let piece = rest[0..<min(size, rest.count)]
            rest = rest[piece.count..<rest.count]
            return piece
        }
    }

    @Test("What waits is forgotten at once, also in the middle of a message that is made as it goes")
    func forgetting() {
        var queue = MessageQueue()
        queue.append(Source(rest: Bytes(repeating: 7, count: 100), size: 30))
        queue.append("behind it")
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 50, alignment: 1)
        defer { piece.deallocate() }
        let written = queue.fill(piece)
        #expect(written == 50)
        let forgotten = queue.removeAll()
        #expect(forgotten == 105 + 14 - 50)
        let isEmpty = queue.isEmpty
        #expect(isEmpty)
        queue.append("new")
        let count = queue.fill(piece)
        #expect(Array(piece[..<count]) == [0, 0, 0, 0, 3] + Array("new".utf8))
    }

    @Test("Messages come out whole however their bytes are made and cut")
    func assembler() throws {
        var generator = SplitMix64(seed: 42)
        for _ in 0..<300 {
            let messages = (0..<generator.next(below: 6)).map { _ in
                Bytes(repeating: UInt8(truncatingIfNeeded: generator.next()), count: Int(generator.next(below: 1 << generator.next(below: 15))))
            }
            var queue = MessageQueue()
            for message in messages {
                if generator.next(below: 2) == 0 {
                    queue.append(message)
                } else {
                    queue.append(Source(rest: message, size: 1 + Int(generator.next(below: 1 << generator.next(below: 15)))))
                }
            }
            #expect(queue.bufferedBytes == messages.reduce(0) { $0 + $1.count + 5 })
            var assembler = MessageAssembler()
            var received: [Bytes] = []
            let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 15, alignment: 1)
            defer { piece.deallocate() }
            while !queue.isEmpty {
                let size = 1 + Int(generator.next(below: 1 << generator.next(below: 15)))
                let count = queue.fill(UnsafeMutableRawBufferPointer(rebasing: piece[..<min(size, piece.count)]))
                var rest = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece)[..<count])
                while let message = try assembler.next(from: &rest, limit: 1 << 20) { received.append(Bytes(copying: message)) }
            }
            #expect(received == messages)
            #expect(queue.bufferedBytes == 0)
            let isPartial = assembler.isPartial
            #expect(!isPartial)
        }
    }

    @Test("A promise of a long message takes no memory before its bytes come")
    func promise() throws {
        var assembler = MessageAssembler()
        try Bytes([0, 0, 255, 255, 255, 1]).withUnsafeBytes { bytes throws(MessageAssembler.Fault) in
            var rest = bytes
            let message = try assembler.next(from: &rest, limit: 1 << 24)
            #expect(message == nil)
        }
        let capacity = assembler.capacity
        #expect(capacity < 100)
    }

    @Test("The wheel: nothing early, nothing more than a tick late, nothing cancelled, whatever the order")
    func wheel() {
        final class Target: TimeoutTarget {
            var node: TimeoutNode!
            var expiredAt: Instant?
            var onExpiry: () -> Void = {}
            func timeoutExpired(at now: Instant) {
                #expect(expiredAt == nil)
                expiredAt = now
                onExpiry()
            }
        }
        var generator = SplitMix64(seed: 3)
        var now = Instant(nanoseconds: 123_456_789)
        let wheel = TimeoutWheel(tick: .milliseconds(5), slots: 16, now: now)
        var targets: [(Target, Instant, isCancelled: Bool)] = []
        for _ in 0..<1000 {
            let target = Target()
            target.node = TimeoutNode(target: target)
            let deadline = now + .microseconds(generator.next(below: 500_000))
            wheel.schedule(target.node, at: now + .microseconds(generator.next(below: 500_000)))
            wheel.schedule(target.node, at: deadline)
            targets.append((target, deadline, generator.next(below: 4) == 0))
        }
        // One that expires cancels another and schedules itself anew.
        targets[1].isCancelled = false
        #expect(wheel.count == 1000)
        for (target, _, isCancelled) in targets where isCancelled { wheel.cancel(target.node) }
        var last = now
        while wheel.count > 0 {
            now = now + .microseconds(generator.next(below: 7_000))
            wheel.advance(to: now)
            for (target, deadline, isCancelled) in targets where target.expiredAt == now {
                #expect(!isCancelled)
                #expect(deadline <= now)
                #expect(last < deadline + .milliseconds(5))
            }
            last = now
        }
        #expect(targets.allSatisfy { ($0.0.expiredAt != nil) != $0.isCancelled })
    }

    @Test("Those that expire in one tick may cancel and schedule each other")
    func wheelReentrancy() {
        final class Target: TimeoutTarget {
            var node: TimeoutNode!
            var count = 0
            var onExpiry: (Instant) -> Void = { _ in }
            func timeoutExpired(at now: Instant) {
                count += 1
                onExpiry(now)
            }
        }
        let wheel = TimeoutWheel(tick: .milliseconds(5), slots: 16, now: .zero)
        let targets = (0..<3).map { _ in Target() }
        for target in targets {
            target.node = TimeoutNode(target: target)
            wheel.schedule(target.node, at: .zero + .milliseconds(7))
            target.onExpiry = { now in
                for other in targets where other !== target { wheel.cancel(other.node) }
                wheel.schedule(targets[0].node, at: now + .milliseconds(3))
            }
        }
        wheel.advance(to: .zero + .milliseconds(10))
        #expect(targets.map(\.count).reduce(0, +) == 1)
        #expect(wheel.count == 1)
        for target in targets { target.onExpiry = { _ in } }
        wheel.advance(to: .zero + .milliseconds(20))
        #expect(targets.map(\.count).reduce(0, +) == 2)
        #expect(wheel.count == 0)
    }

    @Test("A token bucket lets a burst through, then what it earns")
    func bucket() {
        var now = Instant.zero
        var bucket = TokenBucket(Allowance(burst: 10, perSecond: 100), now: now)
        var taken = 0
        while bucket.take(at: now) { taken += 1 }
        #expect(taken == 10)
        now = now + .milliseconds(50)
        taken = 0
        while bucket.take(at: now) { taken += 1 }
        #expect(taken == 5)
        now = now + .seconds(100)
        taken = 0
        while bucket.take(at: now) { taken += 1 }
        #expect(taken == 10)
    }
}
