import Base
import EventLoop
import Testing

/// An actor as the server will have them: it lives on a loop, and its handlers are isolated to it.
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

    private func tick() {
        precondition(loop.isCurrent)
        ticks += 1
        for (count, continuation) in waiting where count <= ticks { continuation.resume(returning: ticks) }
        waiting.removeAll { $0.0 <= ticks }
    }

    nonisolated func tickFromCallback() { assumeIsolated { $0.tick() } }

    func isOnLoop() -> Bool { loop.isCurrent }
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
}
