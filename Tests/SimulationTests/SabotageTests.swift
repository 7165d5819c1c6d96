@_spi(Sabotage) import Base
import Foundation
@_spi(Sabotage) import Simulation
import Testing

/// Every bug that can be planted is found, and docs/SABOTAGES.md lists them all. The search begins at the seed that the
/// table names, so that it is short.
@Suite("Planted bugs")
struct SabotageTests {
    /// One line of the table.
    struct Row {
        var name: String
        var pitfall: Int
        var breaks: String
        var source: String
        var seed: UInt64
    }

    static let rows: [Row] = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let document = FileManager.default.contents(atPath: root.appendingPathComponent("docs/SABOTAGES.md").path) ?? Data()
        return String(decoding: document, as: UTF8.self).split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 6, let pitfall = Int(cells[1]), let seed = UInt64(cells[4]) else { return nil }
            return Row(
                name: cells[0].trimmingCharacters(in: ["`"]), pitfall: pitfall, breaks: cells[2], source: cells[3], seed: seed)
        }
    }()

    @Test("The table names every bug that can be planted, once, with its words")
    func table() {
        #expect(Self.rows.map(\.name) == Sabotage.allCases.map(\.rawValue))
        for (row, bug) in zip(Self.rows, Sabotage.allCases) {
            #expect(row.pitfall == bug.pitfall && row.breaks == bug.breaks && row.source == bug.source, "\(row.name)")
            #expect(row.seed <= 100, "\(row.name)")
        }
        #expect(PlantableBug.all.map(\.name) == Self.rows.map(\.name))
        #expect(Sabotage.allCases.count >= 22)
    }

    /// One for each room; `scripts/sabotages` looks for every one, in release, where that takes seconds.
    @Test(
        "A planted bug is found within a hundred seeds",
        arguments: [
            Sabotage.commitMinusOne, .readWithoutRound, .directoryNotSynced, .fullDiskIgnored, .sentBeforeSync,
            .removedLeaderStays, .learnerRefusesVotes, .staleConfigurationInSnapshot,
        ])
    func found(bug: Sabotage) throws {
        let row = try #require(Self.rows.first { $0.name == bug.rawValue })
        for seed in [row.seed] + Array(1...100) {
            var simulation = Simulation(try #require(Plan(seed: seed, sabotageNamed: row.name)))
            if simulation.run().violation != nil { return }
        }
        Issue.record("not found: \(row.breaks)")
    }

    @Test(
        "Without its bug a scenario breaks nothing",
        arguments: [
            Sabotage.noNoop, .singleNotDurable, .staleLeaderUnanswered, .voteByLength, .leaseOnArrival, .learnerRefusesVotes,
            .olderSnapshotInstalled,
        ])
    func uprooted(bug: Sabotage) {
        for seed: UInt64 in 1...2 {
            var plan = Plan(seed: seed, storm: .seconds(7), sabotage: bug)
            plan.uproot()
            var simulation = Simulation(plan)
            #expect(simulation.run().violation == nil, "seed \(seed)")
        }
    }

    @Test("A name that nobody gave plants nothing")
    func unknownName() {
        #expect(Plan(seed: 1, sabotageNamed: "no-such-bug") == nil)
    }
}
