import Base

/// What a bench tells: while it runs, and when it is over.
public struct BenchReport: Sendable {
    public var settings: BenchSettings
    public var statistics: BenchStatistics
    /// How long requests were sent, in seconds.
    public var seconds: Double
    /// Connections that were open when the load began.
    public var connected: Int

    public init(settings: BenchSettings, statistics: BenchStatistics, seconds: Double, connected: Int) {
        self.settings = settings
        self.statistics = statistics
        self.seconds = seconds
        self.connected = connected
    }

    static let percentiles: [(name: String, json: String, percent: Double)] = [
        ("P50", "p50_us", 50), ("P90", "p90_us", 90), ("P99", "p99_us", 99), ("P99.9", "p99.9_us", 99.9),
    ]

    private var rows: [(String, BenchStatistics.Kind)] {
        let all: [(String, BenchStatistics.Kind)] = [("reads", statistics.reads), ("writes", statistics.writes)]
        let used = all.filter { $0.1.count > 0 }
        return used.count == 2 ? used + [("all", statistics.all)] : used
    }

    public func printed(_ format: OutputFormat) -> Printed {
        let code = statistics.succeeded > 0 ? ExitCode.done : .clusterError
        return format == .json ? Printed(line: json.text, code: code) : Printed(lines: lines, code: code)
    }

    private var lines: [String] {
        var lines = ["\(settings.summary), \(Durations.fixed(seconds, places: 1)) s", ""]
        if statistics.succeeded > 0 {
            var table = TextTable(
                [("", .left), ("OPS/S", .right), ("SLOWEST SECOND", .right)]
                    + Self.percentiles.map { ($0.name, .right) } + [("MAX", .right), ("OPS", .right)])
            for (name, kind) in rows {
                let rate = kind.rate(seconds: seconds)
                table.add(
                    [name, Self.grouped(UInt64(rate.rounded())), Self.grouped(kind.slowestSecond(seconds: seconds))]
                        + Self.percentiles.map { Durations.text(kind.percentile($0.percent)) }
                        + [Durations.text(kind.longest), Self.grouped(kind.count)])
            }
            lines += table.lines
        } else {
            lines.append("Not one operation succeeded.")
        }
        if connected < settings.clients {
            lines += ["", "\(connected) of \(settings.clients) connections were open when the load began"]
        }
        if statistics.repeated > 0 {
            lines += ["", "\(Self.grouped(statistics.repeated)) times a request was sent again elsewhere"]
        }
        if statistics.failed == 0 { return lines + ["", "no errors"] }
        lines += ["", "\(Self.grouped(statistics.failed)) errors:"]
        for (error, count) in sortedErrors { lines.append("  \(Self.grouped(count))  \(error)") }
        return lines
    }

    /// The most frequent first.
    private var sortedErrors: [(String, UInt64)] {
        statistics.errors.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }

    private var json: JSONText {
        func kind(_ kind: BenchStatistics.Kind) -> JSONText {
            .object(
                [
                    ("count", .unsigned(kind.count)), ("ops_per_second", .number(Self.rounded(kind.rate(seconds: seconds)))),
                    ("slowest_second", .unsigned(kind.slowestSecond(seconds: seconds))),
                ]
                    + Self.percentiles.map { ($0.json, Self.microseconds(kind.percentile($0.percent))) }
                    + [("max_us", Self.microseconds(kind.longest)), ("mean_us", Self.microseconds(kind.mean))])
        }
        return .object([
            ("clients", .integer(Int64(settings.clients))), ("inflight", .integer(Int64(settings.inflight))),
            ("value_size", .integer(Int64(settings.valueSize))), ("keys", .integer(Int64(settings.keys))),
            ("read_share", .number(settings.reads)), ("seconds", .number(Self.rounded(seconds))),
            ("connected", .integer(Int64(connected))), ("ops_per_second", .number(Self.rounded(statistics.all.rate(seconds: seconds)))),
            ("slowest_second", .unsigned(statistics.all.slowestSecond(seconds: seconds))),
            ("reads", kind(statistics.reads)), ("writes", kind(statistics.writes)),
            ("per_second", .array(statistics.all.perSecond.map { .unsigned($0) })), ("repeated", .unsigned(statistics.repeated)),
            ("errors", .unsigned(statistics.failed)),
            ("errors_by_kind", .object(sortedErrors.map { ($0.0, .unsigned($0.1)) })),
        ])
    }

    private static func rounded(_ number: Double) -> Double { (number * 100).rounded() / 100 }

    private static func microseconds(_ interval: Interval) -> JSONText {
        .number(Double(interval.nanoseconds / 100) / 10)
    }

    /// 1,234,567
    static func grouped(_ number: UInt64) -> String {
        var result = ""
        for (place, digit) in String(number).reversed().enumerated() {
            if place > 0, place % 3 == 0 { result.append(",") }
            result.append(digit)
        }
        return String(result.reversed())
    }

    /// The line that is written again every second.
    static func progress(second: Int, of seconds: Double, last: UInt64, p99: Interval, errors: UInt64) -> String {
        let total = Durations.fixed(seconds, places: 0)
        let trouble = errors == 0 ? "no errors" : "\(grouped(errors)) errors"
        return "\(second)/\(total) s  \(grouped(last)) ops/s  p99 \(Durations.text(p99))  \(trouble)"
    }
}
