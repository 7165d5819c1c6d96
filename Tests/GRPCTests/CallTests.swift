import Base
import EventLoop
import Synchronization
import Testing

@testable import GRPC

@Suite("Unary calls, our channel and our server", .timeLimit(.minutes(1)))
struct CallTests {
    @Test("A unary call is answered, with bytes or with none")
    func unary() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let result = await harness.unary(channel, "/t.T/Echo", "hello")
        #expect(result.status == .ok)
        #expect(result.message == "hello")
        let empty = await harness.unary(channel, "/t.T/Echo", Bytes())
        #expect(empty.status == .ok)
        #expect(empty.message.isEmpty)
        await harness.stop()
    }

    @Test("Messages of every awkward size come back as they went", arguments: [
        1, 4, 5, 16_378, 16_379, 16_380, 16_384, 65_535, 65_536, 1 << 20, 4 << 20,
    ])
    func sizes(size: Int) async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        var generator = SplitMix64(seed: UInt64(size))
        let message = Bytes((0..<size).map { _ in UInt8(truncatingIfNeeded: generator.next()) })
        let result = await harness.unary(channel, "/t.T/Echo", message)
        #expect(result.status == .ok)
        #expect(result.message == message)
        await harness.stop()
    }

    @Test("An error carries its code, a message in any letters, and trailers")
    func errors() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let result = await harness.unary(channel, "/t.T/Fail", "x")
        #expect(result.status == Status(.failedPrecondition, "100 % naïve\n✓"))
        #expect(result.trailers["swiftwater-not-applied"] == "1")
        #expect(result.trailers.bytes("detail-bin") == Bytes([0, 255, 10]))
        #expect(!result.neverSent)
        await harness.stop()
    }

    @Test("Metadata travels both ways, text and binary")
    func metadata() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        var metadata = Metadata()
        metadata.add("ask", "why not")
        metadata.add(binary: "ask-bin", Bytes(Array(0...255)))
        let result = await harness.unary(channel, "/t.T/Metadata", "", metadata: metadata)
        #expect(result.status == .ok)
        #expect(result.trailers["got"] == "why not")
        #expect(result.trailers.bytes("got-bin") == Bytes(Array(0...255)))
        #expect(result.message.utf8String?.hasPrefix("127.0.0.1:") == true)
        // A call object that is used again remembers nothing.
        let next = await harness.unary(channel, "/t.T/Metadata", "")
        #expect(next.trailers["got"] == "nothing")
        await harness.stop()
    }

    @Test("An unknown method is UNIMPLEMENTED")
    func unknownMethod() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let result = await harness.unary(channel, "/t.T/Nothing", "x")
        #expect(result.status.code == .unimplemented)
        await harness.stop()
    }

    @Test("A request over the limit is RESOURCE_EXHAUSTED, and the connection goes on")
    func oversizeRequest() async throws {
        var options = ServerOptions()
        options.maxMessageBytes = 1000
        let harness = try await Harness(options)
        let channel = await harness.channel()
        let result = await harness.unary(channel, "/t.T/Echo", Bytes(repeating: 1, count: 1001))
        #expect(result.status.code == .resourceExhausted)
        let larger = await harness.unary(channel, "/t.T/Echo", Bytes(repeating: 1, count: 3 << 20))
        #expect(larger.status.code == .resourceExhausted)
        let fits = await harness.unary(channel, "/t.T/Echo", Bytes(repeating: 1, count: 1000))
        #expect(fits.status == .ok)
        #expect(await harness.onServer { harness.server.connectionCount } == 1)
        await harness.stop()
    }

    @Test("An answer over the limit is RESOURCE_EXHAUSTED")
    func oversizeAnswer() async throws {
        let harness = try await Harness()
        var options = ChannelOptions()
        options.maxMessageBytes = 1000
        let channel = await harness.channel(options)
        let result = await harness.unary(channel, "/t.T/Echo", Bytes(repeating: 1, count: 1001))
        #expect(result.status.code == .resourceExhausted)
        let fits = await harness.unary(channel, "/t.T/Echo", Bytes(repeating: 1, count: 1000))
        #expect(fits.status == .ok)
        await harness.stop()
    }

    @Test("A deadline ends the call on both sides")
    func deadline() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        // The connection is there before the clock runs.
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        let before = Loop.now
        let result = await harness.unary(channel, "/t.T/Never", "x", timeout: .milliseconds(300))
        #expect(result.status.code == .deadlineExceeded)
        #expect(Loop.now - before >= .milliseconds(300))
        #expect(await harness.eventually { harness.cancelled.withLock { $0 } == 1 })
        await harness.stop()
    }

    @Test("A cancelled call ends at once, and its handler is told")
    func cancellation() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let handles = Handles()
        async let result = withCheckedContinuation { (continuation: CheckedContinuation<UnaryResult, Never>) in
            channel.loop.perform {
                let handle = channel.unary("/t.T/Never", message: "x") { continuation.resume(returning: $0) }
                handles.all.withLock { $0.append(handle) }
            }
        }
        #expect(await harness.eventually { await harness.onServer { harness.server.openCallCount } == 1 })
        await harness.onClient { for handle in handles.all.withLock({ $0 }) { handle.cancel() } }
        #expect(await result.status.code == .cancelled)
        #expect(await harness.eventually { harness.cancelled.withLock { $0 } == 1 })
        #expect(await harness.eventually { await harness.onServer { harness.server.openCallCount } == 0 })
        await harness.stop()
    }

    @Test("A thousand calls at a time on one connection, each answered with its own bytes")
    func thousandCalls() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<1000 {
                group.addTask {
                    let message = Bytes(utf8: "message \(number)")
                    let result = await harness.unary(channel, "/t.T/Echo", message)
                    return result.isOK && result.message == message
                }
            }
            for await isRight in group { #expect(isRight) }
        }
        #expect(await harness.onServer { harness.server.connectionCount } == 1)
        await harness.stop()
    }

    @Test("More calls than the server takes at a time wait for their turn")
    func moreThanStreams() async throws {
        var options = ServerOptions()
        options.maxConcurrentStreams = 7
        let harness = try await Harness(options)
        let channel = await harness.channel()
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<200 {
                group.addTask { await harness.unary(channel, "/t.T/Echo", "x").isOK }
            }
            for await isRight in group { #expect(isRight) }
        }
        await harness.stop()
    }

    @Test("A call that waits for a free stream can be cancelled, and was never sent")
    func cancelWaiting() async throws {
        var options = ServerOptions()
        options.maxConcurrentStreams = 1
        let harness = try await Harness(options)
        let channel = await harness.channel()
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        async let first = harness.unary(channel, "/t.T/Never", "x", timeout: .seconds(5))
        #expect(await harness.eventually { await harness.onServer { harness.server.openCallCount } == 1 })
        let second = await harness.unary(channel, "/t.T/Echo", "x", timeout: .milliseconds(50))
        #expect(second.status.code == .deadlineExceeded)
        #expect(second.neverSent)
        #expect(await !first.neverSent)
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        await harness.stop()
    }

    private final class Handles: Sendable { let all = Mutex<[CallHandle]>([]) }
}
