import Base
import EventLoop
import Glibc

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

    /// Runs `body` on the loop and waits until the function it was given is called, once.
    func until<R: Sendable>(_ body: @escaping @Sendable (Loop, @escaping (R) -> Void) throws -> Void) async throws -> R {
        let loop = loop
        return try await withCheckedThrowingContinuation { continuation in
            loop.perform {
                do {
                    try body(loop) { continuation.resume(returning: $0) }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }
}

/// Gives `body` a loop, and stops it however `body` ends.
func withTestLoop<R: Sendable>(_ body: (TestLoop) async throws -> R) async throws -> R {
    let test = TestLoop()
    defer { test.stop() }
    return try await body(test)
}

/// Starts threads that each run `body` with their number, and waits for all of them.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) async {
    await withTaskGroup { group in
        for number in 0..<count {
            group.addTask {
                await withCheckedContinuation { continuation in
                    startDetachedThread {
                        body(number)
                        continuation.resume()
                    }
                }
            }
        }
    }
}

private final class ThreadBody {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private func startDetachedThread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(ThreadBody(body)).toOpaque()
    let failure = pthread_create(&thread, nil, runDetached, context)
    precondition(failure == 0, "pthread_create: \(failure)")
    pthread_detach(thread)
}

private func runDetached(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    Unmanaged<ThreadBody>.fromOpaque(context!).takeRetainedValue().run()
    return nil
}

/// Bytes whose value tells their place in a stream: 251 is prime, so no power of two hides a shift.
func pattern(from position: Int, count: Int) -> Bytes {
    Bytes(capacity: count) { room in
        for place in 0..<count { room[place] = UInt8((position + place) % 251) }
        return count
    }
}

/// Whether `bytes` are what `pattern` has at `position`.
func matchesPattern(_ bytes: RawSpan, at position: Int) -> Bool {
    bytes.withUnsafeBytes { buffer in
        for place in 0..<buffer.count where buffer[place] != UInt8((position + place) % 251) { return false }
        return true
    }
}

/// Counts how many of its kind are alive: what a handler holds must go when its handle goes.
final class Witness: @unchecked Sendable {
    private let count: WitnessCount
    init(_ count: WitnessCount) {
        self.count = count
        count.add(1)
    }
    deinit { count.add(-1) }
    func touch() {}
}

final class WitnessCount: @unchecked Sendable {
    private var number = 0
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    init() {
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }
    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }
    func add(_ delta: Int) {
        pthread_mutex_lock(mutex)
        number += delta
        pthread_mutex_unlock(mutex)
    }
    var alive: Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return number
    }
}
