import Base
import Histogram

/// What a bench counts. One for each loop's thread, added up at the end.
public struct BenchStatistics: Sendable {
    /// Latencies in nanoseconds with three significant digits, up to this; a longer one counts as this.
    static let longest = Interval.seconds(120)
    /// Kinds of errors that are told apart; those after them are counted together.
    static let errorKinds = 20
    /// Seconds that are counted apart.
    static let seconds = 24 * 3600

    public struct Kind: Sendable {
        var latencies = Histogram<UInt64>(
            lowestDiscernibleValue: 1000, highestTrackableValue: BenchStatistics.longest.nanoseconds,
            numberOfSignificantValueDigits: .three)
        /// Operations that succeeded in each second of the run.
        var perSecond: [UInt64] = []

        mutating func record(_ latency: Interval, second: Int) {
            latencies.record(min(latency.nanoseconds, BenchStatistics.longest.nanoseconds))
            guard second >= 0, second < BenchStatistics.seconds else { return }
            while perSecond.count <= second { perSecond.append(0) }
            perSecond[second] += 1
        }

        mutating func add(_ other: Kind) {
            latencies.add(other.latencies)
            while perSecond.count < other.perSecond.count { perSecond.append(0) }
            for (second, count) in other.perSecond.enumerated() { perSecond[second] += count }
        }

        public var count: UInt64 { latencies.totalCount }
    }

    public var reads = Kind()
    public var writes = Kind()
    /// Requests that were sent again elsewhere; each time counts.
    public var repeated: UInt64 = 0
    /// By what went wrong.
    public private(set) var errors: [String: UInt64] = [:]

    public init() {}

    public mutating func record(isRead: Bool, _ latency: Interval, second: Int) {
        if isRead { reads.record(latency, second: second) } else { writes.record(latency, second: second) }
    }

    public mutating func record(error: String, count: UInt64 = 1) {
        let kind = errors[error] != nil || errors.count < Self.errorKinds ? error : "other errors"
        errors[kind, default: 0] += count
    }

    public mutating func add(_ other: BenchStatistics) {
        reads.add(other.reads)
        writes.add(other.writes)
        repeated += other.repeated
        for (error, count) in other.errors.sorted(by: { $0.key < $1.key }) { record(error: error, count: count) }
    }

    public var succeeded: UInt64 { reads.count + writes.count }
    public var failed: UInt64 { errors.values.reduce(0, +) }
    /// Reads and writes together.
    var all: Kind {
        var all = reads
        all.add(writes)
        return all
    }
}

extension BenchStatistics.Kind {
    /// Operations a second that ended within the run of so many seconds.
    public func rate(seconds: Double) -> Double {
        guard seconds > 0 else { return 0 }
        return Double(perSecond.prefix(max(1, Int(seconds.rounded(.up)))).reduce(0, +)) / seconds
    }

    /// The fewest operations in one whole second of the run.
    public func slowestSecond(seconds: Double) -> UInt64 {
        let whole = Int(seconds)
        guard whole > 0 else { return perSecond.first ?? 0 }
        return (0..<whole).map { $0 < perSecond.count ? perSecond[$0] : 0 }.min() ?? 0
    }

    /// The latency that this share of the operations stayed within.
    public func percentile(_ percent: Double) -> Interval {
        Interval(nanoseconds: count == 0 ? 0 : min(latencies.valueAtPercentile(percent), latencies.max))
    }

    public var longest: Interval { Interval(nanoseconds: count == 0 ? 0 : latencies.max) }
    public var mean: Interval { Interval(nanoseconds: count == 0 ? 0 : UInt64(latencies.mean)) }
}
