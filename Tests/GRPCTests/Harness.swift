import Base
import EventLoop
import Synchronization
import Testing

@testable import GRPC

/// A server on a loop of its own, with methods to try things with, and channels on a second loop.
final class Harness: @unchecked Sendable {
    let serverThread = LoopThread(name: "test-server")
    let clientThread = LoopThread(name: "test-client")
    private(set) var server: GRPCServer!
    private(set) var port: UInt16 = 0
    let log = EventLog()
    let cancelled = Mutex<Int>(0)
    private var channels: [Channel] = []

    init(_ options: ServerOptions = ServerOptions(), register: @escaping @Sendable (GRPCServer) -> Void = { _ in })
        async throws
    {
        serverThread.start()
        clientThread.start()
        var options = options
        options.onEvent = { [log] event in log.add(event) }
        let fixed = options
        try await onServer { [self] in
            let server = GRPCServer(loop: serverThread.loop, options: fixed)
            registerTrials(server)
            register(server)
            self.server = server
            port = try server.listen(host: "127.0.0.1", port: 0)
        }
    }

    deinit { precondition(server == nil, "stop the harness") }

    /// Stops everything, and fails the test when the server does not come to its end.
    func stop(isServerStopped: Bool = false) async {
        await onClient { [self] in
            for channel in channels { channel.close() }
            channels = []
        }
        if !isServerStopped {
            await shutDown()
        }
        await onServer { [self] in
            #expect(server.openCallCount == 0)
            #expect(server.outboundBytes == 0)
            server = nil
        }
        clientThread.stop()
        serverThread.stop()
    }

    private func shutDown() async {
        await withCheckedContinuation { continuation in
            serverThread.loop.perform { [self] in
                server.shutdown(grace: .milliseconds(500)) { continuation.resume() }
            }
        }
    }

    func onServer<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async rethrows -> R {
        try await run(body, on: serverThread.loop)
    }

    func onClient<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async rethrows -> R {
        try await run(body, on: clientThread.loop)
    }

    private func run<R: Sendable>(_ body: @escaping @Sendable () throws -> R, on loop: Loop) async rethrows -> R {
        let result: Result<R, any Error> = await withCheckedContinuation { continuation in
            loop.perform { continuation.resume(returning: Result { try body() }) }
        }
        func get(_ result: Result<R, any Error>) throws -> R { try result.get() }
        return try rethrowing(result, body)
    }

    private func rethrowing<R>(_ result: Result<R, any Error>, _ body: () throws -> R) rethrows -> R {
        switch result {
        case .success(let value): return value
        case .failure: return try body()
        }
    }

    /// A channel to the server, closed with the harness.
    func channel(_ options: ChannelOptions = ChannelOptions(), port: UInt16? = nil) async -> Channel {
        await onClient { [self] in
            let channel = Channel(loop: clientThread.loop, host: "127.0.0.1", port: port ?? self.port, options: options)
            channels.append(channel)
            return channel
        }
    }

    func unary(
        _ channel: Channel, _ path: MethodPath, _ message: Bytes, timeout: Interval? = .seconds(20),
        metadata: Metadata = Metadata()
    ) async -> UnaryResult {
        await withCheckedContinuation { continuation in
            channel.loop.perform {
                channel.unary(path, message: message, timeout: timeout, metadata: metadata) {
                    continuation.resume(returning: $0)
                }
            }
        }
    }

    /// Runs a stream and gives all that came back.
    func stream(
        _ channel: Channel, _ path: MethodPath, timeout: Interval? = .seconds(20), metadata: Metadata = Metadata(),
        _ body: @escaping @Sendable (ClientStream) -> Void
    ) async -> (messages: [Bytes], status: Status, trailers: Metadata) {
        await withCheckedContinuation { continuation in
            channel.loop.perform {
                let stream = channel.stream(path, timeout: timeout, metadata: metadata)
                let messages = Collected()
                stream.onMessage = { messages.all.append(Bytes(copying: $0)) }
                stream.onEnd = { continuation.resume(returning: (messages.all, $0, $1)) }
                body(stream)
            }
        }
    }

    private final class Collected { var all: [Bytes] = [] }

    /// Waits until `condition` holds; false after ten seconds.
    func eventually(_ condition: @Sendable () async -> Bool) async -> Bool {
        for _ in 0..<2000 {
            if await condition() { return true }
            try? await Task.sleep(nanoseconds: 5_000_000)
        }
        return false
    }
}

extension Harness {
    /// The methods that the tests call.
    private func registerTrials(_ server: GRPCServer) {
        server.register("/t.T/Echo") { call, message in call.reply(Bytes(copying: message)) }
        server.register("/t.T/Never") { [self] call, _ in
            call.onCancel = { [self, call] in
                #expect(call.isClosed)
                cancelled.withLock { $0 += 1 }
            }
        }
        server.register("/t.T/Fail") { call, message in
            var trailers = Metadata()
            trailers.add("swiftwater-not-applied", "1")
            trailers.add(binary: "detail-bin", Bytes([0, 255, 10]))
            call.fail(Status(.failedPrecondition, "100 % naïve\n✓"), trailers: trailers)
        }
        // A number of answers, of a number of bytes each: as they become writable.
        server.register("/t.T/Count") { call, message in
            let numbers = message.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
            let (count, size) = (Int(numbers[0]), Int(numbers[1]))
            let sent = Counter()
            let step = { [unowned call] in
                while call.isWritable, sent.value < count {
                    call.send(Bytes(repeating: UInt8(truncatingIfNeeded: sent.value), count: size))
                    sent.value += 1
                }
                if sent.value == count { call.finish() }
            }
            call.onWritable = step
            step()
        }
        server.register(stream: "/t.T/Collect") { call in
            let total = Counter()
            call.onMessage = { total.value += $0.byteCount }
            call.onHalfClose = { [unowned call] in call.reply(Bytes(utf8: "\(total.value)")) }
        }
        server.register(stream: "/t.T/Chat") { [self] call in
            call.responseMetadata.add("said", "hello")
            call.onMessage = { [unowned call] in call.send(Bytes(copying: $0)) }
            call.onHalfClose = { [unowned call] in call.finish() }
            call.onCancel = { [self] in cancelled.withLock { $0 += 1 } }
        }
        server.register("/t.T/Metadata") { call, _ in
            var trailers = Metadata()
            trailers.add("got", call.metadata("ask") ?? "nothing")
            trailers.add(binary: "got-bin", call.binaryMetadata("ask-bin") ?? Bytes())
            call.reply(Bytes(utf8: call.peerAddress), trailers: trailers)
        }
    }
}

/// What a server's or a channel's log was told.
final class EventLog: Sendable {
    private let events = Mutex<[ConnectionEvent]>([])

    func add(_ event: ConnectionEvent) { events.withLock { $0.append(event) } }

    var all: [ConnectionEvent] { events.withLock { $0 } }

    /// Whether a connection was dropped, for a reason that holds these words.
    func hasDropped(_ words: String) -> Bool {
        all.contains { if case .dropped(let reason) = $0.kind { reason.contains(words) } else { false } }
    }
}

final class Counter { var value = 0 }

extension Bytes {
    init(repeating byte: UInt8, count: Int) {
        self.init(capacity: count) { target in
            target.initializeMemory(as: UInt8.self, repeating: byte)
            return count
        }
    }
}
