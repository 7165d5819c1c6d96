import Glibc
import Synchronization

/// A program that we started, with its output in a file.
///
/// It is in a process group of its own: a Ctrl-C in the terminal reaches us alone, and we pass it on in our way.
public final class ChildProcess: Sendable {
    public enum Ending: Equatable, Sendable, CustomStringConvertible {
        case exited(Int32)
        case killed(signal: Int32)

        public var description: String {
            switch self {
            case .exited(let code): "exited with \(code)"
            case .killed(let signal): "was killed by signal \(signal) (\(String(cString: strsignal(signal))))"
            }
        }
    }

    public struct Failure: Error, CustomStringConvertible {
        public var description: String
    }

    public let id: pid_t
    private let hasEnded = Mutex(false)

    /// Starts `program`; what it prints is appended to the file `log`. `onEnd` is called once, on a thread of its
    /// own, when it has ended and is gone from the process table.
    public init(
        program: String, arguments: [String], log: String, onEnd: @escaping @Sendable (Ending) -> Void
    ) throws(Failure) {
        id = try Self.spawn(program: program, arguments: arguments, log: log)
        let waiter = Unmanaged.passRetained(Waiter(child: self, onEnd: onEnd)).toOpaque()
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, waitForChild, waiter)
        precondition(failure == 0, "pthread_create: \(String(cString: strerror(failure)))")
        pthread_detach(thread)
    }

    /// Sends a signal, unless the child has ended: its number may be another process's by then.
    public func signal(_ number: Int32) {
        hasEnded.withLock { ended in
            if !ended { kill(id, number) }
        }
    }

    public var isRunning: Bool { hasEnded.withLock { !$0 } }

    private static func spawn(program: String, arguments: [String], log: String) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for number in [SIGINT, SIGTERM, SIGPIPE, SIGHUP] { sigaddset(&defaults, number) }
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var id: pid_t = 0
        let failure = posix_spawn(&id, program, &actions, &attributes, &words, environ)
        guard failure == 0 else {
            throw Failure(description: "cannot start \(program): \(String(cString: strerror(failure)))")
        }
        return id
    }

    fileprivate func wait() -> Ending {
        // First without taking it from the process table: until `hasEnded` is set, its number stays its own.
        var info = siginfo_t()
        while waitid(P_PID, id_t(id), &info, WEXITED | WNOWAIT) < 0, errno == EINTR {}
        return hasEnded.withLock { ended in
            ended = true
            var status: Int32 = 0
            while waitpid(id, &status, 0) < 0, errno == EINTR {}
            let signal = status & 0x7f
            return signal == 0 ? .exited(status >> 8 & 0xff) : .killed(signal: signal)
        }
    }
}

private final class Waiter {
    let child: ChildProcess
    let onEnd: @Sendable (ChildProcess.Ending) -> Void

    init(child: ChildProcess, onEnd: @escaping @Sendable (ChildProcess.Ending) -> Void) {
        self.child = child
        self.onEnd = onEnd
    }
}

private func waitForChild(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let waiter = Unmanaged<Waiter>.fromOpaque(context!).takeRetainedValue()
    waiter.onEnd(waiter.child.wait())
    return nil
}
