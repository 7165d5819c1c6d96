import Synchronization

/// Lets any thread call a handler on the loop. Signals that come before the handler runs are one.
public final class Wakeup: @unchecked Sendable {
    private let loop: Loop
    private let isPending = Atomic<Bool>(false)
    /// Loop's thread only.
    private var handler: (() -> Void)?

    /// On the loop's thread.
    public init(_ loop: Loop, _ handler: @escaping () -> Void) {
        loop.mustBeCurrent()
        self.loop = loop
        self.handler = handler
    }

    /// From any thread. What this thread wrote before is visible to the handler.
    public func signal() {
        guard !isPending.exchange(true, ordering: .acquiringAndReleasing) else { return }
        loop.post(.wakeup(self))
    }

    /// The handler is not called again, and dropped: whoever holds the wake-up and is held by its handler
    /// calls this, since the end of the loop does not. On the loop's thread.
    public func close() {
        loop.mustBeCurrent()
        handler = nil
    }

    func fire() {
        // Before the handler: a signal during its run calls it once more.
        _ = isPending.exchange(false, ordering: .acquiringAndReleasing)
        handler?()
    }
}
