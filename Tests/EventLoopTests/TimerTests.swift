import Base
import EventLoop
import Testing

@Suite("A timer")
struct TimerTests {
    @Test("is never early", arguments: [0, 300, 999, 1_000, 1_001, 7_500] as [UInt64])
    func neverEarly(microseconds: UInt64) async throws {
        try await withTestLoop { test in
            for _ in 0..<5 {
                let waited: Interval = try await test.until { loop, done in
                    let start = loop.now
                    var timer: Timer?
                    timer = Timer(loop) {
                        done(loop.now - start)
                        timer?.close()
                        timer = nil
                    }
                    timer?.start(after: .microseconds(microseconds))
                }
                #expect(waited >= .microseconds(microseconds))
            }
        }
    }

    @Test("is not early in a turn that has lasted long")
    func staleTurn() async throws {
        try await withTestLoop { test in
            let waited: Interval = try await test.until { loop, done in
                // The turn's idea of the time is 20 ms behind when the timer starts.
                while loop.now - loop.turnTime < .milliseconds(20) {}
                let start = loop.now
                let timer = Timer(loop) { done(loop.now - start) }
                timer.start(after: .milliseconds(10))
            }
            #expect(waited >= .milliseconds(10))
        }
    }

    @Test("comes in the order of its instants, not of its start")
    func order() async throws {
        try await withTestLoop { test in
            let order: [Int] = try await test.until { loop, done in
                var order: [Int] = []
                for delay in [8, 2, 6, 4] {
                    Timer(loop) {
                        order.append(delay)
                        if order.count == 4 { done(order) }
                    }.start(after: .milliseconds(UInt64(delay)))
                }
            }
            #expect(order == [2, 4, 6, 8])
        }
    }

    @Test("repeats until it is stopped, and starts again")
    func repeats() async throws {
        try await withTestLoop { test in
            let counts: [Int] = try await test.until { loop, done in
                var count = 0
                var counts: [Int] = []
                var timer: Timer?
                let restart = Timer(loop) {
                    counts.append(count)
                    timer?.start(after: .zero, repeating: .milliseconds(1))
                }
                timer = Timer(loop) {
                    count += 1
                    if count == 3 {
                        timer?.stop()
                        restart.start(after: .milliseconds(20))
                    } else if count == 5 {
                        counts.append(count)
                        timer?.close()
                        timer = nil
                        restart.close()
                        done(counts)
                    }
                }
                timer?.start(after: .zero, repeating: .milliseconds(1))
            }
            #expect(counts == [3, 5])
        }
    }

    @Test("has one instant at a time: the last one set")
    func restart() async throws {
        try await withTestLoop { test in
            let (fired, waited): (Int, Interval) = try await test.until { loop, done in
                let start = loop.now
                var fired = 0
                let timer = Timer(loop) { fired += 1 }
                timer.start(after: .milliseconds(1))
                timer.start(at: start + .milliseconds(30))
                Timer(loop) { done((fired, loop.now - start)) }.start(at: start + .milliseconds(20))
            }
            #expect(fired == 0)
            #expect(waited >= .milliseconds(20))
        }
    }

    @Test("for an instant that has passed comes at once; for never, not at all")
    func extremes() async throws {
        try await withTestLoop { test in
            let fired: [String] = try await test.until { loop, done in
                var fired: [String] = []
                Timer(loop) { fired.append("past") }.start(at: .zero)
                Timer(loop) { fired.append("never") }.start(at: .never)
                Timer(loop) { done(fired) }.start(after: .milliseconds(20))
            }
            #expect(fired == ["past"])
        }
    }

    @Test("that was closed is silent, and every call to it harmless")
    func closed() async throws {
        try await withTestLoop { test in
            let fired: Int = try await test.until { loop, done in
                var fired = 0
                let timer = Timer(loop) { fired += 1 }
                timer.start(after: .zero, repeating: .milliseconds(1))
                timer.close()
                timer.close()
                timer.start(after: .zero)
                timer.stop()
                Timer(loop) {
                    timer.start(after: .zero)
                    done(timer.isActive ? -1 : fired)
                }.start(after: .milliseconds(10))
            }
            #expect(fired == 0)
        }
    }
}

@Suite("A wake-up")
struct WakeupTests {
    @Test("brings what any thread wrote before it signalled, and loses no last signal")
    func manyThreads() async throws {
        try await withTestLoop { test in
            let counter = WitnessCount()
            let total = 8 * 5000
            let (wakeup, calls) = try await test.on { loop in
                let calls = Calls()
                return (Wakeup(loop) { calls.take(counter.alive) }, calls)
            }
            await onThreads(8) { _ in
                for _ in 0..<5000 {
                    counter.add(1)
                    wakeup.signal()
                }
            }
            let (seen, count) = try await test.on { _ in (calls.last, calls.count) }
            #expect(seen == total)
            #expect(count >= 1 && count <= total)
            try await test.on { _ in wakeup.close() }
            wakeup.signal()
            #expect(try await test.on { _ in calls.count } == count)
        }
    }

    /// Touched by the loop only.
    private final class Calls: @unchecked Sendable {
        var last = 0
        var count = 0
        func take(_ number: Int) {
            last = number
            count += 1
        }
    }

    @Test("is one when signalled often, and comes again when signalled from its own handler")
    func coalesced() async throws {
        try await withTestLoop { test in
            let count: Int = try await test.until { loop, done in
                var count = 0
                var wakeup: Wakeup?
                // A moment for one call too many.
                let timer = Timer(loop) {
                    wakeup = nil
                    done(count)
                }
                wakeup = Wakeup(loop) {
                    count += 1
                    if count < 3 { wakeup?.signal() } else { timer.start(after: .milliseconds(10)) }
                }
                for _ in 0..<100 { wakeup?.signal() }
            }
            #expect(count == 3)
        }
    }

    @Test("may be signalled after its loop has stopped")
    func afterStop() async throws {
        let test = TestLoop()
        let wakeup = try await test.on { Wakeup($0) {} }
        test.stop()
        wakeup.signal()
    }
}
