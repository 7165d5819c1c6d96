import Base
import Simulation
import Testing

@Suite("Which fault met whom")
struct CoverageTests {
    private func run(_ faults: [PlannedFault]) -> Coverage {
        var plan = Plan(seed: 3, groups: FaultGroups.none, storm: .seconds(5))
        plan.faults = faults
        var simulation = Simulation(plan)
        return simulation.run().coverage
    }

    private func total(_ coverage: Coverage, _ kind: Fault.Kind) -> Int {
        Coverage.Standing.allCases.reduce(0) { $0 + coverage.count(of: kind, meeting: $1) }
    }

    @Test("A fault counts for each member that it meets, as that member stands")
    func standings() {
        let pauses = (1...5).map { PlannedFault(at: .seconds(2), fault: .pause($0, lasting: .seconds(1))) }
        let second = PlannedFault(at: .milliseconds(2_500), fault: .breakClients(1))
        let coverage = run(pauses + [second])
        #expect(total(coverage, .pause) == 5)
        #expect(coverage.count(of: .pause, meeting: .leader) == 1)
        #expect(coverage.count(of: .breakClients, meeting: .paused) == 1)
        #expect(total(coverage, .crash) == 0)
    }

    @Test("Of a link both ends are met, of a partition one side, and who is down is met as such")
    func ends() {
        let coverage = run([
            PlannedFault(at: .seconds(1), fault: .crash(2, afterEffects: 0, power: nil, down: .seconds(2))),
            PlannedFault(at: .seconds(2), fault: .loss(Link(from: 2, to: 3), percent: 10, lasting: .seconds(1))),
            PlannedFault(at: .seconds(2), fault: .partition(side: MemberSet([2]), held: false, lasting: .seconds(1))),
        ])
        #expect(total(coverage, .loss) == 2 && coverage.count(of: .loss, meeting: .down) == 1)
        #expect(total(coverage, .partition) == 1 && coverage.count(of: .partition, meeting: .down) == 1)
    }

    @Test("What several runs met adds up")
    func sum() {
        var coverage = Coverage()
        for seed: UInt64 in 1...3 {
            var simulation = Simulation(Plan(seed: seed, storm: .seconds(20)))
            let result = simulation.run()
            let before = total(coverage, .partition)
            coverage.add(result.coverage)
            #expect(total(coverage, .partition) == before + total(result.coverage, .partition))
        }
        #expect(Fault.Kind.allCases.count { total(coverage, $0) > 0 } > 15)
    }
}
