import Base
import Simulation
import Testing

@Suite("Simulated runs")
struct RunTests {
    private func run(_ plan: Plan) -> RunResult {
        var simulation = Simulation(plan)
        return simulation.run()
    }

    @Test("Without faults nearly every operation succeeds, and one leader is enough unless it is asked to go")
    func noFaults() {
        let result = run(Plan(seed: 1, groups: .none, storm: .seconds(10)))
        #expect(result.violation == nil)
        #expect(result.statistics.totalFaults == 0 && result.statistics.restarts == 0)
        #expect(result.statistics.operations > 500)
        #expect(result.statistics.succeeded > result.statistics.operations * 95 / 100)
    }

    @Test("Storms of each group, and of all, break nothing", arguments: [FaultGroups.network, .process, .disk, .membership, .all])
    func storms(groups: FaultGroups) {
        for seed: UInt64 in 1...2 {
            let result = run(Plan(seed: seed, groups: groups, storm: .seconds(30)))
            #expect(result.violation == nil, "seed \(seed)")
            #expect(result.statistics.totalFaults > (groups == .membership ? 8 : 20))
        }
    }

    @Test("Clusters of 1, 3 and 7 members live through storms", arguments: [1, 3, 7])
    func sizes(members: Int) {
        for seed: UInt64 in 1...2 {
            let result = run(Plan(seed: seed, members: members, storm: .seconds(30)))
            #expect(result.violation == nil, "seed \(seed)")
        }
    }

    @Test("Members come and go, snapshots are sent and broken off, leadership is handed over, and nothing breaks")
    func life() {
        var statistics = Statistics()
        for seed: UInt64 in 1...2 {
            let result = run(Plan(seed: seed, groups: .membership, storm: .seconds(60)))
            #expect(result.violation == nil, "seed \(seed)")
            statistics.add(result.statistics)
        }
        #expect(statistics.configurations > 20 && statistics.snapshotsInstalled > 5)
        for kind in Fault.Kind.allCases where kind.group == .membership { #expect(statistics.count(of: kind) > 0, "\(kind)") }
    }

    @Test("Appends that are asked for again and again are there once, also when members come and go")
    func appends() {
        var recipe = Recipe(seed: 2, storm: .seconds(8))
        recipe.isOfAppends = true
        let result = run(recipe.plan)
        #expect(result.violation == nil)
        #expect(result.statistics.appends > 1_000 && result.statistics.retries > 100)
    }

    /// "A partitioned server's term grows without bound" unless it asks before it campaigns (9.6).
    @Test("A minority that is cut off for an hour does not raise its term, and comes back without an election", arguments: [1, 2])
    func hourApart(lost: Int) {
        var plan = Plan(seed: 7, groups: .none, storm: .seconds(3_600))
        plan.workload.rate = 2
        plan.workload.transferEvery = 0
        let side = MemberSet(Array(1...lost))
        plan.faults = [
            PlannedFault(at: .seconds(5), fault: .partition(side: side, held: false, lasting: .seconds(3_595)))
        ]
        let result = run(plan)
        #expect(result.violation == nil)
        // One election at the start, and one when it was the leader that was cut off.
        #expect(result.statistics.elections <= 2 && result.statistics.highestTerm <= 2)
    }

    @Test("A seed gives the same run again, and another seed another")
    func deterministic() {
        let hashes = [3, 3, 4].map { run(Plan(seed: $0, storm: .seconds(20))).traceHash }
        #expect(hashes[0] == hashes[1] && hashes[1] != hashes[2])
    }

    @Test("Whoever listens changes nothing")
    func watching() {
        let plan = Plan(seed: 5, storm: .seconds(10))
        var lines = 0
        var watched = Simulation(plan, trace: { _ in lines += 1 })
        #expect(watched.run().traceHash == run(plan).traceHash)
        #expect(lines > 1_000)
    }
}
