import Base
import EventLoop

/// A timer that fires once and is gone: it owns itself until then.
final class OneShot {
    private let loop: Loop
    private var timer: EventLoop.Timer?

    init(_ loop: Loop) { self.loop = loop }

    func start(after interval: Interval, _ body: @escaping () -> Void) {
        let timer = EventLoop.Timer(loop) {
            self.timer?.close()
            self.timer = nil
            body()
        }
        self.timer = timer
        timer.start(after: interval)
    }
}
