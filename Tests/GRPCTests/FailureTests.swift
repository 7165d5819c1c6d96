import Base
import EventLoop
import Synchronization
import Testing

@testable import GRPC

@Suite("Connections that fail", .timeLimit(.minutes(1)))
struct FailureTests {
    @Test("Without a server calls fail at once: UNAVAILABLE, never sent, with the reason")
    func refused() async throws {
        let harness = try await Harness()
        let channel = await harness.channel(port: 6599)
        let result = await harness.unary(channel, "/t.T/Echo", "x")
        #expect(result.status.code == .unavailable)
        #expect(result.status.message.contains("127.0.0.1:6599"))
        #expect(result.neverSent)
        await harness.stop()
    }

    @Test("A channel that is closed and let go of when its call cannot be sent is gone, and nothing comes after it")
    func closedWhenRefused() async throws {
        let harness = try await Harness()
        let ended = Mutexed(false)
        await harness.onClient {
            var options = ChannelOptions()
            options.initialBackoff = .milliseconds(10)
            let channel = Channel(loop: harness.clientThread.loop, host: "127.0.0.1", port: 6595, options: options)
            channel.unary("/t.T/Echo", message: "x") { _ in
                channel.close()
                ended.update { $0 = true }
            }
        }
        #expect(await harness.eventually { ended.value })
        // Longer than the backoff: its timer would find nobody.
        let passed = Mutexed(false)
        await harness.onClient {
            var timer: Timer?
            timer = Timer(harness.clientThread.loop) {
                timer?.close()
                passed.update { $0 = true }
            }
            timer?.start(after: .milliseconds(50))
        }
        #expect(await harness.eventually { passed.value })
        await harness.stop()
    }

    @Test("A call in flight fails with UNAVAILABLE when the connection dies; it was sent")
    func dies() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        async let result = harness.unary(channel, "/t.T/Never", "x")
        #expect(await harness.eventually { await harness.onServer { harness.server.openCallCount } == 1 })
        await harness.onServer { harness.server.dropConnections() }
        #expect(await result.status.code == .unavailable)
        #expect(await !result.neverSent)
        #expect(harness.cancelled.withLock { $0 } == 1)
        // The next call makes a new connection.
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        await harness.stop()
    }

    @Test("A channel that waits for its server answers once it is there")
    func waitForReady() async throws {
        let harness = try await Harness()
        var options = ChannelOptions()
        options.waitForReady = true
        let states = Mutexed<[Channel.State]>([])
        let channel = await harness.channel(options, port: 6598)
        await harness.onClient { channel.onStateChange = { state in states.update { $0.append(state) } } }
        async let result = harness.unary(channel, "/t.T/Echo", "x")
        #expect(await harness.eventually { states.value.contains(.transientFailure) })
        try await harness.onServer { _ = try harness.server.listen(host: "127.0.0.1", port: 6598) }
        #expect(await result.isOK)
        #expect(states.value.last == .ready)
        await harness.stop()
    }

    @Test("A call that waits for a connection meets its deadline there, and was never sent")
    func queuedDeadline() async throws {
        let harness = try await Harness()
        var options = ChannelOptions()
        options.waitForReady = true
        let channel = await harness.channel(options, port: 6597)
        let result = await harness.unary(channel, "/t.T/Echo", "x", timeout: .milliseconds(60))
        #expect(result.status.code == .deadlineExceeded)
        #expect(result.neverSent)
        await harness.stop()
    }

    @Test("The queue of calls that wait for a connection has an end")
    func queueLimit() async throws {
        let harness = try await Harness()
        var options = ChannelOptions()
        options.waitForReady = true
        options.maxQueuedCalls = 10
        let channel = await harness.channel(options, port: 6596)
        let results = Mutexed<[UnaryResult]>([])
        let endedAtOnce = await harness.onClient {
            for _ in 0..<12 {
                channel.unary("/t.T/Echo", message: "x", timeout: .milliseconds(300)) { result in
                    results.update { $0.append(result) }
                }
            }
            return results.value.count
        }
        #expect(endedAtOnce == 0)
        #expect(await harness.eventually { results.value.count == 12 })
        #expect(results.value.allSatisfy { $0.neverSent })
        #expect(results.value.filter { $0.status.code == .unavailable }.count == 2)
        #expect(results.value.filter { $0.status.code == .deadlineExceeded }.count == 10)
        await harness.stop()
    }

    @Test("Closing a channel ends its calls")
    func closeChannel() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        async let result = harness.unary(channel, "/t.T/Never", "x")
        #expect(await harness.eventually { await harness.onServer { harness.server.openCallCount } == 1 })
        await harness.onClient { channel.close() }
        #expect(await result.status.code == .unavailable)
        let late = await harness.unary(channel, "/t.T/Echo", "x")
        #expect(late.status.code == .unavailable)
        #expect(late.neverSent)
        #expect(await harness.eventually { await harness.onServer { harness.server.connectionCount } == 0 })
        await harness.stop()
    }

    @Test("A server that stops answers what is in flight and takes nothing new")
    func drain() async throws {
        let calls = Mutexed<[ServerCall]>([])
        let harness = try await Harness { server in
            server.register("/t.T/Later") { call, _ in calls.update { $0.append(call) } }
        }
        let channel = await harness.channel()
        async let result = harness.unary(channel, "/t.T/Later", "x")
        #expect(await harness.eventually { !calls.value.isEmpty })
        let stopped = Mutexed(false)
        await harness.onServer { harness.server.shutdown(grace: .seconds(60)) { stopped.set(true) } }
        #expect(await harness.eventually { await harness.onClient { channel.state } == .idle })
        let late = await harness.unary(channel, "/t.T/Echo", "x")
        #expect(late.status.code == .unavailable)
        #expect(late.neverSent)
        #expect(!stopped.value)
        await harness.onServer {
            for call in calls.value { call.reply("made it") }
            calls.set([])
        }
        #expect(await result.message == "made it")
        #expect(await harness.eventually { stopped.value })
        await harness.stop(isServerStopped: true)
    }

    @Test("A server that stops waits no longer than its grace")
    func grace() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        async let result = harness.unary(channel, "/t.T/Never", "x")
        #expect(await harness.eventually { await harness.onServer { harness.server.openCallCount } == 1 })
        let before = Loop.now
        await withCheckedContinuation { continuation in
            harness.serverThread.loop.perform {
                harness.server.shutdown(grace: .milliseconds(100)) { continuation.resume() }
            }
        }
        #expect(Loop.now - before >= .milliseconds(100))
        #expect(await result.status.code == .unavailable)
        await harness.stop(isServerStopped: true)
    }

    @Test("A server that never says anything is given up after the connect timeout")
    func silentServer() async throws {
        let harness = try await Harness()
        let listener = Mutexed<UInt16>(0)
        let kept = Kept()
        try await harness.onServer {
            let silent = try TCPListener(harness.serverThread.loop, host: "127.0.0.1", port: 0)
            silent.onAccept = { connection in connection.resumeReading() }
            listener.set(silent.port)
            kept.value = silent
        }
        var options = ChannelOptions()
        options.connectTimeout = .milliseconds(200)
        let channel = await harness.channel(options, port: listener.value)
        let result = await harness.unary(channel, "/t.T/Echo", "x")
        #expect(result.status.code == .unavailable)
        #expect(result.neverSent)
        #expect(result.status.message.contains("did not answer"))
        await harness.onServer { (kept.value as? TCPListener)?.close() }
        await harness.stop()
    }

    @Test("A server that goes silent in the middle is found out by pings")
    func silentLater() async throws {
        let harness = try await Harness()
        var options = ChannelOptions()
        options.keepaliveInterval = .milliseconds(200)
        options.keepaliveTimeout = .milliseconds(200)
        let channel = await harness.channel(options)
        #expect(await harness.unary(channel, "/t.T/Echo", "x").isOK)
        // While it answers pings, a slow call is left alone.
        let slow = await harness.unary(channel, "/t.T/Never", "x", timeout: .milliseconds(1500))
        #expect(slow.status.code == .deadlineExceeded)
        await harness.onServer { harness.server.pauseConnections() }
        let result = await harness.unary(channel, "/t.T/Never", "x")
        #expect(result.status.code == .unavailable)
        #expect(result.status.message.contains("no sign of life"))
        await harness.stop()
    }

    private final class Kept: @unchecked Sendable { var value: AnyObject? }
}
