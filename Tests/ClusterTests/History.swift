import Foundation
import Synchronization

/// Nanoseconds on the monotonic clock that all threads of this process share.
func monotonicNanoseconds() -> UInt64 { DispatchTime.now().uptimeNanoseconds }

/// What all clients did, key by key.
final class History: Sendable {
    private let operations = Mutex<[String: [Step]]>([:])

    func record(_ key: String, _ operation: Step) {
        operations.withLock { $0[key, default: []].append(operation) }
    }

    var byKey: [String: [Step]] { operations.withLock { $0 } }

    /// How many operations came back with an answer.
    var answered: Int { byKey.values.reduce(0) { $0 + $1.count(where: { $0.returned != nil }) } }

    /// Every key's verdict that is not "linearizable", as sentences.
    func violations() -> [String] {
        byKey.sorted { $0.key < $1.key }.compactMap { key, history in
            switch LinearizabilityChecker().check(history) {
            case .linearizable: nil
            case .undecided: "\(key): undecided after the checker's budget, \(history.count) operations"
            case .violation(let explanation): "\(key): \(explanation)"
            }
        }
    }
}
