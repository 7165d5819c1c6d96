import Base

/// Something that can run out of time.
protocol TimeoutTarget: AnyObject {
    /// Called once for each `schedule` that was not cancelled, at most one tick late and never early.
    func timeoutExpired(at now: Instant)
}

/// A place in a `TimeoutWheel`: made once for its target and used again and again.
final class TimeoutNode {
    fileprivate unowned(unsafe) var previous: TimeoutNode?
    fileprivate unowned(unsafe) var next: TimeoutNode?
    fileprivate unowned(unsafe) var target: (any TimeoutTarget)?
    fileprivate(set) var deadline = Instant.never
    fileprivate(set) var isScheduled = false

    init(target: (any TimeoutTarget)?) { self.target = target }
}

/// Deadlines, many of them and most never reached: a hashed timing wheel (Varghese and Lauck, "Hashed and
/// hierarchical timing wheels", SOSP 1987, scheme 6). To schedule and to cancel are O(1) and allocate nothing; one
/// timer of the loop serves all.
final class TimeoutWheel {
    let tick: Interval
    private(set) var count = 0
    private let slots: [TimeoutNode]
    /// The last tick whose slot was looked at.
    private var currentTick: UInt64
    private var due: [TimeoutNode] = []

    init(tick: Interval, slots: Int, now: Instant) {
        precondition(slots > 0 && slots & (slots - 1) == 0, "a power of two")
        self.tick = tick
        self.slots = (0..<slots).map { _ in TimeoutNode(target: nil) }
        currentTick = now.nanoseconds / tick.nanoseconds
        for head in self.slots {
            head.previous = head
            head.next = head
        }
    }

    deinit {
        // Whoever is still in a ring must not look at its neighbours again.
        for head in slots {
            while let node = head.next, node !== head { unlink(node) }
        }
    }

    func schedule(_ node: TimeoutNode, at deadline: Instant) {
        cancel(node)
        node.deadline = deadline
        node.isScheduled = true
        // The first tick that begins at or after the deadline; one that has passed goes into the next to be seen.
        let tickNumber = max(deadline.nanoseconds / tick.nanoseconds + 1, currentTick + 1)
        let head = slots[Int(tickNumber & UInt64(slots.count - 1))]
        let last = head.previous!
        node.previous = last
        node.next = head
        last.next = node
        head.previous = node
        count += 1
    }

    func cancel(_ node: TimeoutNode) {
        guard node.isScheduled else { return }
        if node.previous != nil { unlink(node) }
        node.isScheduled = false
    }

    private func unlink(_ node: TimeoutNode) {
        node.previous!.next = node.next
        node.next!.previous = node.previous
        node.previous = nil
        node.next = nil
        node.isScheduled = false
        count -= 1
    }

    /// Lets everything expire whose deadline is at or before `now`.
    func advance(to now: Instant) {
        let last = now.nanoseconds / tick.nanoseconds
        guard last > currentTick else { return }
        let steps = min(last - currentTick, UInt64(slots.count))
        for step in 0..<steps {
            collect(slots[Int((last - step) & UInt64(slots.count - 1))], now)
        }
        currentTick = last
        // One that expires may cancel or schedule others: those in `due` are out of their rings already.
        while let node = due.popLast() {
            guard node.isScheduled, node.previous == nil else { continue }
            node.isScheduled = false
            node.target?.timeoutExpired(at: now)
        }
    }

    private func collect(_ head: TimeoutNode, _ now: Instant) {
        var node = head.next!
        while node !== head {
            let next = node.next!
            if node.deadline <= now {
                unlink(node)
                node.isScheduled = true
                due.append(node)
            }
            node = next
        }
    }
}

/// Counts what may happen now and then but not all the time (a token bucket).
struct TokenBucket {
    private let allowance: Allowance
    private var tokens: Int
    private var filledAt: Instant

    init(_ allowance: Allowance, now: Instant) {
        self.allowance = allowance
        tokens = allowance.burst
        filledAt = now
    }

    /// Takes one; false when none is left.
    mutating func take(at now: Instant) -> Bool {
        if tokens > 0 {
            tokens -= 1
            return true
        }
        let earned = (now - filledAt).nanoseconds / 1_000_000 * UInt64(max(0, allowance.perSecond)) / 1000
        guard earned > 0 else { return false }
        tokens = min(Int(clamping: earned), allowance.burst) - 1
        filledAt = now
        return tokens >= 0
    }
}
