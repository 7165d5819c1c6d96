public import Base

/// How long a loop was busy at a time, from waking up to waiting again: for so long nothing else on it was heard or answered.
/// `Loop.turnTimes` has it by the clock, which counts what the kernel gave to other threads meanwhile; `Loop.turnWork` does not.
public struct TurnTimes: Sendable, Equatable {
    /// The counts' upper bounds; the last count has none.
    public static let bounds: [Interval] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000].map { .milliseconds($0) }
    /// Turns that took no longer than the bound at the same place, and longer than the one before.
    public private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    public private(set) var total = Interval.zero

    public init() {}

    mutating func note(_ time: Interval) {
        counts[Self.bounds.firstIndex { time <= $0 } ?? Self.bounds.count] += 1
        total = total + time
    }
}
