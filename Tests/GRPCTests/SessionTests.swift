import Base
import Testing

@testable import GRPC

@Suite("A server's session, byte by byte")
struct SessionTests {
    private let headers = HeaderReader()

    @Test("A call, all in one piece, and in pieces of one byte")
    func pieces() {
        let bytes = RawFrame.start + RawFrame.call(1, "/t.T/Echo") + RawFrame.message(1, Array("hello".utf8))
        let whole = RawServer().feed(bytes)
        let server = RawServer()
        let split = bytes.flatMap { server.feed([$0]) }
        for frames in [whole, split] {
            let answer = frames.filter { $0.stream == 1 && $0.type <= 1 }
            #expect(answer.map(\.type) == [1, 0, 1])
            #expect(answer[1].payload == [0, 0, 0, 0, 5] + Array("hello".utf8))
            #expect(answer[2].flags & 1 == 1)
            let fields = frames.fields(HeaderReader(), stream: 1)
            #expect(fields["grpc-status"] == "0")
            #expect(fields["content-type"] == "application/grpc")
        }
    }

    @Test("A message over many DATA frames, and its end in an empty one")
    func manyFrames() {
        let server = RawServer()
        var bytes = RawFrame.start + RawFrame.call(1, "/t.T/Echo")
        for byte in [UInt8](arrayLiteral: 0, 0, 0, 0, 3, 7, 8, 9) { bytes += RawFrame.data(1, [byte]) }
        let before = server.feed(bytes)
        #expect(!before.contains { $0.isHeaders })
        let after = server.feed(RawFrame.data(1, [], isLast: true))
        #expect(after.first { $0.type == 0 }?.payload == [0, 0, 0, 0, 3, 7, 8, 9])
    }

    @Test("What is not gRPC is told so in HTTP", arguments: [
        ("content-type", [("content-type", "application/json")], "415"),
        ("content-type", [], "415"),
        ("content-type", [("content-type", "application/grpcweb")], "415"),
        (":method", [], nil),
    ] as [(String, [(String, String)], String?)])
    func notGRPC(without: String, more: [(String, String)], status: String?) {
        let server = RawServer()
        let frames = server.feed(RawFrame.start + RawFrame.call(1, "/t.T/Echo", more, without: without, isLast: true))
        if let status {
            #expect(frames.fields(headers, stream: 1)[":status"] == status)
        } else {
            #expect(frames.contains { $0.isReset && $0.stream == 1 })
        }
    }

    @Test("Subtypes of application/grpc are gRPC", arguments: ["application/grpc+proto", "application/grpc;charset=utf-8"])
    func subtypes(type: String) {
        let server = RawServer()
        let frames = server.feed(
            RawFrame.start + RawFrame.call(1, "/t.T/Echo", [("content-type", type)], without: "content-type")
                + RawFrame.message(1, [1]))
        #expect(frames.fields(headers, stream: 1)["grpc-status"] == "0")
    }

    @Test("Malformed calls get the status they deserve", arguments: [
        // A compressed message, an unknown flag, a message cut off, none at all, and two.
        (RawFrame.data(1, [1, 0, 0, 0, 1, 7], isLast: true), "12"),
        (RawFrame.data(1, [2, 0, 0, 0, 1, 7], isLast: true), "13"),
        (RawFrame.data(1, [0, 0, 0, 0, 9, 7], isLast: true), "13"),
        (RawFrame.data(1, [], isLast: true), "13"),
        (RawFrame.data(1, [0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 1, 7], isLast: true), "13"),
        // Longer than allowed: known from its prefix alone.
        (RawFrame.data(1, [0, 255, 255, 255, 255]), "8"),
    ] as [([UInt8], String)])
    func malformed(data: [UInt8], status: String) {
        let server = RawServer()
        let frames = server.feed(RawFrame.start + RawFrame.call(1, "/t.T/Echo") + data)
        #expect(frames.fields(headers, stream: 1)["grpc-status"] == status)
        #expect(server.session.failure == nil)
    }

    @Test("A malformed grpc-timeout is refused", arguments: ["", "5", "S", "123456789S", "5x", "-1S", "1 S"])
    func badTimeout(text: String) {
        let server = RawServer()
        let frames = server.feed(
            RawFrame.start + RawFrame.call(1, "/t.T/Echo", [("grpc-timeout", text)]) + RawFrame.message(1, [1]))
        #expect(frames.fields(headers, stream: 1)["grpc-status"] == "13")
    }

    @Test("The server keeps the deadline by itself")
    func deadline() {
        let server = RawServer()
        server.feed(RawFrame.start + RawFrame.call(1, "/t.T/Never", [("grpc-timeout", "100m")]) + RawFrame.message(1, [1]))
        #expect(server.core.openCalls == 1)
        #expect(!server.advance(.milliseconds(99)).contains { $0.isHeaders })
        let frames = server.advance(.milliseconds(11))
        #expect(frames.fields(headers, stream: 1)["grpc-status"] == "4")
        #expect(server.core.openCalls == 0)
    }

    @Test("Headers over the limit: the call is refused, the connection goes on")
    func largeHeaders() {
        let server = RawServer()
        let many = (0..<500).map { ("a\($0)", "b") }
        let frames = server.feed(RawFrame.start + RawFrame.call(1, "/t.T/Echo", many) + RawFrame.message(1, [1]))
        #expect(frames.fields(headers, stream: 1)["grpc-status"] == "8")
        #expect(server.session.failure == nil)
        let next = server.feed(RawFrame.call(3, "/t.T/Echo") + RawFrame.message(3, [1]))
        #expect(next.fields(headers, stream: 3)["grpc-status"] == "0")
    }

    @Test("A header bomb, a few bytes that expand to megabytes, ends the connection")
    func headerBomb() {
        let server = RawServer()
        // A field of 4000 bytes goes into the compression table, then one byte each names it again.
        var block: [UInt8] = [0x40, 1, UInt8(ascii: "a"), 127, 0xa1, 0x1e] + [UInt8](repeating: 97, count: 4000)
        block += [UInt8](repeating: 0x80 | 62, count: 4000)
        let frames = server.feed(RawFrame.start + RawFrame.frame(1, flags: 4, stream: 1, block))
        #expect(server.session.failure != nil)
        #expect(frames.allSatisfy { !$0.isHeaders })
    }

    @Test("Header blocks without end end the connection")
    func continuationFlood() {
        let server = RawServer()
        server.feed(RawFrame.start + RawFrame.frame(1, flags: 0, stream: 1, RawFrame.field(":path", "/t.T/Echo")))
        for _ in 0..<1000 {
            if server.session.isOver { break }
            server.feed(RawFrame.frame(9, flags: 0, stream: 1, RawFrame.field("a", String(repeating: "b", count: 1000))))
        }
        #expect(server.session.isOver)
    }

    @Test("Garbage instead of HTTP/2 ends the connection at once", arguments: [
        Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), [UInt8](repeating: 0, count: 100), [22, 3, 1, 2, 0, 1, 0, 1, 252],
    ])
    func garbage(bytes: [UInt8]) {
        let server = RawServer()
        server.feed(bytes)
        #expect(server.session.failure == "what came is not HTTP/2")
    }

    @Test("Garbage after the preface is answered with GOAWAY")
    func garbageLater() {
        let server = RawServer()
        let frames = server.feed(RawFrame.start + RawFrame.data(1, [1, 2, 3]))
        #expect(frames.contains { $0.isGoAway && $0.errorCode != 0 })
        #expect(server.session.isOver)
        #expect(server.session.complaint != nil)
    }

    @Test("A flood of pings, settings or empty frames ends the connection", arguments: [
        RawFrame.ping, RawFrame.settings, RawFrame.data(1, []), RawFrame.frame(2, stream: 1, [0, 0, 0, 0, 1]),
    ])
    func flood(frame: [UInt8]) {
        let server = RawServer()
        server.feed(RawFrame.start + RawFrame.call(1, "/t.T/Chat"))
        var goAway: ReceivedFrame?
        for _ in 0..<10_000 where goAway == nil { goAway = server.feed(frame).first { $0.isGoAway } }
        #expect(goAway?.errorCode == 11)
    }

    @Test("A ping now and then for ever is no flood")
    func pings() {
        let server = RawServer()
        server.feed(RawFrame.start)
        for _ in 0..<20_000 {
            #expect(server.feed(RawFrame.ping).contains { $0.isPing })
            _ = server.advance(.milliseconds(10))
            if server.session.failure != nil { break }
        }
        #expect(server.session.failure == nil)
    }

    @Test("Streams opened only to be reset end the connection (rapid reset)")
    func rapidReset() {
        var options = ServerOptions()
        options.resetAllowance = Allowance(burst: 100, perSecond: 10)
        let server = RawServer(options)
        server.feed(RawFrame.start)
        var goAway: ReceivedFrame?
        var stream: UInt32 = 1
        while goAway == nil, stream < 10_000 {
            goAway = server.feed(RawFrame.call(stream, "/t.T/Never") + RawFrame.reset(stream)).first { $0.isGoAway }
            stream += 2
        }
        #expect(goAway?.errorCode == 11)
        #expect(stream < 300)
    }

    @Test("Streams that the client makes the server reset count too")
    func madeYouReset() {
        var options = ServerOptions()
        options.resetAllowance = Allowance(burst: 100, perSecond: 10)
        let server = RawServer(options)
        server.feed(RawFrame.start)
        var goAway: ReceivedFrame?
        var stream: UInt32 = 1
        while goAway == nil, stream < 10_000 {
            goAway = server.feed(RawFrame.call(stream, "/t.T/Never") + RawFrame.windowUpdate(stream, 0x7fff_ffff)).first { $0.isGoAway }
            stream += 2
        }
        #expect(goAway?.errorCode == 11)
        #expect(stream < 300)
    }

    @Test("More streams than allowed are refused; a client that was told so and goes on is let go")
    func tooManyStreams() {
        var options = ServerOptions()
        options.maxConcurrentStreams = 5
        let server = RawServer(options)
        server.feed(RawFrame.start)
        for number in 0..<5 { server.feed(RawFrame.call(UInt32(2 * number + 1), "/t.T/Never")) }
        let frames = server.feed(RawFrame.call(11, "/t.T/Never"))
        #expect(frames.contains { $0.isReset && $0.stream == 11 && $0.errorCode == 7 })
        #expect(server.core.openCalls == 5)
        let last = server.feed(RawFrame.settingsAcknowledgement + RawFrame.call(13, "/t.T/Never"))
        #expect(last.contains { $0.isGoAway })
        #expect(server.session.complaint?.contains("max concurrent streams exceeded") == true)
    }

    @Test("A connection that never shakes hands is let go")
    func noHandshake() {
        let server = RawServer()
        server.feed(Array(RawFrame.preface.prefix(10)))
        _ = server.advance(.milliseconds(4900))
        #expect(server.session.failure == nil)
        _ = server.advance(.milliseconds(500))
        #expect(server.session.failure?.contains("no HTTP/2 settings") == true)
    }

    @Test("A silent connection is asked for a sign of life, then let go; one that answers stays")
    func keepalive() {
        let server = RawServer()
        server.feed(RawFrame.start)
        for _ in 0..<5 {
            var ping: ReceivedFrame?
            for _ in 0..<200 where ping == nil { ping = server.advance(.milliseconds(250)).first { $0.isPing } }
            #expect(ping != nil)
            server.feed(RawFrame.pingAcknowledgement(ping?.payload ?? []))
        }
        #expect(server.session.failure == nil)
        for _ in 0..<400 { _ = server.advance(.milliseconds(250)) }
        #expect(server.session.failure?.contains("no sign of life") == true)
    }

    @Test("Answers that nobody reads end the connection when they are too many")
    func unread() {
        var options = ServerOptions()
        options.maxOutboundBytesPerConnection = 1_000_000
        let server = RawServer(options)
        server.feed(RawFrame.start)
        var stream: UInt32 = 1
        while server.session.failure == nil, stream < 1000 {
            server.feed(RawFrame.call(stream, "/t.T/Echo") + RawFrame.message(stream, [UInt8](repeating: 1, count: 16_000)))
            stream += 2
        }
        // The window of the connection lets 65,535 bytes out, the rest stays.
        #expect(server.session.failure?.contains("does not read") == true)
        #expect(stream > 100 && stream < 200)
    }

    @Test("All clients together may leave so much unread; the one that leaves most pays")
    func unreadTogether() {
        var options = ServerOptions()
        options.maxOutboundBytes = 500_000
        let server = RawServer(options)
        let other = ServerSession(core: server.core, peer: "small")
        _ = RawFrame.start.withUnsafeBytes { other.receive($0) }
        server.feed(RawFrame.start)
        var stream: UInt32 = 1
        while server.session.failure == nil, stream < 1000 {
            server.feed(RawFrame.call(stream, "/t.T/Echo") + RawFrame.message(stream, [UInt8](repeating: 1, count: 16_000)))
            stream += 2
        }
        #expect(server.session.failure != nil)
        #expect(other.failure == nil)
        other.end()
    }

    @Test("Messages in transfer have a limit for each connection")
    func inbound() {
        var options = ServerOptions()
        options.maxInboundBytesPerConnection = 1_000_000
        let server = RawServer(options)
        server.feed(RawFrame.start)
        var refused = 0
        for number in 0..<200 {
            let stream = UInt32(2 * number + 1)
            // A promise of a megabyte, and the first 16,000 bytes of it.
            let data = [0, 0, 15, 255, 255] + [UInt8](repeating: 1, count: 16_000)
            let frames = server.feed(RawFrame.call(stream, "/t.T/Echo") + RawFrame.data(stream, data))
            if frames.contains(where: { $0.isHeaders && $0.stream == stream }) { refused += 1 }
            #expect(server.session.inboundBytes <= 1_100_000)
        }
        #expect(refused > 100)
        #expect(server.session.failure == nil)
    }

    @Test("Leaving: a notice, then the last word, and the connection is over when its calls are")
    func departure() {
        let server = RawServer()
        server.feed(RawFrame.start + RawFrame.call(1, "/t.T/Never") + RawFrame.message(1, [1]))
        server.session.depart()
        let notice = server.output()
        #expect(notice.first { $0.isGoAway }.map { Array($0.payload[0..<4]) } == [127, 255, 255, 255])
        let ping = notice.first { $0.isPing && $0.flags == 0 }
        let last = server.feed(RawFrame.pingAcknowledgement(ping?.payload ?? []))
        #expect(last.first { $0.isGoAway }.map { Array($0.payload[0..<4]) } == [0, 0, 0, 1])
        #expect(!server.session.isOver)
        server.feed(RawFrame.reset(1))
        #expect(server.session.isOver)
    }

    @Test("A handler that keeps a call keeps the object: it is not used for another")
    func keptCall() {
        let kept = Kept()
        let server = RawServer()
        server.core.register(ServerMethod(path: "/t.T/Keep", handler: .message { call, _ in kept.calls.append(call) }))
        server.feed(RawFrame.start + RawFrame.call(1, "/t.T/Keep") + RawFrame.message(1, [1]) + RawFrame.reset(1))
        #expect(kept.calls[0].isClosed)
        let frames = server.feed(RawFrame.call(3, "/t.T/Keep") + RawFrame.message(3, [1]))
        #expect(kept.calls[0] !== kept.calls[1])
        kept.calls[0].reply("lost")
        #expect(!frames.contains { $0.isHeaders })
        #expect(!server.output().contains { $0.isHeaders })
        kept.calls[1].reply("told")
        #expect(server.output().contains { $0.isHeaders && $0.stream == 3 })
        kept.calls = []
    }

    private final class Kept { var calls: [ServerCall] = [] }
}
