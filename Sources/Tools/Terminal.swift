import Base
import Glibc
import Synchronization

/// Writes all of it to standard output. False when nobody reads it any more.
@Sendable public func writeAll(_ bytes: [UInt8]) -> Bool { write(bytes, to: STDOUT_FILENO) }

/// Writes to standard error. When even that fails, there is nobody left to tell.
public func writeErrors(_ text: String) { _ = write(Array(text.utf8), to: STDERR_FILENO) }

/// All of it; false, and errno, when that cannot be done.
func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var written = 0
    while written < bytes.count {
        let count = bytes.withUnsafeBytes { buffer in
            Glibc.write(descriptor, buffer.baseAddress! + written, buffer.count - written)
        }
        if count >= 0 {
            written += count
        } else if errno == EAGAIN {
            var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = Glibc.poll(&poll, 1, -1)
        } else if errno != EINTR {
            return false
        }
    }
    return true
}

/// Runs a task and waits for it on this thread. The program's own thread is not the concurrency pool's: those have
/// their signals blocked, and a terminal needs a thread that Ctrl-Z reaches.
func blocking<T: Sendable>(_ body: @escaping @Sendable () async -> T) -> T {
    let box = BlockingBox<T>()
    Task.detached { box.put(await body()) }
    return box.take()
}

/// The same with a limit; nil, and the task is cancelled, when it takes longer.
func blocking<T: Sendable>(within limit: Interval, _ body: @escaping @Sendable () async -> T) -> T? {
    let box = BlockingBox<T>()
    let task = Task.detached { box.put(await body()) }
    let result = box.take(within: limit)
    if result == nil { task.cancel() }
    return result
}

/// A place for one value, with a POSIX semaphore to wait at.
final class BlockingBox<T: Sendable>: @unchecked Sendable {
    private let value = Mutex<T?>(nil)
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(semaphore, 0, 0) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func put(_ value: T) {
        self.value.withLock { $0 = value }
        sem_post(semaphore)
    }

    func take() -> T {
        while true {
            sem_wait(semaphore)
            if let value = value.withLock({ $0 }) { return value }
        }
    }

    func take(within limit: Interval) -> T? {
        var until = timespec()
        clock_gettime(CLOCK_REALTIME, &until)
        let nanoseconds = UInt64(until.tv_nsec) + limit.nanoseconds
        until.tv_sec += Int(nanoseconds / 1_000_000_000)
        until.tv_nsec = Int(nanoseconds % 1_000_000_000)
        while sem_timedwait(semaphore, &until) != 0 {
            guard errno == EINTR else { return nil }
        }
        return value.withLock { $0 }
    }
}
