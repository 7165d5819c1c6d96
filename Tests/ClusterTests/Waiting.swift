import Foundation

/// A condition that did not come true in time.
struct NotInTime: Error, CustomStringConvertible {
    var what: String
    var seconds: Double
    var description: String { "not within \(seconds) s: \(what)" }
}

/// Asks again and again until `condition` holds; throws `NotInTime` after `seconds`. The pause between two
/// questions only saves processor time: no test depends on it.
func eventually(
    _ what: @autoclosure @Sendable () -> String, within seconds: Double = 20, _ condition: () async throws -> Bool
) async throws {
    let until = monotonicNanoseconds() + UInt64(seconds * 1e9)
    while try await !condition() {
        if monotonicNanoseconds() > until { throw NotInTime(what: what(), seconds: seconds) }
        try await Task.sleep(for: .milliseconds(5))
    }
}
