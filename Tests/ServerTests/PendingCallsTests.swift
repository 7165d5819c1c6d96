import Replica
import Testing

@testable import Server

@Suite("The calls that wait for an answer")
struct PendingCallsTests {
    @Test("each number finds its own call, and is not given out twice while it waits")
    func numbers() {
        var calls = PendingCalls()
        let ids = (0..<100).map { _ in calls.add(.none) }
        #expect(Set(ids).count == 100)
        #expect(calls.count == 100)
        for id in ids.reversed() { _ = calls.take(id) }
        #expect(calls.count == 0)
    }

    @Test("a place that is used again has another number: a late answer cannot meet the wrong call")
    func generations() {
        var calls = PendingCalls()
        var seen: Set<RequestID> = []
        for _ in 0..<1000 {
            let id = calls.add(.none)
            #expect(seen.insert(id).inserted)
            _ = calls.take(id)
        }
    }
}
