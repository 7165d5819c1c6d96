import Base
import Simulation

/// How a run came to fail: the small run, and what led to it.
struct FailureStory: Sendable {
    var whole: Recipe
    var small: Recipe
    /// Of the small run.
    var violation: Violation
    /// How many were tried to find it.
    var runs: Int
    var lines: [TraceLine]
}

/// What `simulate` tells when it is done.
struct SimulateReport: Sendable {
    let settings: SimulateSettings
    let totals: SeedTotals
    /// Real time of the runs.
    var seconds = 0.0
    var story: FailureStory?

    init(_ settings: SimulateSettings, totals: SeedTotals) {
        self.settings = settings
        self.totals = totals
    }

    var failure: SeedOutcome? { totals.failure }

    func printed() -> Printed {
        let code = failure == nil ? ExitCode.done : .seedFailed
        if settings.format == .json { return Printed(line: json.text, code: code) }
        var printed = Printed(lines: lines, code: code)
        printed.errors = speed
        return printed
    }

    // MARK: Text

    private var lines: [String] {
        figures + [""] + (settings.isRange ? coverage + [""] : []) + (story.map(told) ?? []) + [verdict]
    }

    /// The last line.
    private var verdict: String {
        if let failure, let violation = failure.violation {
            return "seed \(failure.seed): FAILED: \(violation), trace \(hexadecimal(failure.traceHash))"
        }
        let seeds = settings.seeds
        guard settings.isRange else { return "seed \(seeds.lowerBound): ok, trace \(hexadecimal(totals.lastHash))" }
        return "seeds \(seeds.lowerBound)..\(seeds.upperBound): ok, \(hexadecimal(totals.hash))"
    }

    private var figures: [String] {
        let statistics = totals.statistics
        func count(_ number: Int, _ name: String) -> String {
            "\(BenchReport.grouped(UInt64(number))) \(name)"
        }
        let kinds = Fault.Kind.allCases.filter { statistics.count(of: $0) > 0 }.map {
            "\($0.words) \(BenchReport.grouped(UInt64(statistics.count(of: $0))))"
        }
        var lines = [
            "virtual time  \(Durations.fixed(Double(statistics.virtualTime.nanoseconds) / 1e9, places: 1)) s",
            "operations    " + [
                count(statistics.operations, "begun"), count(statistics.succeeded, "succeeded"),
                count(statistics.failed, "failed"), count(statistics.unknown, "with unknown outcome"),
                count(statistics.retries, "asked again"),
            ].joined(separator: ", "),
            "members       " + [
                count(statistics.elections, "elections"), "highest term \(statistics.highestTerm)",
                count(statistics.restarts, "restarts"), count(statistics.snapshotsInstalled, "snapshots installed"),
                count(statistics.configurations, "configurations"), count(statistics.committed, "entries committed"),
            ].joined(separator: ", "),
            "messages      \(count(statistics.sent, "sent")), \(count(statistics.delivered, "delivered"))",
            "longest gap   \(Durations.text(statistics.longestGap)) without a write that succeeded",
            "faults        \(count(statistics.totalFaults, "in all"))",
        ]
        if settings.recipe.isOfAppends {
            lines.insert(
                "appends       \(count(statistics.appends, "acknowledged")), and each found once in the end", at: 2)
        }
        var rest = kinds[...]
        while !rest.isEmpty {
            lines.append("              " + rest.prefix(6).joined(separator: ", "))
            rest = rest.dropFirst(6)
        }
        return lines
    }

    /// Which fault met whom, in columns; a point stands for never.
    private var coverage: [String] {
        let standings = Coverage.Standing.allCases
        var table = TextTable([("FAULT, AND WHOM IT MET", .left)] + standings.map { ($0.words.uppercased(), .right) })
        for kind in Fault.Kind.allCases {
            let counts = standings.map { totals.coverage.count(of: kind, meeting: $0) }
            table.add([kind.words] + counts.map { $0 == 0 ? "." : BenchReport.grouped(UInt64($0)) })
        }
        return table.lines
    }

    private func told(_ story: FailureStory) -> [String] {
        let plan = story.small.plan
        let numbers = story.small.faultNumbers
        var lines: [String] = []
        if settings.shrinks {
            let whole = story.whole.plan
            lines.append(
                "Made smaller in \(story.runs) runs: \(numbers.count) of \(whole.faults.count) faults, "
                    + "a storm of \(Durations.text(plan.storm)) instead of \(Durations.text(whole.storm)).")
        }
        lines += ["Fails: \(story.violation)", "", "Faults"]
        lines += zip(numbers, plan.faults).map { "  \($0): \($1)" }
        if numbers.isEmpty { lines.append("  none") }
        lines += ["", "What led to it: turning points, then everything"]
        lines += story.lines.map { "  \($0)" }
        return lines + ["", "To repeat it: \(story.small.commandLine)"]
    }

    /// Not part of the answer: it is another one each time.
    private var speed: String {
        guard settings.isRange, seconds > 0 else { return "" }
        let statistics = totals.statistics
        return "\(BenchReport.grouped(UInt64(totals.seeds))) seeds in \(Durations.fixed(seconds, places: 1)) s: "
            + "\(Durations.fixed(Double(totals.seeds) / seconds, places: 2)) seeds/s, virtual time "
            + "\(Durations.fixed(Double(statistics.virtualTime.nanoseconds) / 1e9 / seconds, places: 0)) times as fast as real time\n"
    }
}

extension Fault.Kind {
    var words: String { spaced("\(self)") }
}

extension Coverage.Standing {
    var words: String { spaced("\(self)") }
}

/// `breakConnection` as `break connection`.
private func spaced(_ name: String) -> String {
    name.reduce(into: "") { $0 += $1.isUppercase ? " " + $1.lowercased() : String($1) }
}
