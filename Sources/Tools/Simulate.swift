import ArgumentParser
import Base
import Glibc
import Keyspace
import Simulation

/// `swiftwater simulate`: runs, judges, makes a failure small, and tells.
struct Simulate {
    let settings: SimulateSettings
    let progress: @Sendable (String) -> Void

    /// Runs and reports. Throws before anything has run when a file cannot be written.
    func run() throws(UsageError) -> Printed {
        // Opened first: nobody should wait for a run whose trace cannot be kept.
        let trace = try settings.trace.map { path throws(UsageError) in try LineFile(path: path) }
        let history = try settings.history.map { path throws(UsageError) in try LineFile(path: path) }
        let began = ContinuousClock.now
        var report: SimulateReport
        if settings.isRange {
            report = SimulateReport(settings, totals: runSeeds())
            report.seconds = (ContinuousClock.now - began) / .seconds(1)
            if let failure = report.failure, trace != nil || history != nil {
                _ = watch(settings.recipe(of: failure.seed), trace, history)
            }
        } else {
            var totals = SeedTotals()
            totals.add(watch(settings.recipe(of: settings.seeds.lowerBound), trace, history))
            report = SimulateReport(settings, totals: totals)
            report.seconds = (ContinuousClock.now - began) / .seconds(1)
        }
        try trace?.finish()
        try history?.finish()
        if let failure = report.failure, let violation = failure.violation {
            report.story = story(of: settings.recipe(of: failure.seed), violation)
        }
        return report.printed()
    }

    private func runSeeds() -> SeedTotals {
        let race = SeedRace(settings, progress: progress)
        let threads = min(max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))), settings.seeds.count)
        return race.run(threads: threads)
    }

    /// One run, kept in files when somebody wants it.
    private func watch(_ recipe: Recipe, _ trace: LineFile?, _ history: LineFile?) -> SeedOutcome {
        let sink: ((TraceLine) -> Void)? = trace.map { trace in { trace.write($0.description) } }
        let result = Self.result(of: recipe, trace: sink)
        if let history {
            for operation in result.history.operations { history.write(operation.line) }
        }
        return SeedOutcome(recipe.seed, result)
    }

    static func outcome(of recipe: Recipe) -> SeedOutcome { SeedOutcome(recipe.seed, result(of: recipe, trace: nil)) }

    /// A run with everything judged.
    private static func result(of recipe: Recipe, trace: ((TraceLine) -> Void)?) -> RunResult {
        var simulation = Simulation(recipe.plan, trace: trace)
        return simulation.run()
    }

    /// Of a run that fails: made smaller, and told.
    private func story(of recipe: Recipe, _ violation: Violation) -> FailureStory {
        let began = ContinuousClock.now
        var shrinker = Shrinker(recipe, violation) {
            ContinuousClock.now - began < SimulateSettings.shrinking
        } run: {
            Self.result(of: $0, trace: nil).violation
        }
        if settings.shrinks {
            progress("making the failing run smaller …")
            shrinker.shrink()
            progress("")
        }
        var narration = Narration()
        let small = settings.shrinks ? shrinker.recipe : recipe
        _ = Self.result(of: small) { narration.hear($0) }
        return FailureStory(
            whole: recipe, small: small, violation: shrinker.violation, runs: shrinker.runs, lines: narration.lines)
    }
}

extension SeedOutcome {
    fileprivate init(_ seed: UInt64, _ result: RunResult) {
        self.init(
            seed: seed, violation: result.violation, traceHash: result.traceHash, statistics: result.statistics,
            coverage: result.coverage)
    }
}

extension Program {
    func simulate(_ words: [String], _ format: OutputFormat?) throws(UsageError) -> ExitCode {
        guard case .arguments(let arguments) = try SimulateArguments.read(words) else {
            return finish(Printed(line: SimulateArguments.helpMessage()))
        }
        if arguments.listSabotage {
            return finish(arguments.bugs(try arguments.format(format)))
        }
        let settings = try arguments.settings(format)
        let simulate = Simulate(settings: settings) { line in
            guard isatty(STDERR_FILENO) == 1 else { return }
            writeErrors(line.isEmpty ? "\r\u{1b}[K" : "\r\(line)\u{1b}[K")
        }
        return finish(try simulate.run())
    }
}
