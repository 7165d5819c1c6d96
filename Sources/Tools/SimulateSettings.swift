import Base
import Simulation

/// What `simulate` is to do.
struct SimulateSettings: Sendable {
    var seeds: ClosedRange<UInt64>
    /// `--seeds` was said, even if it is one.
    var isRange = false
    /// What all runs have in common. Its seed means nothing.
    var recipe = Recipe(seed: 0)
    var shrinks = true
    var trace: String?
    var history: String?
    var format = OutputFormat.text

    static let maxSeeds = 100_000_000
    /// A day's storm has fewer faults.
    static let maxFaultNumber = 1_000_000
    /// How long a failing run is made smaller, in real time.
    static let shrinking = Duration.seconds(9)

    init(seeds: ClosedRange<UInt64>) { self.seeds = seeds }

    func recipe(of seed: UInt64) -> Recipe {
        var recipe = recipe
        recipe.seed = seed
        return recipe
    }
}

extension Recipe {
    /// What makes this run from a shell.
    var commandLine: String {
        var words = ["swiftwater", "simulate", "--seed", "\(seed)"]
        if let bug { words += ["--sabotage", bug.name] + (isUprooted ? ["--uproot"] : []) }
        if isOfAppends { words.append("--appends") }
        if let members { words += ["--members", "\(members)"] }
        if let groups {
            let names = FaultGroups.named.filter { groups.contains($0.group) }.map(\.name)
            words += ["--faults", names.isEmpty ? "none" : names.joined(separator: ",")]
        }
        if let storm { words += ["--duration", Durations.short(storm)] }
        if let onlyFaults { words += ["--only-faults", onlyFaults.isEmpty ? "none" : Self.ranges(onlyFaults)] }
        return words.joined(separator: " ")
    }

    /// `3,7-9`.
    static func ranges(_ numbers: [Int]) -> String {
        var parts: [String] = []
        var rest = numbers[...]
        while let first = rest.popFirst() {
            var last = first
            while rest.first == last + 1 { last = rest.removeFirst() }
            parts.append(last == first ? "\(first)" : "\(first)-\(last)")
        }
        return parts.joined(separator: ",")
    }
}
