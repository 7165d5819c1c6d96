import Base
import EventLoop
import Testing

@testable import GRPC

/// Clients that misbehave over real sockets: each pays alone.
@Suite("Hostile clients", .timeLimit(.minutes(1)))
struct HostileTests {
    /// A bare connection: says what it is told to, and reads or not.
    private final class Bare: @unchecked Sendable {
        let isClosed = Mutexed(false)
        private var tcp: TCPConnection?

        func connect(_ harness: Harness, saying bytes: [UInt8], reading: Bool) async {
            await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                harness.clientThread.loop.perform { [self] in
                    TCPConnection.connect(
                        to: "127.0.0.1", port: harness.port, on: harness.clientThread.loop, timeout: .seconds(5)
                    ) { [self] result in
                        if case .success(let tcp) = result {
                            self.tcp = tcp
                            tcp.onRead = { _ in }
                            tcp.onClose = { [isClosed] _ in isClosed.set(true) }
                            if reading { tcp.resumeReading() }
                            tcp.write(Bytes(bytes))
                        }
                        done.resume()
                    }
                }
            }
        }

        func close(_ harness: Harness) async { await harness.onClient { [self] in tcp?.close() } }
    }

    @Test("Garbage instead of HTTP/2: closed, the log says why, others go on")
    func garbage() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let bare = Bare()
        await bare.connect(harness, saying: Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), reading: true)
        #expect(await harness.eventually { bare.isClosed.value })
        #expect(harness.log.hasDropped("not HTTP/2"))
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        await harness.stop()
    }

    @Test("A connection that never speaks is closed after the handshake's time")
    func mute() async throws {
        var options = ServerOptions()
        options.handshakeTimeout = .milliseconds(300)
        let harness = try await Harness(options)
        let bare = Bare()
        await bare.connect(harness, saying: [], reading: true)
        #expect(await harness.eventually { bare.isClosed.value })
        #expect(harness.log.hasDropped("no HTTP/2 settings"))
        await harness.stop()
    }

    @Test("A client that never reads its answers is dropped, at the limit or for its silence; others go on", arguments: [
        (8 << 20, "does not read"), (1 << 30, "no sign of life"),
    ])
    func neverReads(limit: Int, reason: String) async throws {
        var options = ServerOptions()
        options.maxOutboundBytesPerConnection = limit
        options.handshakeTimeout = .seconds(2)
        options.keepaliveInterval = .seconds(1)
        options.keepaliveTimeout = .seconds(2)
        let harness = try await Harness(options)
        let channel = await harness.channel()
        let bare = Bare()
        // Windows wide open, and then 32 calls that are answered with a mebibyte each.
        var bytes = RawFrame.preface + RawFrame.frame(4, [0, 4, 127, 255, 255, 255]) + RawFrame.windowUpdate(0, 1 << 30)
        let message = [UInt8](repeating: 1, count: 16_000)
        for number in 0..<32 {
            let stream = UInt32(2 * number + 1)
            bytes += RawFrame.call(stream, "/t.T/Swell") + RawFrame.message(stream, message)
        }
        await harness.onServer {
            harness.server.register("/t.T/Swell") { call, _ in call.reply(Bytes(repeating: 1, count: 1 << 20)) }
        }
        await bare.connect(harness, saying: bytes, reading: false)
        #expect(await harness.eventually { harness.log.hasDropped(reason) })
        #expect(await harness.onServer { harness.server.outboundBytes } < 1 << 20)
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        await bare.close(harness)
        await harness.stop()
    }

    @Test("One connection too many is turned away, and there is room again when one has gone")
    func tooMany() async throws {
        var options = ServerOptions()
        options.maxConnections = 2
        let harness = try await Harness(options)
        let bares = [Bare(), Bare(), Bare()]
        for bare in bares[..<2] { await bare.connect(harness, saying: RawFrame.start, reading: true) }
        #expect(await harness.eventually { await harness.onServer { harness.server.connectionCount } == 2 })
        await bares[2].connect(harness, saying: RawFrame.start, reading: true)
        #expect(await harness.eventually { bares[2].isClosed.value })
        #expect(harness.log.all.contains { if case .refused = $0.kind { true } else { false } })
        await bares[0].close(harness)
        #expect(await harness.eventually { await harness.onServer { harness.server.connectionCount } == 1 })
        let channel = await harness.channel()
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        await bares[1].close(harness)
        await harness.stop()
    }
}
