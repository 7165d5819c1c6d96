import ArgumentParser
import Base
import Simulation

/// `swiftwater simulate …`
struct SimulateArguments: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftwater simulate",
        abstract: "Run whole clusters under faults of every kind, in virtual time, from a seed.",
        discussion: """
            The members are the production's, on a virtual network, virtual disks and virtual clocks. A seed decides \
            everything: the same one gives the same run, whose trace has the same hash, in every process. \
            Checkers look at every step; after the storm comes a calm in which the cluster must recover.

            The last line is `seed N: ok, trace HASH` or `seed N: FAILED: CHECKER: WHAT, trace HASH`; of several \
            seeds that pass, `seeds A..B: ok, HASH`. Ends with 0, or with 1 when a seed fails. A failing run is made smaller \
            for ten seconds; told are the faults that are left, what led to the failure, and the command that \
            repeats the small run.
            """)

    @Option(help: ArgumentHelp("Which run (default: 1).", valueName: "N")) var seed: UInt64?
    @Option(help: ArgumentHelp("Many runs, on all cores, up to the first that fails.", valueName: "A..B")) var seeds: String?
    @Option(help: ArgumentHelp("1, 3, 5 or 7 (default: 5, or as the planted bug needs).", valueName: "M")) var members: Int?
    @Option(
        help: ArgumentHelp(
            "Some of network, process, disk, membership; or none (default: all, or as the planted bug needs).", valueName: "F,…"))
    var faults: String?
    @Option(
        help: ArgumentHelp(
            "How long the storm is, in virtual time (default: 120s, or as the planted bug needs).", valueName: "120s"))
    var duration: String?
    @Flag(help: "Clients do nothing but append, and ask again until they are answered: in the end each item must be there once.") var appends = false
    @Option(help: ArgumentHelp("Plant a bug in every member: it should be found.", valueName: "NAME")) var sabotage: String?
    @Flag(help: "With --sabotage: run what would find the bug, without the bug.") var uproot = false
    @Flag(help: "List the bugs that can be planted: NAME, pitfall, what it breaks; with tabs between.") var listSabotage = false
    @Option(help: ArgumentHelp("Of the faults only these, by number, like 3,7-9; or none.", valueName: "I,…")) var onlyFaults: String?
    @Flag(help: "Tell of a failing run as it is, without making it smaller.") var noShrink = false
    @Option(
        help: ArgumentHelp("Write what happened to FILE, a line each; of several seeds that of the one that fails.", valueName: "FILE"))
    var trace: String?
    @Option(
        help: ArgumentHelp(
            "Write what clients asked for and were told to FILE, as lines of JSON; of several seeds that of the one that fails.",
            valueName: "FILE"))
    var history: String?
    @Option(help: "How to print the result: text or json.") var output: String?

    func settings(_ format: OutputFormat?) throws(UsageError) -> SimulateSettings {
        var settings = SimulateSettings(seeds: try seedRange())
        settings.isRange = seeds != nil
        settings.format = try self.format(format)
        settings.shrinks = !noShrink && onlyFaults == nil
        settings.trace = trace
        settings.history = history
        settings.recipe.members = try memberCount()
        settings.recipe.groups = try groups()
        if let duration {
            guard let storm = Durations.parse(duration) else {
                throw UsageError("--duration takes a length of time like 120s or 2m, not '\(duration)'")
            }
            settings.recipe.storm = storm
        }
        settings.recipe.bug = try bug()
        settings.recipe.isUprooted = uproot
        settings.recipe.isOfAppends = appends
        settings.recipe.onlyFaults = try faultNumbers()
        return settings
    }

    /// `before`: what was said before the command.
    func format(_ before: OutputFormat?) throws(UsageError) -> OutputFormat {
        try OutputFormat.read(output, before: before)
    }

    /// All that can be planted.
    func bugs(_ format: OutputFormat) -> Printed {
        guard format == .json else {
            return Printed(lines: PlantableBug.all.map { "\($0.name)\t\($0.pitfall)\t\($0.breaks)" })
        }
        let bugs = PlantableBug.all.map { bug in
            JSONText.object([
                ("name", .string(bug.name)), ("pitfall", .integer(Int64(bug.pitfall))), ("breaks", .string(bug.breaks)),
                ("source", .string(bug.source)),
            ])
        }
        return Printed(line: JSONText.array(bugs).text)
    }

    private func seedRange() throws(UsageError) -> ClosedRange<UInt64> {
        guard let seeds else {
            let seed = seed ?? 1
            return seed...seed
        }
        guard seed == nil else { throw UsageError("--seed and --seeds cannot stand together") }
        guard let range = Self.range(seeds, separator: ".."), range.count <= SimulateSettings.maxSeeds else {
            throw UsageError(
                "--seeds takes the first and the last of at most \(BenchReport.grouped(UInt64(SimulateSettings.maxSeeds))) seeds, like 1..100, not '\(seeds)'")
        }
        return range
    }

    /// `1..3`, or with another separator; nil when it is no range.
    private static func range(_ text: String, separator: String) -> ClosedRange<UInt64>? {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.count == 2, let first = UInt64(parts[0]), let last = UInt64(parts[1]), first <= last, last - first < .max
        else { return nil }
        return first...last
    }

    private func memberCount() throws(UsageError) -> Int? {
        guard let members else { return nil }
        guard [1, 3, 5, 7].contains(members) else { throw UsageError("--members is 1, 3, 5 or 7, not \(members)") }
        return members
    }

    private func groups() throws(UsageError) -> FaultGroups? {
        guard let faults else { return nil }
        if faults == "none" { return FaultGroups.none }
        var groups = FaultGroups.none
        for name in faults.split(separator: ",", omittingEmptySubsequences: false) {
            guard let group = FaultGroups.named.first(where: { $0.name == name }) else {
                throw UsageError("--faults takes some of network, process, disk, membership, or none, not '\(name)'")
            }
            groups.insert(group.group)
        }
        return groups
    }

    private func bug() throws(UsageError) -> PlantableBug? {
        guard let sabotage else {
            guard !uproot else { throw UsageError("--uproot needs a bug: --sabotage NAME") }
            return nil
        }
        if let bug = PlantableBug.all.first(where: { $0.name == sabotage }) { return bug }
        let near = Nearest.to(sabotage, among: PlantableBug.all.map(\.name)).map { "did you mean: \($0)" }
        throw UsageError(
            "there is no bug '\(sabotage)' to plant", hint: near ?? "all are listed by: swiftwater simulate --list-sabotage")
    }

    private func faultNumbers() throws(UsageError) -> [Int]? {
        guard let onlyFaults else { return nil }
        if onlyFaults == "none" { return [] }
        var numbers = Set<Int>()
        for part in onlyFaults.split(separator: ",", omittingEmptySubsequences: false) {
            let range = UInt64(part).map { $0...$0 } ?? Self.range(String(part), separator: "-")
            guard let range, range.lowerBound > 0, range.upperBound <= SimulateSettings.maxFaultNumber else {
                throw UsageError("--only-faults takes numbers from 1, like 3,7-9, or none; not '\(part)'")
            }
            numbers.formUnion(range.lazy.map(Int.init))
        }
        return numbers.sorted()
    }
}

extension FaultGroups {
    /// As they are called on a command line.
    static let named: [(name: String, group: FaultGroups)] = [
        ("network", .network), ("process", .process), ("disk", .disk), ("membership", .membership),
    ]
}
