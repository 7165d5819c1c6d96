import Base
import EventLoop
import Synchronization
import Testing

@testable import GRPC

@Suite("Streaming calls, our channel and our server", .timeLimit(.minutes(1)))
struct StreamTests {
    private func request(count: UInt32, size: UInt32) -> Bytes {
        var writer = ByteWriter()
        writer.write(count)
        writer.write(size)
        return writer.finish()
    }

    @Test("A server streams answers, few or many, small or large", arguments: [
        (0, 1), (1, 0), (3, 10), (10_000, 3), (40, 1 << 20),
    ] as [(UInt32, UInt32)])
    func serverStream(count: UInt32, size: UInt32) async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let request = request(count: count, size: size)
        let result = await harness.stream(channel, "/t.T/Count") { stream in
            stream.send(request)
            stream.finishSending()
        }
        #expect(result.status == .ok)
        #expect(result.messages.count == Int(count))
        for (number, message) in result.messages.enumerated() {
            #expect(message.count == Int(size))
            if size > 0 { #expect(message[0] == UInt8(truncatingIfNeeded: number)) }
        }
        await harness.stop()
    }

    @Test("A client streams requests and gets one answer")
    func clientStream() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let result = await harness.stream(channel, "/t.T/Collect") { stream in
            for size in [0, 1, 100, 70_000, 5] { stream.send(Bytes(repeating: 1, count: size)) }
            stream.finishSending()
        }
        #expect(result.status == .ok)
        #expect(result.messages == ["70106"])
        await harness.stop()
    }

    @Test("Both sides talk: each message is answered before the next is sent")
    func chat() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let headers = Mutexed<Metadata?>(nil)
        let result = await withCheckedContinuation { (continuation: CheckedContinuation<(Int, Status), Never>) in
            channel.loop.perform {
                let stream = channel.stream("/t.T/Chat", timeout: .seconds(20))
                let count = Counter()
                stream.onHeaders = { headers.set($0) }
                stream.onMessage = { [unowned stream] message in
                    count.value += 1
                    if count.value < 100 { stream.send(Bytes(utf8: "\(count.value)")) } else { stream.finishSending() }
                }
                stream.onEnd = { status, _ in continuation.resume(returning: (count.value, status)) }
                stream.send("0")
            }
        }
        #expect(result == (100, .ok))
        #expect(headers.value?["said"] == "hello")
        await harness.stop()
    }

    @Test("A thousand streams stay open on one connection, and all of them work")
    func thousandStreams() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let answers = Mutexed(0)
        let ends = Mutexed(0)
        let streams = await harness.onClient {
            (0..<1000).map { _ in
                let stream = channel.stream("/t.T/Chat")
                stream.onMessage = { _ in answers.update { $0 += 1 } }
                stream.onEnd = { status, _ in if status.isOK { ends.update { $0 += 1 } } }
                stream.send("one")
                return stream
            }
        }
        #expect(await harness.eventually { answers.value == 1000 })
        #expect(await harness.onServer { harness.server.openCallCount } == 1000)
        #expect(await harness.onServer { harness.server.connectionCount } == 1)
        await harness.onClient {
            for stream in streams {
                stream.send("two")
                stream.finishSending()
            }
        }
        #expect(await harness.eventually { ends.value == 1000 })
        #expect(answers.value == 2000)
        await harness.stop()
    }

    @Test("A stream that is cancelled is told to the server's handler")
    func cancel() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let result = await harness.stream(channel, "/t.T/Chat") { stream in
            stream.onMessage = { [unowned stream] _ in stream.cancel() }
            stream.send("x")
        }
        #expect(result.status.code == .cancelled)
        #expect(await harness.eventually { harness.cancelled.withLock { $0 } == 1 })
        await harness.stop()
    }

    @Test("A server may answer before it was asked to the end, and nothing is left behind")
    func earlyAnswer() async throws {
        let harness = try await Harness { server in
            server.register(stream: "/t.T/Early") { call in
                call.onMessage = { [unowned call] _ in call.fail(Status(.aborted, "enough")) }
            }
        }
        let channel = await harness.channel()
        let result = await harness.stream(channel, "/t.T/Early") { stream in
            for _ in 0..<10 { stream.send(Bytes(repeating: 1, count: 100_000)) }
        }
        #expect(result.status == Status(.aborted, "enough"))
        #expect(await harness.eventually { await harness.onServer { harness.server.openCallCount } == 0 })
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        await harness.stop()
    }

    @Test("Input that is held back stops the sender, and goes on when it is resumed")
    func holdInput() async throws {
        var options = ServerOptions()
        options.streamWindowBytes = 100_000
        let calls = Mutexed<[ServerCall]>([])
        let received = Mutexed(0)
        let harness = try await Harness(options) { server in
            server.register(stream: "/t.T/Hold") { call in
                call.holdInput()
                calls.update { $0.append(call) }
                call.onMessage = { message in received.update { $0 += message.byteCount } }
                call.onHalfClose = { [unowned call] in call.reply("done") }
            }
        }
        let channel = await harness.channel()
        async let result = harness.stream(channel, "/t.T/Hold") { stream in
            for _ in 0..<50 { stream.send(Bytes(repeating: 1, count: 10_000)) }
            stream.finishSending()
        }
        #expect(await harness.eventually { received.value >= 90_000 })
        // Others on the connection are not held back.
        #expect(await harness.unary(channel, "/t.T/Echo", Bytes(repeating: 2, count: 200_000)).isOK)
        #expect(received.value <= 100_000)
        await harness.onServer { for call in calls.value { call.resumeInput() } }
        #expect(await result.status == .ok)
        #expect(received.value == 500_000)
        await harness.onServer { calls.set([]) }
        await harness.stop()
    }

    @Test("A reader that holds back an answer lets the server wait, with bounded memory")
    func slowStream() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let request = request(count: 200, size: 100_000)
        let received = Mutexed(0)
        let status = Mutexed<Status?>(nil)
        let stream = await harness.onClient {
            let stream = channel.stream("/t.T/Count")
            stream.holdInput()
            stream.onMessage = { message in received.update { $0 += message.byteCount } }
            stream.onEnd = { end, _ in status.set(end) }
            stream.send(request)
            stream.finishSending()
            return stream
        }
        #expect(await harness.eventually { received.value >= 900_000 })
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        #expect(received.value < 2_000_000)
        #expect(await harness.onServer { harness.server.outboundBytes } < 1 << 20)
        await harness.onClient { stream.resumeInput() }
        #expect(await harness.eventually { status.value != nil })
        #expect(status.value == .ok)
        #expect(received.value == 20_000_000)
        await harness.stop()
    }
}

/// A value that a loop's thread sets and a test reads.
final class Mutexed<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: Value) { mutex = Mutex(value) }

    var value: Value { mutex.withLock { $0 } }
    func set(_ value: Value) { mutex.withLock { $0 = value } }
    func update(_ body: (inout Value) -> Void) { mutex.withLock { body(&$0) } }
}
