import CUV
import Glibc
import Synchronization

/// What waits for the loop's thread.
///
/// There is no limit to these: an executor may not refuse a job. Whoever feeds a loop from other threads
/// bounds what it feeds (`WorkerThread.capacity`, `Loop.workLimit`; a `Wakeup` waits at most once).
enum Job {
    case actor(UnownedJob)
    case closure(@Sendable () -> Void)
    case wakeup(Wakeup)
}

extension Loop {
    /// Whether this is the loop's thread. From any thread.
    public var isCurrent: Bool { thread.load(ordering: .acquiring) == UInt(pthread_self()) }

    public func enqueue(_ job: consuming ExecutorJob) { post(.actor(UnownedJob(job))) }

    /// Runs `body` on the loop's thread, at the end of the turn. From any thread, in order.
    public func perform(_ body: @escaping @Sendable () -> Void) { post(.closure(body)) }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    public func isIsolatingCurrentContext() -> Bool? { isCurrent }

    public func checkIsolated() { precondition(isCurrent, "not on the loop's thread") }

    /// On the loop's own thread the queue is seen before the loop next blocks; from any other, the first job
    /// of a batch pays for waking it.
    func post(_ job: Job) {
        if isCurrent {
            lock.locked { jobs.append(job) }
            return
        }
        wakers.add(1, ordering: .acquiringAndReleasing)
        let (isFirst, isLate) = lock.locked {
            jobs.append(job)
            return (jobs.count == 1, isClosed)
        }
        if isFirst && !isLate { wake() }
        wakers.subtract(1, ordering: .acquiringAndReleasing)
        if isLate { runLateJobs() }
    }

    /// Runs the jobs that were there at the call. True when newer ones are waiting.
    @discardableResult
    func runJobs() -> Bool {
        lock.locked { swap(&jobs, &running) }
        guard !running.isEmpty else { return false }
        var batch = running
        running = []
        let executor = asUnownedSerialExecutor()
        for job in batch {
            switch job {
            case .actor(let job): job.runSynchronously(on: executor)
            case .closure(let body): body()
            case .wakeup(let wakeup): wakeup.fire()
            }
        }
        batch.removeAll(keepingCapacity: true)
        running = batch
        return lock.locked { !jobs.isEmpty }
    }

    /// A loop that has stopped still owes an answer to a task that calls an actor on it: the thread that
    /// brings the job runs it, one thread at a time. The handles such an actor holds are closed by then.
    func runLateJobs() {
        let own = UInt(pthread_self())
        while lock.locked({ !jobs.isEmpty }) {
            guard thread.compareExchange(expected: 0, desired: own, ordering: .acquiringAndReleasing).exchanged
            else { return }
            while runJobs() {}
            thread.store(0, ordering: .releasing)
        }
    }
}
