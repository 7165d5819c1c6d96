import Base
import Simulation
import Testing

@Suite("Making a failing run smaller")
struct ShrinkerTests {
    /// A run that fails when it has these faults, the last of them at most this long before it is seen.
    private func needing(_ numbers: Set<Int>, seenAfter delay: Interval) -> (Recipe) -> Violation? {
        { recipe in
            let kept = recipe.faultNumbers
            guard numbers.isSubset(of: kept), let last = numbers.max(), let place = kept.firstIndex(of: last) else { return nil }
            return Violation(checker: "made-up", what: "", at: .zero + recipe.plan.faults[place].at + delay)
        }
    }

    @Test("What is left is what it takes, and the storm ends with the failure", arguments: [[5], [1, 2], [3, 40, 77]])
    func dropsTheRest(needed: [Int]) throws {
        let recipe = Recipe(seed: 9)
        let run = needing(Set(needed), seenAfter: .milliseconds(3))
        let violation = try #require(run(recipe))
        var shrinker = Shrinker(recipe, violation, mayGoOn: { true }, run: run)
        shrinker.shrink()
        #expect(shrinker.recipe.onlyFaults == needed)
        #expect(shrinker.recipe.plan.storm.milliseconds == (violation.at - .zero).milliseconds + 1)
        #expect(shrinker.recipe.plan.faults == needed.map { recipe.plan.faults[$0 - 1] })
        #expect(run(shrinker.recipe) == shrinker.violation)
    }

    @Test("A failure that needs no fault and shows in the calm is left with the shortest storm")
    func needsNothing() throws {
        let recipe = Recipe(seed: 9, storm: .seconds(30))
        let run = { (recipe: Recipe) in
            Violation(checker: "liveness", what: "", at: .zero + recipe.plan.storm + Plan.liveness)
        }
        var shrinker = Shrinker(recipe, run(recipe), mayGoOn: { true }, run: run)
        shrinker.shrink()
        #expect(shrinker.recipe.onlyFaults == [] && shrinker.recipe.plan.storm == .milliseconds(1))
    }

    @Test("Another failure is not taken for this one, and no time means nothing is tried")
    func keepsTheSame() throws {
        let recipe = Recipe(seed: 9)
        let whole = Violation(checker: "first", what: "", at: .zero + .seconds(119))
        var other = Shrinker(recipe, whole, mayGoOn: { true }) { recipe in
            Violation(checker: recipe.faultNumbers.count > 100 ? "first" : "second", what: "", at: whole.at)
        }
        other.shrink()
        #expect(other.recipe.onlyFaults?.count == 101 && other.violation.checker == "first")
        var hurried = Shrinker(recipe, whole, mayGoOn: { false }) { _ in whole }
        hurried.shrink()
        #expect(hurried.runs == 0 && hurried.recipe.plan.faults == recipe.plan.faults)
    }

    @Test("A planted bug needs few faults, and the small run fails again")
    func plantedBug() throws {
        let bug = try #require(PlantableBug.all.first { $0.name == "stale-leader-unanswered" })
        let recipe = Recipe(seed: 3, bug: bug)
        let run = { (recipe: Recipe) in
            var simulation = Simulation(recipe.plan)
            return simulation.run().violation
        }
        guard let violation = run(recipe) else { return }
        var runs = 0
        var shrinker = Shrinker(recipe, violation, mayGoOn: { runs < 40 }) {
            runs += 1
            return run($0)
        }
        shrinker.shrink()
        #expect(shrinker.recipe.faultNumbers.count < recipe.faultNumbers.count)
        #expect(run(shrinker.recipe) == shrinker.violation && shrinker.violation.checker == violation.checker)
    }

    @Test("A recipe without anything is the plan of its seed, and numbers that no fault has stand for none")
    func recipes() {
        #expect(Recipe(seed: 4).plan.faults == Plan(seed: 4).faults)
        #expect(Recipe(seed: 4, groups: FaultGroups.none).faultNumbers == [])
        let some = Recipe(seed: 4, storm: .seconds(3), onlyFaults: [1, 999])
        #expect(some.faultNumbers == [1] && some.plan.faults == [Plan(seed: 4).faults[0]])
    }

    @Test("Of a long trace the turning points and the end are kept, in their order")
    func narration() {
        var narration = Narration(limit: 5)
        for number in 0..<1_000 {
            narration.hear(
                TraceLine(
                    at: Instant(nanoseconds: UInt64(number)), member: 0, text: "\(number)", isTurningPoint: number % 100 == 0))
        }
        #expect(narration.lines.map(\.text) == ["500", "600", "700", "800", "900", "995", "996", "997", "998", "999"])
    }
}
