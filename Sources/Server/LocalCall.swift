import Base
import EventLoop
import Replica

/// A request of this process's own: whoever asked waits in a task, and is answered once, by the replica or by the
/// clock, whichever comes first. A late answer of the replica finds nobody.
///
/// Confined to the member's loop.
final class LocalCall {
    private var continuation: CheckedContinuation<Answer, Never>?
    private var timer: EventLoop.Timer?

    init(_ loop: Loop, _ continuation: CheckedContinuation<Answer, Never>, patience: Interval) {
        self.continuation = continuation
        let timer = EventLoop.Timer(loop) { [self] in answer(Answer(id: RequestID(0), result: .failed(.noAnswerInTime))) }
        self.timer = timer
        timer.start(after: patience)
    }

    func answer(_ answer: Answer) {
        timer?.close()
        timer = nil
        continuation?.resume(returning: answer)
        continuation = nil
    }
}

extension Failure {
    static let noAnswerInTime = Failure(
        .deadlineExceeded, "no answer in time: a write may or may not be applied", notApplied: false)
}
