import Base
import Testing

@testable import EventLoop

@Suite("A turn's time for reading")
struct ReadBudgetTests {
    private static let start = Instant(nanoseconds: 1_000_000_000)

    /// Connections that are asked by name, and where they wait.
    private struct Line {
        var budget = ReadBudget()
        var places: [Character: ReadBudget.Place] = [:]

        /// A turn in which the kernel reports these, each of which takes `each` to be read; who was.
        mutating func turn(_ reported: String, each: Interval = .milliseconds(1)) -> String {
            var now = ReadBudgetTests.start
            var read = ""
            for name in reported where budget.allows(&places[name], now: now) {
                read.append(name)
                now = now + each
            }
            budget.endTurn()
            return read
        }
    }

    @Test("is two milliseconds: who comes later is passed over")
    func isBounded() {
        var line = Line()
        #expect(line.turn("abcd") == "ab")
    }

    @Test("begins with the first who reads, and one may always read")
    func oneAlways() {
        var line = Line()
        #expect(line.turn("abcd", each: .seconds(1)) == "a")
        #expect(line.turn("") == "")
        #expect(line.turn("abcd", each: .seconds(1)) == "a")
    }

    @Test("goes first to who was passed over, the longest first, though others are reported before them")
    func order() {
        var line = Line()
        #expect(line.turn("abcdef") == "ab")
        // All have something again; c to f have waited since the first turn.
        #expect(line.turn("abcdef") == "cd")
        #expect(line.turn("abcdef") == "ef")
        #expect(line.turn("abcdef") == "ab")
        #expect(line.turn("abcdef") == "cd")
    }

    @Test("is given to everybody in turn, however many always have something to read")
    func nobodyStarves() {
        var line = Line()
        let all = String("abcdefghijklmnopqrstuvwxyz")
        var turns: [Character: Int] = [:]
        for _ in 0..<130 { for name in line.turn(all) { turns[name, default: 0] += 1 } }
        #expect(turns.count == all.count && turns.values.allSatisfy { (9...11).contains($0) })
    }

    @Test("does not wait for who has nothing to read any more")
    func nobodyHoldsAPlaceForNothing() {
        var line = Line()
        #expect(line.turn("abcde") == "ab")
        // c is not reported: it had read all before it was asked once more. Nobody is kept behind it for longer than this turn.
        #expect(line.turn("de") == "de")
        #expect(line.turn("abc") == "ab")
        #expect(line.turn("cab") == "ca")
        #expect(line.turn("abcde") == "bc")
        #expect(line.turn("") == "")
        #expect(line.turn("eda") == "ed")
    }

    @Test("forgets who is closed, or not to be read for now")
    func leaving() {
        var line = Line()
        #expect(line.turn("abcd") == "ab")
        line.budget.leave(&line.places["c"])
        line.budget.leave(&line.places["d"])
        line.budget.leave(&line.places["d"])
        #expect(line.turn("ab") == "ab")
        #expect(line.places["c"] == nil)
    }

    @Test("splits a burst on many connections into several turns, and all of it is read")
    func burst() async throws {
        let (connections, size) = (12, 1_000)
        try await withTestLoop { test in
            let (perTurn, total): ([Int], Int) = try await test.until { loop, done in
                var accepted: [TCPConnection] = []
                var (reads, total) = (0, 0)
                var perTurn: [Int] = []
                loop.onTurnEnd {
                    if reads > 0 { perTurn.append(reads) }
                    reads = 0
                    if total == connections * size { done((perTurn, total)); total += 1 }
                }
                let port = try serve(loop) { connection in
                    accepted.append(connection)
                    connection.onRead = { bytes in
                        let start = Loop.now
                        while Loop.now - start < .milliseconds(1) {}
                        reads += 1
                        total += bytes.byteCount
                    }
                    guard accepted.count == connections else { return }
                    // All of it is there before anybody reads.
                    let timer = Timer(loop) { for connection in accepted { connection.resumeReading() } }
                    timer.start(after: .milliseconds(50))
                }
                for _ in 0..<connections {
                    dial(loop, port) { $0.write(pattern(from: 0, count: size)) }
                }
            }
            #expect(total == connections * size)
            // Two have read for two milliseconds; nothing is left for a third.
            #expect(perTurn.allSatisfy { $0 <= 2 })
        }
    }
}
