import Base

/// A member's monotonic clock: begins anywhere, runs a little fast or slow, and may leap.
struct VirtualClock {
    /// The run's time and this clock's at the same moment.
    private var base: UInt64
    private var own: UInt64
    /// How much faster than the run it goes, in millionths.
    private var millionths: Int64 = 0
    /// What the wall clock adds to the monotonic one, in milliseconds since 1970.
    var wallOffset: Int64

    init(own: UInt64, wallOffset: Int64) {
        base = 0
        self.own = own
        self.wallOffset = wallOffset
    }

    func instant(at time: UInt64) -> Instant { Instant(nanoseconds: own + elapsed(time - base)) }

    func wallMs(at time: UInt64) -> UInt64 {
        UInt64(max(0, Int64(instant(at: time).nanoseconds / 1_000_000) + wallOffset))
    }

    /// When, on the run's time, this clock will have reached `instant`.
    func time(of instant: Instant) -> UInt64 {
        guard instant != .never else { return .max }
        guard instant.nanoseconds > own else { return base }
        let left = instant.nanoseconds - own
        if millionths == 0 { return base &+ left }
        var time = base + UInt64(Double(left) * 1_000_000 / Double(1_000_000 + millionths))
        while elapsed(time - base) < left { time += 1 }
        return time
    }

    private func elapsed(_ time: UInt64) -> UInt64 {
        guard millionths != 0 else { return time }
        // Apart, so that nothing runs over: whole milliseconds and the rest.
        let change = Int64(time / 1_000) * millionths / 1_000
        return UInt64(Int64(time) + change)
    }

    /// From `time` on it goes at another pace.
    mutating func drift(_ millionths: Int, from time: UInt64) {
        own = instant(at: time).nanoseconds
        base = time
        self.millionths = Int64(millionths)
    }

    mutating func leap(_ interval: Interval) { own += interval.nanoseconds }
}
