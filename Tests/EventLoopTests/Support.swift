import Base
import EventLoop

/// A loop on its own thread, with the plain things a test asks of it.
final class TestLoop: Sendable {
    let thread: LoopThread
    var loop: Loop { thread.loop }

    init(_ name: String = "test") {
        thread = LoopThread(name: name)
        thread.start()
    }

    func stop() { thread.stop() }

    /// Runs `body` on the loop and waits for what it returns.
    func on<R: Sendable>(_ body: @escaping @Sendable (Loop) throws -> R) async throws -> R {
        let loop = loop
        return try await withCheckedThrowingContinuation { continuation in
            loop.perform { continuation.resume(with: Result { try body(loop) }) }
        }
    }

    /// Runs `body` on the loop and waits until the function it was given is called.
    func until<R: Sendable>(_ body: @escaping @Sendable (Loop, @escaping (R) -> Void) -> Void) async -> R {
        let loop = loop
        return await withCheckedContinuation { continuation in
            loop.perform { body(loop) { continuation.resume(returning: $0) } }
        }
    }
}

func withTestLoop<R: Sendable>(_ body: (TestLoop) async throws -> R) async throws -> R {
    let test = TestLoop()
    defer { test.stop() }
    return try await body(test)
}
