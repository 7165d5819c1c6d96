import DequeModule
import Glibc

/// A thread of its own for one kind of blocking work, such as writing and syncing the log: jobs run one at a
/// time, in order, and their outcomes come back to the loop, in order, as one batch per wake-up.
///
/// Jobs and outcomes are values: handing one over allocates nothing. At most `capacity` of them are under way
/// at any time, from `submit` until the outcome has been delivered.
public final class WorkerThread<Job: Sendable, Outcome: Sendable>: LoopAttachment {
    public let capacity: Int
    /// Jobs submitted whose outcome has not been delivered. Loop's thread only.
    public private(set) var outstanding = 0

    private let loop: Loop
    private let shared: Shared
    private let wakeup: Wakeup
    private var thread: pthread_t?
    private var deliver: (([Outcome]) -> Void)?
    /// Swapped with the worker's list, so that both keep their memory.
    private var batch: [Outcome] = []

    /// What both threads touch, under `lock`.
    private final class Shared: @unchecked Sendable {
        let lock = Lock()
        let hasWork = Condition()
        var jobs = Deque<Job>()
        var outcomes: [Outcome] = []
        var isStopping = false
    }

    /// Starts the thread. `work` runs on it, and may take the job apart as it goes; `onOutcomes` runs on the loop. On the loop's
    /// thread.
    public init(
        _ loop: Loop, name: String, urgency: ThreadUrgency = .usual, capacity: Int,
        work: @escaping @Sendable (inout Job) -> Outcome,
        onOutcomes: @escaping ([Outcome]) -> Void
    ) {
        precondition(capacity > 0, "a worker without room for a job does nothing")
        self.loop = loop
        self.capacity = capacity
        deliver = onOutcomes
        let shared = Shared()
        self.shared = shared
        let relay = Relay()
        let wakeup = Wakeup(loop) { relay.call?() }
        self.wakeup = wakeup
        super.init()
        relay.call = { [unowned self] in deliverOutcomes() }
        guard loop.attach(self) else { return }
        thread = startThread(name: name, urgency: urgency) { Self.run(shared, work, wakeup) }
    }

    /// Hands over a job. False when `capacity` jobs are under way already, or after `stop()`: the caller keeps
    /// the job and waits for outcomes. On the loop's thread.
    public func submit(_ job: Job) -> Bool {
        var job = Optional(job)
        return submit(taking: &job)
    }

    /// Hands over a job that is dear to free: nothing of it stays with the caller, who would otherwise free it on the loop when
    /// the thread has done it before `submit` is back. False as above; then it stays. On the loop's thread.
    public func submit(taking job: inout Job?) -> Bool {
        loop.mustBeCurrent()
        guard job != nil, thread != nil, outstanding < capacity else { return false }
        outstanding += 1
        shared.lock.locked {
            shared.jobs.append(job.take()!)
            if shared.jobs.count == 1 { shared.hasWork.signal() }
        }
        return true
    }

    /// Waits until the jobs handed over have run, delivers their outcomes, and ends the thread. The end of the
    /// loop does the same. On the loop's thread; a second call does nothing.
    public override func stop() {
        loop.mustBeCurrent()
        guard let thread else { return }
        self.thread = nil
        shared.lock.locked {
            shared.isStopping = true
            shared.hasWork.signal()
        }
        pthread_join(thread, nil)
        deliverOutcomes()
        deliver = nil
        wakeup.close()
        loop.detach(self)
    }

    private func deliverOutcomes() {
        // Taken out first: the handler may call `stop()`, which comes here again.
        var outcomes = batch
        batch = []
        shared.lock.locked { swap(&shared.outcomes, &outcomes) }
        outstanding -= outcomes.count
        if !outcomes.isEmpty { deliver?(outcomes) }
        outcomes.removeAll(keepingCapacity: true)
        batch = outcomes
    }

    private static func run(_ shared: Shared, _ work: @Sendable (inout Job) -> Outcome, _ wakeup: Wakeup) {
        while var job = next(shared) {
            let outcome = work(&job)
            let isFirst = shared.lock.locked {
                shared.outcomes.append(outcome)
                return shared.outcomes.count == 1
            }
            if isFirst { wakeup.signal() }
        }
    }

    /// The next job; nil when there is none and none will come.
    private static func next(_ shared: Shared) -> Job? {
        shared.lock.locked {
            while shared.jobs.isEmpty {
                if shared.isStopping { return nil }
                shared.lock.wait(for: shared.hasWork)
            }
            return shared.jobs.removeFirst()
        }
    }
}

/// Lets a closure be made before the object it calls.
private final class Relay {
    var call: (() -> Void)?
}

/// Something with a thread of its own that ends before its loop does.
public class LoopAttachment {
    init() {}

    /// Ends it, and waits for the end.
    public func stop() {}
}

extension Loop {
    /// Holds `attachment` until the loop ends or it is detached. False when the loop has ended.
    func attach(_ attachment: LoopAttachment) -> Bool {
        mustBeCurrent()
        guard !isFinished else { return false }
        attachments.append(attachment)
        return true
    }

    func detach(_ attachment: LoopAttachment) {
        attachments.removeAll { $0 === attachment }
    }
}
