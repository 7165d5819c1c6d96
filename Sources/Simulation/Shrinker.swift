import Base

/// Makes a failing run smaller: a shorter storm, fewer faults, the same checker.
///
/// Faults are dropped by delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
/// 2002), only by leaving out, from halves down to single ones. Each step is a whole run, so how far it comes depends on
/// the time it has; whatever it has found by then fails for certain, as it was run.
public struct Shrinker {
    /// The smallest run so far that fails as the first one did.
    public private(set) var recipe: Recipe
    public private(set) var violation: Violation
    /// Runs that were tried.
    public private(set) var runs = 0
    private let run: (Recipe) -> Violation?
    private let mayGoOn: () -> Bool

    /// - Parameters:
    ///   - recipe: It fails with `violation`.
    ///   - mayGoOn: Asked before each run; false when there is no time left.
    ///   - run: What a run breaks, if anything.
    public init(
        _ recipe: Recipe, _ violation: Violation, mayGoOn: @escaping () -> Bool, run: @escaping (Recipe) -> Violation?
    ) {
        self.recipe = recipe
        self.violation = violation
        self.run = run
        self.mayGoOn = mayGoOn
        self.recipe.storm = recipe.plan.storm
        self.recipe.onlyFaults = recipe.faultNumbers
    }

    public mutating func shrink() {
        endAtViolation()
        shortenStorm()
        dropFaults()
        shortenStorm()
    }

    /// Takes over a smaller run when it fails the same way.
    private mutating func attempt(_ smaller: Recipe) -> Bool {
        guard mayGoOn() else { return false }
        runs += 1
        guard let found = run(smaller), found.checker == violation.checker else { return false }
        recipe = smaller
        violation = found
        return true
    }

    /// The storm need not go on after what it broke; nor can faults matter that would have come later.
    private mutating func endAtViolation() {
        let end = Interval.milliseconds((violation.at - .zero).milliseconds + 1)
        guard end < storm else { return }
        _ = attempt(shortened(to: end))
    }

    private var storm: Interval { recipe.storm ?? .zero }

    private func shortened(to storm: Interval) -> Recipe {
        var shorter = recipe
        shorter.storm = storm
        // By the faults of the shorter storm, so that no number stands for a fault that its plan lacks.
        shorter.onlyFaults = shorter.faultNumbers
        return shorter
    }

    /// What breaks in the calm may need no long storm before it.
    private mutating func shortenStorm() {
        var eighths: UInt64 = 1
        while mayGoOn(), storm > .milliseconds(1), storm < violation.at - .zero, eighths < 8 {
            if attempt(shortened(to: .milliseconds(max(1, storm.milliseconds * eighths / 8)))) {
                endAtViolation()
                eighths = 1
            } else {
                eighths += eighths < 4 ? eighths : 2
            }
        }
    }

    private mutating func dropFaults() {
        var size = max(1, kept.count / 2)
        while mayGoOn(), !kept.isEmpty {
            var start = 0
            var hasDropped = false
            while start < kept.count, mayGoOn() {
                var fewer = recipe
                fewer.onlyFaults?.removeSubrange(start..<min(start + size, kept.count))
                if attempt(fewer) {
                    hasDropped = true
                    endAtViolation()
                } else {
                    start += size
                }
            }
            if size == 1, !hasDropped { return }
            size = max(1, size / 2)
        }
    }

    private var kept: [Int] { recipe.onlyFaults ?? [] }
}
