import Foundation

/// A condition that did not come true in time.
struct NotInTime: Error, CustomStringConvertible {
    var what: String
    var seconds: Double
    var description: String { "not within \(seconds) s: \(what)" }
}

/// Asks again and again until `condition` holds; throws `NotInTime` after `seconds`. A call that fails is a condition
/// that does not hold yet. The pause between two questions only saves processor time: no test depends on it.
func eventually(
    _ what: @autoclosure @Sendable () -> String, within seconds: Double = 20, _ condition: () async throws -> Bool
) async throws {
    let until = monotonicNanoseconds() + UInt64(seconds * 1e9)
    var lastFailure = ""
    while true {
        do {
            if try await condition() { return }
        } catch let failure as CallFailure {
            lastFailure = "; the last call: \(failure)"
        }
        if monotonicNanoseconds() > until { throw NotInTime(what: what() + lastFailure, seconds: seconds) }
        try await Task.sleep(for: .milliseconds(5))
    }
}
