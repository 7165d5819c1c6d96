import Glibc

/// A plain mutual exclusion for what several threads share. pthread's own, so that ThreadSanitizer sees it.
///
/// Nobody runs foreign code while holding one.
final class Lock: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init() {
        mutex = .allocate(capacity: 1)
        let failure = pthread_mutex_init(mutex, nil)
        precondition(failure == 0, "pthread_mutex_init: \(failure)")
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    @inline(__always)
    func locked<R>(_ body: () -> R) -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Waits for `condition`, letting go of the lock meanwhile; call it inside `locked`.
    func wait(for condition: Condition) {
        pthread_cond_wait(condition.raw, mutex)
    }
}

/// What a thread waits for under a `Lock`.
final class Condition: @unchecked Sendable {
    fileprivate let raw: UnsafeMutablePointer<pthread_cond_t>

    init() {
        raw = .allocate(capacity: 1)
        let failure = pthread_cond_init(raw, nil)
        precondition(failure == 0, "pthread_cond_init: \(failure)")
    }

    deinit {
        pthread_cond_destroy(raw)
        raw.deallocate()
    }

    func signal() { pthread_cond_signal(raw) }
}
