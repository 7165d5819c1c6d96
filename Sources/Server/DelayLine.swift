import Base
import DequeModule
import EventLoop

/// Messages on their way over a link that was made slow: each leaves when it is due, none before its predecessor.
///
/// Confined to the loop.
final class DelayLine {
    private let loop: Loop
    private var waiting: Deque<(due: Instant, deliver: () -> Void)> = []
    private var timer: EventLoop.Timer!

    /// Messages on the way; what comes then is lost.
    static let capacity = 4096

    init(_ loop: Loop) {
        self.loop = loop
        timer = EventLoop.Timer(loop) { [unowned self] in deliverDue() }
    }

    deinit { timer.close() }

    var isEmpty: Bool { waiting.isEmpty }

    /// False when the line is full, and the message lost.
    func add(after delay: Interval, _ deliver: @escaping () -> Void) -> Bool {
        guard waiting.count < Self.capacity else { return false }
        let due = max(loop.now + delay, waiting.last?.due ?? .zero)
        waiting.append((due, deliver))
        if waiting.count == 1 { timer.start(at: due) }
        return true
    }

    /// Everything that waits leaves now.
    func flush() {
        timer.stop()
        while let next = waiting.popFirst() { next.deliver() }
    }

    private func deliverDue() {
        let now = loop.now
        while let first = waiting.first, first.due <= now {
            waiting.removeFirst()
            first.deliver()
        }
        if let first = waiting.first { timer.start(at: first.due) }
    }
}
