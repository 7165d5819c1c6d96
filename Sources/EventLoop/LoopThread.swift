import CUV
import Glibc

/// A thread that runs a loop.
public final class LoopThread: @unchecked Sendable {
    public let loop = Loop()
    public let name: String
    private let lock = Lock()
    /// Guarded by `lock`.
    private var state = State.idle

    private enum State {
        case idle
        case running(pthread_t)
        case stopped
    }

    /// `name` is what the system's tools show, cut at 15 bytes.
    public init(name: String) { self.name = name }

    deinit { stop() }

    /// Starts the thread. What was enqueued before runs first. Once only.
    public func start() {
        lock.locked {
            guard case .idle = state else { preconditionFailure("a loop's thread starts once") }
            let loop = loop
            state = .running(startThread(name: name) { loop.run() })
        }
    }

    /// Closes everything on the loop and waits until its thread has ended. Closed connections learn of it
    /// (`CloseReason.loopStopped`). Not from the loop's own thread. A second call does nothing.
    public func stop() {
        let before = lock.locked {
            defer { state = .stopped }
            return state
        }
        switch before {
        case .stopped: return
        case .idle: loop.close()
        case .running(let thread):
            precondition(!loop.isCurrent, "a loop's thread cannot wait for itself")
            loop.stop()
            pthread_join(thread, nil)
        }
    }
}

private final class ThreadBody {
    let name: String
    let urgency: ThreadUrgency
    let run: @Sendable () -> Void

    init(name: String, urgency: ThreadUrgency, run: @escaping @Sendable () -> Void) {
        self.name = name
        self.urgency = urgency
        self.run = run
    }
}

/// What a thread is worth where there are fewer processors than threads that want one.
public enum ThreadUrgency: Sendable {
    /// Somebody waits for it.
    case usual
    /// Nobody does: beside a loop that has work it gets a third of what the loop gets (nice 5), and does not take a processor
    /// from it as it wakes up (SCHED_BATCH).
    case background

    fileprivate var niceness: Int32 { self == .usual ? 0 : 5 }
}

/// Starts a joinable thread with a name for the system's tools (15 bytes at most).
func startThread(
    name: String, urgency: ThreadUrgency = .usual, _ body: @escaping @Sendable () -> Void
) -> pthread_t {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(ThreadBody(name: name, urgency: urgency, run: body)).toOpaque()
    let failure = pthread_create(&thread, nil, threadMain, context)
    precondition(failure == 0, "pthread_create: \(String(cString: strerror(failure)))")
    return thread
}

/// SCHED_BATCH, which Swift's Glibc does not show.
private let batchPolicy: Int32 = 3

private func threadMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let body = Unmanaged<ThreadBody>.fromOpaque(context!).takeRetainedValue()
    var name = Array(body.name.utf8CString.prefix(15))
    name.append(0)
    pthread_setname_np(pthread_self(), name)
    // Of this thread alone: Linux keeps niceness for each thread. Where it is refused the thread is as urgent as others.
    if body.urgency == .background {
        var none = sched_param()
        pthread_setschedparam(pthread_self(), batchPolicy, &none)
        nice(body.urgency.niceness)
    }
    body.run()
    return nil
}
