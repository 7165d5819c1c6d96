import Base
import EventLoop
import Testing

/// An actor as the server has them: it lives on a loop, and its handlers are isolated to it.
private actor Counter {
    nonisolated let loop: Loop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var timer: Timer?
    private(set) var ticks = 0
    private var waiting: [(Int, CheckedContinuation<Int, Never>)] = []

    init(_ loop: Loop) { self.loop = loop }

    func start() {
        timer = Timer(loop) { [unowned self] in tick() }
        timer?.start(after: .zero, repeating: .milliseconds(1))
    }

    func stop() {
        timer?.close()
        timer = nil
    }

    func reached(_ count: Int) async -> Int {
        if ticks >= count { return ticks }
        return await withCheckedContinuation { waiting.append((count, $0)) }
    }

    func tick() {
        loop.checkIsolated()
        ticks += 1
        for (count, continuation) in waiting where count <= ticks { continuation.resume(returning: ticks) }
        waiting.removeAll { $0.0 <= ticks }
    }

    nonisolated func tickFromCallback() { assumeIsolated { $0.tick() } }

    func isOnLoop() -> Bool { loop.isCurrent }
}

/// An actor that owns its connections, and whose handlers touch its state without more ado.
private actor EchoServer {
    nonisolated let loop: Loop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var listener: TCPListener?
    private var connections: [ObjectIdentifier: TCPConnection] = [:]
    private(set) var answers = 0

    init(_ loop: Loop) { self.loop = loop }

    func start() throws -> UInt16 {
        let listener = try TCPListener(loop, host: "127.0.0.1", port: 0)
        listener.onAccept = { [self] connection in serve(connection) }
        self.listener = listener
        return listener.port
    }

    private func serve(_ connection: TCPConnection) {
        let id = ObjectIdentifier(connection)
        connections[id] = connection
        connection.onRead = { [self, unowned connection] in
            answers += 1
            connection.write($0)
        }
        connection.onClose = { [self] _ in connections[id] = nil }
        connection.resumeReading()
    }

    func ask(port: UInt16) async -> String {
        await withCheckedContinuation { continuation in
            TCPConnection.connect(to: "127.0.0.1", port: port, on: loop, timeout: .seconds(5)) { [self] in
                guard case .success(let connection) = $0 else { return continuation.resume(returning: "\($0)") }
                connections[ObjectIdentifier(connection)] = connection
                connection.onRead = { [self, unowned connection] in
                    connections[ObjectIdentifier(connection)] = nil
                    connection.close()
                    continuation.resume(returning: Bytes(copying: $0).utf8String ?? "?")
                }
                connection.resumeReading()
                connection.write("to the actor" as Bytes)
            }
        }
    }
}

@Suite("An actor on a loop")
struct ActorTests {
    @Test("runs on the loop's thread when a task calls it")
    func fromOutside() async throws {
        try await withTestLoop { test in
            let counter = Counter(test.loop)
            #expect(await counter.isOnLoop())
            #expect(!test.loop.isCurrent)
        }
    }

    @Test("is entered by callbacks without a hop")
    func fromCallback() async throws {
        try await withTestLoop { test in
            let counter = Counter(test.loop)
            await counter.start()
            #expect(await counter.reached(5) >= 5)
            await counter.stop()
            let before = await counter.ticks
            try await test.on { _ in counter.tickFromCallback() }
            #expect(await counter.ticks == before + 1)
        }
    }

    @Test("owns connections whose handlers are its own")
    func ownsConnections() async throws {
        try await withTestLoop { test in
            let server = EchoServer(test.loop)
            let port = try await server.start()
            for number in 1...10 {
                #expect(await server.ask(port: port) == "to the actor")
                #expect(await server.answers == number)
            }
        }
    }

    @Test("cannot be entered from another thread")
    func fromElsewhere() async {
        await #expect(processExitsWith: .failure) {
            let thread = LoopThread(name: "test")
            thread.start()
            Counter(thread.loop).tickFromCallback()
        }
    }

    @Test("serves many tasks one at a time")
    func manyTasks() async throws {
        try await withTestLoop { test in
            let counter = Counter(test.loop)
            await withTaskGroup { group in
                for _ in 0..<50 {
                    group.addTask { for _ in 0..<100 { await counter.tick() } }
                }
            }
            #expect(await counter.ticks == 5000)
        }
    }

    @Test("still answers after its loop has stopped")
    func afterStop() async throws {
        let test = TestLoop()
        let counter = Counter(test.loop)
        await counter.start()
        #expect(await counter.reached(2) >= 2)
        test.stop()
        let before = await counter.ticks
        await withTaskGroup { group in
            for _ in 0..<20 {
                group.addTask { for _ in 0..<50 { await counter.tick() } }
            }
        }
        #expect(await counter.ticks == before + 1000)
        await counter.start()
        await counter.stop()
    }

    @Test("moves between two loops as its callers need")
    func twoLoops() async throws {
        try await withTestLoop { first in
            try await withTestLoop { second in
                let here = Counter(first.loop)
                let there = Counter(second.loop)
                for _ in 0..<200 {
                    await here.tick()
                    await there.tick()
                }
                #expect(await here.ticks == 200)
                #expect(await there.ticks == 200)
            }
        }
    }
}
