import Glibc
import Synchronization

/// Ctrl-C and its like, as calls: once for the whole process, from `install` on.
public enum Interrupts {
    private static let handler = Mutex<(@Sendable (Int32) -> Void)?>(nil)
    private static let pipe = Atomic<Int32>(-1)

    /// From now on these signals end nothing by themselves: `handler` is called, on a thread of its own. A second
    /// call replaces the handler.
    public static func install(_ signals: [Int32], _ handler: @escaping @Sendable (Int32) -> Void) {
        self.handler.withLock { $0 = handler }
        if pipe.load(ordering: .acquiring) < 0 { startReading() }
        var action = sigaction()
        action.__sigaction_handler.sa_handler = passOn
        action.sa_flags = Int32(SA_RESTART)
        for signal in signals { sigaction(signal, &action, nil) }
    }

    /// These signals do again what they do by default.
    public static func restore(_ signals: [Int32]) {
        for number in signals { signal(number, SIG_DFL) }
        handler.withLock { $0 = nil }
    }

    private static func startReading() {
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) {
            Glibc.pipe($0.baseAddress!.assumingMemoryBound(to: Int32.self))
        }
        precondition(made == 0, "no descriptors are left for a pipe")
        for end in [ends.0, ends.1] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        pipe.store(ends.1, ordering: .releasing)
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, readSignals, UnsafeMutableRawPointer(bitPattern: Int(ends.0)))
        precondition(failure == 0, "pthread_create: \(String(cString: strerror(failure)))")
        pthread_detach(thread)
    }

    /// In the signal handler, where little is allowed: a write to a pipe is.
    fileprivate static func note(_ signal: Int32) {
        let before = errno
        var number = UInt8(truncatingIfNeeded: signal)
        write(pipe.load(ordering: .relaxed), &number, 1)
        errno = before
    }

    fileprivate static func deliver(_ signal: Int32) {
        handler.withLock { $0 }?(signal)
    }
}

private func passOn(_ signal: Int32) { Interrupts.note(signal) }

private func readSignals(_ end: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let descriptor = Int32(Int(bitPattern: end))
    var number: UInt8 = 0
    while true {
        let count = read(descriptor, &number, 1)
        if count == 1 { Interrupts.deliver(Int32(number)) }
        if count == 0 || count < 0 && errno != EINTR { return nil }
    }
}
