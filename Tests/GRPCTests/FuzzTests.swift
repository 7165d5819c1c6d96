import Base
import Testing

@testable import GRPC

@Suite("Random bytes")
struct FuzzTests {
    /// A conversation that touches much: calls of both kinds, metadata, data in pieces, pings, resets, windows.
    private func conversation() -> [UInt8] {
        var bytes = RawFrame.start
        bytes += RawFrame.call(1, "/t.T/Echo", [("grpc-timeout", "1S"), ("x-bin", "AAEC")]) + RawFrame.message(1, [1, 2, 3])
        bytes += RawFrame.call(3, "/t.T/Chat") + RawFrame.message(3, [4, 5], isLast: false)
        bytes += RawFrame.ping + RawFrame.windowUpdate(0, 1000) + RawFrame.windowUpdate(3, 1000)
        bytes += RawFrame.data(3, [0, 0, 0, 0, 4, 1]) + RawFrame.data(3, [2, 3, 4, 0, 0])
        bytes += RawFrame.call(5, "/t.T/Never") + RawFrame.message(5, [1]) + RawFrame.reset(5)
        bytes += RawFrame.data(3, [0, 0, 1, 9], isLast: true)
        bytes += RawFrame.call(7, "/t.T/Nothing", isLast: true) + RawFrame.settingsAcknowledgement
        bytes += RawFrame.call(9, "/t.T/Echo") + RawFrame.message(9, [UInt8](repeating: 9, count: 300))
        return bytes
    }

    @Test("Whatever is done to a conversation, the session answers or ends; it never breaks", arguments: 1...8)
    func mutated(seed: UInt64) {
        let original = conversation()
        var generator = SplitMix64(seed: seed)
        for _ in 0..<400 {
            var bytes = original
            for _ in 0...generator.next(below: 6) {
                let place = Int(generator.next(below: UInt64(bytes.count)))
                switch generator.next(below: 4) {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
                case 1: bytes[place] ^= 1 << UInt8(generator.next(below: 8))
                case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + Int(generator.next(below: 20))))
                default:
                    let from = Int(generator.next(below: UInt64(original.count)))
                    bytes.insert(contentsOf: original[from..<min(original.count, from + 40)], at: place)
                }
                if bytes.isEmpty { bytes = [0] }
            }
            let server = RawServer()
            var offset = 0
            while offset < bytes.count, server.session.failure == nil {
                let end = min(bytes.count, offset + 1 + Int(generator.next(below: 200)))
                server.feed(Array(bytes[offset..<end]))
                offset = end
            }
            _ = server.advance(.seconds(2))
            // What is still open is closed with the session, whose end checks that nothing is left.
        }
    }

    @Test("Pure noise after the preface", arguments: 1...4)
    func noise(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        for _ in 0..<300 {
            let server = RawServer()
            var bytes = RawFrame.start
            for _ in 0..<generator.next(below: 12) {
                let payload = (0..<generator.next(below: 60)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
                bytes += RawFrame.frame(
                    UInt8(generator.next(below: 11)), flags: UInt8(truncatingIfNeeded: generator.next()),
                    stream: UInt32(generator.next(below: 8)), payload)
            }
            server.feed(bytes)
        }
    }
}
