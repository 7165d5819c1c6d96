import Base
import Simulation
import Testing

@Suite("Simulated runs")
struct RunTests {
    @Test("A run without faults ends without a violation")
    func calm() {
        var simulation = Simulation(Plan(seed: 1, groups: .none, storm: .seconds(5)))
        #expect(simulation.run().violation == nil)
    }
}
