public import Base
import CUV

/// Calls a handler on the loop at an instant, once or again and again. Never early; late by what libuv rounds
/// (a millisecond) and by what the loop is busy with.
public final class Timer: Handle {
    private var handler: (() -> Void)?

    private var timer: UnsafeMutablePointer<uv_timer_t>? {
        UnsafeMutableRawPointer(raw)?.assumingMemoryBound(to: uv_timer_t.self)
    }

    public init(_ loop: Loop, _ handler: @escaping () -> Void) {
        self.handler = handler
        super.init(loop: loop)
        if let timer = loop.open(uv_timer_t.self, uv_timer_init) { adopt(timer) }
    }

    /// Starts, or starts again, from now.
    public func start(after delay: Interval, repeating period: Interval? = nil) {
        start(at: loop.now + delay, repeating: period)
    }

    /// Starts, or starts again. An instant in the past means at the next turn.
    public func start(at instant: Instant, repeating period: Interval? = nil) {
        guard let timer, isUsable else { return }
        // Both in whole milliseconds of the same clock: rounding this one up makes the timer never early.
        let due = Interval(nanoseconds: min(instant.nanoseconds, .max - 1_000_000)).milliseconds
        let turn = uv_now(loop.uv)
        uv_timer_start(timer, timerFired, due > turn ? due - turn : 0, period?.milliseconds ?? 0)
    }

    /// The handler is not called again until the next start.
    public func stop() {
        guard let timer, isUsable else { return }
        uv_timer_stop(timer)
    }

    public var isActive: Bool { raw.map { !isClosing && uv_is_active($0) != 0 } ?? false }

    /// Ends the timer for good. Every timer is closed by its owner, or by the end of its loop.
    public func close() { beginClosing() }

    override func didClose() { handler = nil }

    fileprivate func fire() {
        guard !isClosing else { return }
        handler?()
    }
}

private func timerFired(_ timer: UnsafeMutablePointer<uv_timer_t>?) {
    timer?.pointee.data?.owner(as: Timer.self).fire()
}
