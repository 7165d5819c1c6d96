import Base
import CUV

/// When, at the end of a turn, a handler runs: first those that work on what the turn gathered, then those
/// that send what the work brought forth.
public enum TurnPhase: Int, Sendable {
    case work
    case flush
}

/// A handler that runs at the end of each of a loop's turns, until it is cancelled.
public final class TurnEnd {
    let phase: TurnPhase
    var handler: (() -> Void)?

    init(phase: TurnPhase, handler: @escaping () -> Void) {
        self.phase = phase
        self.handler = handler
    }

    /// The handler is not called again.
    public func cancel() { handler = nil }
}

extension Loop {
    /// Calls `handler` once per turn, when all callbacks and jobs of the turn have run and before the loop
    /// blocks: the moment to do once what a turn's requests have in common, such as one write per connection.
    @discardableResult
    public func onTurnEnd(_ phase: TurnPhase = .flush, _ handler: @escaping () -> Void) -> TurnEnd {
        mustBeCurrent()
        let turnEnd = TurnEnd(phase: phase, handler: handler)
        let place = phase == .flush ? turnEnds.endIndex : turnEnds.firstIndex { $0.phase == .flush }
        turnEnds.insert(turnEnd, at: place ?? turnEnds.endIndex)
        return turnEnd
    }

    /// Called before the loop blocks. Whatever is queued from here on by this thread wakes it at once.
    func endTurn() {
        runJobs()
        var cancelled = false
        for turnEnd in turnEnds {
            if let handler = turnEnd.handler { handler() } else { cancelled = true }
        }
        if cancelled { turnEnds.removeAll { $0.handler == nil } }
        if lock.locked({ !jobs.isEmpty && !isClosed }) { wake() }
        readBudget.endTurn()
        measureTurn()
    }

    /// libuv runs handlers as it collects what the kernel reports: when a turn began is known by how long it waited before.
    private func measureTurn() {
        let (end, idle, work) = (uv_hrtime(), uv_metrics_idle_time(uv), threadTime())
        if let lastTurn {
            let (whole, waited) = (end - lastTurn.end, idle - lastTurn.idle)
            turnTimes.note(Interval(nanoseconds: whole > waited ? whole - waited : 0))
            turnWork.note(work - lastTurn.work)
        }
        lastTurn = (end, idle, work)
    }
}
