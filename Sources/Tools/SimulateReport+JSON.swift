import Base
import Simulation

extension SimulateReport {
    /// One object.
    var json: JSONText {
        let seeds = settings.seeds
        var members: [(String, JSONText)] = settings.isRange
            ? [("first_seed", .unsigned(seeds.lowerBound)), ("last_seed", .unsigned(seeds.upperBound))]
            : [("seed", .unsigned(seeds.lowerBound))]
        members += [
            ("ok", .bool(failure == nil)), ("seeds_run", .integer(Int64(totals.seeds))),
            ("trace", .string(hexadecimal(settings.isRange ? totals.hash : totals.lastHash))),
            ("real_seconds", .number((seconds * 1000).rounded() / 1000)), ("statistics", statistics),
            ("coverage", coverage),
        ]
        if let failure { members.append(("failure", json(failure))) }
        return .object(members)
    }

    private var statistics: JSONText {
        let statistics = totals.statistics
        func integer(_ number: Int) -> JSONText { .integer(Int64(number)) }
        return .object([
            ("virtual_seconds", .number(Double(statistics.virtualTime.nanoseconds) / 1e9)),
            ("operations", integer(statistics.operations)), ("succeeded", integer(statistics.succeeded)),
            ("failed", integer(statistics.failed)), ("unknown", integer(statistics.unknown)),
            ("asked_again", integer(statistics.retries)), ("elections", integer(statistics.elections)),
            ("highest_term", .unsigned(statistics.highestTerm)), ("restarts", integer(statistics.restarts)),
            ("snapshots_installed", integer(statistics.snapshotsInstalled)),
            ("configurations", integer(statistics.configurations)), ("committed", integer(statistics.committed)),
            ("appends", integer(statistics.appends)),
            ("messages_sent", integer(statistics.sent)), ("messages_delivered", integer(statistics.delivered)),
            ("longest_gap_seconds", .number(Double(statistics.longestGap.nanoseconds) / 1e9)),
            ("faults", .object(Fault.Kind.allCases.map { ($0.jsonName, integer(statistics.count(of: $0))) })),
        ])
    }

    /// By kind of fault, then by whom it met; without those it never met.
    private var coverage: JSONText {
        .object(
            Fault.Kind.allCases.map { kind in
                let met = Coverage.Standing.allCases.filter { totals.coverage.count(of: kind, meeting: $0) > 0 }
                return (
                    kind.jsonName,
                    .object(met.map { ($0.jsonName, .integer(Int64(totals.coverage.count(of: kind, meeting: $0)))) })
                )
            })
    }

    private func json(_ failure: SeedOutcome) -> JSONText {
        var members: [(String, JSONText)] = [("seed", .unsigned(failure.seed))]
        if let violation = failure.violation { members += json(violation) }
        members.append(("trace", .string(hexadecimal(failure.traceHash))))
        guard let story else { return .object(members) }
        let plan = story.small.plan
        members += [
            ("repeat", .string(story.small.commandLine)), ("shrinking_runs", .integer(Int64(story.runs))),
            (
                "small",
                .object(
                    json(story.violation) + [
                        ("storm_seconds", .number(Double(plan.storm.nanoseconds) / 1e9)),
                        ("faults", .array(zip(story.small.faultNumbers, plan.faults).map { .string("\($0): \($1)") })),
                        ("faults_of_the_whole", .integer(Int64(story.whole.plan.faults.count))),
                    ])
            ), ("narration", .array(story.lines.map { .string("\($0)") })),
        ]
        return .object(members)
    }

    private func json(_ violation: Violation) -> [(String, JSONText)] {
        [
            ("checker", .string(violation.checker)), ("what", .string(violation.what)),
            ("at_seconds", .number(Double(violation.at.nanoseconds) / 1e9)),
        ]
    }
}

extension Fault.Kind {
    fileprivate var jsonName: String { underscored(words) }
}

extension Coverage.Standing {
    fileprivate var jsonName: String { underscored(words) }
}

/// `break_connection`.
private func underscored(_ words: String) -> String { String(words.map { $0 == " " ? "_" : $0 }) }
