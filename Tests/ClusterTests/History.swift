import Base
import Foundation
import Keyspace
import Simulation
import Synchronization
import enum Keyspace.Operation

/// Nanoseconds on the monotonic clock that all threads of this process share.
func monotonicNanoseconds() -> UInt64 { DispatchTime.now().uptimeNanoseconds }

/// What all clients of a test did, to be judged by the checker that the simulator uses.
final class RecordedHistory: Sendable {
    private let history = Mutex(History())
    private let processes = Mutex(0)

    /// A client that does not know what became of its write goes on under another number.
    func newProcess() -> Int {
        processes.withLock {
            $0 += 1
            return $0
        }
    }

    /// Before the request leaves; its number.
    func begin(_ operation: Operation, by process: Int) -> Int {
        history.withLock { $0.invoke(process: process, .single(operation), at: Instant(nanoseconds: monotonicNanoseconds())) }
    }

    func succeed(_ number: Int, _ result: OperationResult, revision: UInt64 = 0) {
        let now = Instant(nanoseconds: monotonicNanoseconds())
        history.withLock { $0.ok(number, Outcome(revision: revision, result: .single(result)), at: now) }
    }

    /// Certainly not applied; or a read, of which nothing remains.
    func fail(_ number: Int) {
        let now = Instant(nanoseconds: monotonicNanoseconds())
        history.withLock { $0.fail(number, at: now) }
    }

    func lose(_ number: Int) {
        let now = Instant(nanoseconds: monotonicNanoseconds())
        history.withLock { $0.unknown(number, at: now) }
    }

    /// How many operations came back with an answer.
    var answered: Int { history.withLock { $0.operations.count(where: { $0.ending == .ok }) } }

    /// Everything that is not proved to be linearizable, as sentences.
    func violations() -> [String] {
        let verdict = Linearizability.check(history.withLock { $0 })
        var sentences = verdict.rejection.map { [$0.summary] + $0.lines } ?? []
        if verdict.undecided > 0 { sentences.append("undecided after the checker's budget: \(verdict.undecided) operations") }
        return sentences
    }
}
