import Base
import Keyspace
@testable import Simulation
import Testing

@Suite("Histories")
struct HistoryTests {
    @Test("What a run's clients saw is the same after it was written and read", arguments: [1, 2] as [UInt64])
    func roundTrip(seed: UInt64) throws {
        var simulation = Simulation(Plan(seed: seed, storm: .seconds(20)))
        let history = simulation.run().history
        let lines = history.lines
        let read = try History(reading: Bytes(utf8: lines))
        #expect(read.lines == lines)
        #expect(read.operations.count == history.operations.count && read.operations.count > 500)
        #expect(read.operations.map(\.command) == history.operations.map(\.command))
        #expect(Linearizability.check(read).operations == Linearizability.check(history).operations)
        #expect(Linearizability.check(read).rejection == nil)
    }

    @Test("Bytes that are no text survive")
    func bytes() throws {
        var history = History()
        let number = history.invoke(process: 1, .single(.set(key: [0xff, 0x00], value: .data([0x22, 0x0a, 0xc3, 0xa9, 0x5c]))), at: .zero)
        history.ok(number, Outcome(revision: 3, result: .single(.set)), at: Instant(nanoseconds: 9))
        #expect(history.lines == #"{"process":1,"op":"set","key":{"base64":"/wA="},"arg":"\"\né\\","out":null,"start":0,"end":9,"ok":true,"rev":3}"# + "\n")
        #expect(try History(reading: Bytes(utf8: history.lines)) == history)
    }

    @Test("Every run's history is judged, and nearly all of it says something")
    func judged() {
        for seed: UInt64 in 1...3 {
            var simulation = Simulation(Plan(seed: seed, storm: .seconds(30)))
            let result = simulation.run()
            #expect(result.linearizability.isProved, "seed \(seed)")
            #expect(result.statistics.checked > 500 && result.statistics.undecided == 0)
        }
    }

    @Test("Reads that are old are found from the history alone", arguments: ["read-without-round", "lease-on-arrival"])
    func planted(name: String) throws {
        for seed: UInt64 in 1...20 {
            var plan = try #require(Plan(seed: seed, sabotageNamed: name))
            plan.checksLeases = false
            var simulation = Simulation(plan)
            if simulation.run().linearizability.rejection != nil { return }
        }
        Issue.record("not found")
    }
}
