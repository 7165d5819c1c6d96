import Base
import EventLoop
import Testing

@Suite("A loop")
struct LoopTests {
    @Test("runs what one thread gives it in the order it was given")
    func order() async throws {
        try await withTestLoop { test in
            let seen: [Int] = try await test.until { loop, done in
                final class Log { var numbers: [Int] = [] }
                nonisolated(unsafe) let log = Log()
                nonisolated(unsafe) let done = done
                for number in 0..<1000 {
                    loop.perform {
                        log.numbers.append(number)
                        if number == 999 { done(log.numbers) }
                    }
                }
            }
            #expect(seen == Array(0..<1000))
        }
    }

    @Test("loses nothing that many threads give it, and keeps each thread's order")
    func manyThreads() async throws {
        try await withTestLoop { test in
            let log = Log(test.loop)
            let loop = test.loop
            await onThreads(8) { thread in
                for number in 0..<2000 { loop.perform { log.add(thread, number) } }
            }
            let seen = try await test.on { _ in log.seen }
            #expect(seen.count == 8)
            for numbers in seen.values { #expect(numbers == Array(0..<2000)) }
        }
    }

    /// Confined to the loop that is its proof.
    private final class Log: @unchecked Sendable {
        let loop: Loop
        var seen: [Int: [Int]] = [:]
        init(_ loop: Loop) { self.loop = loop }
        func add(_ thread: Int, _ number: Int) {
            loop.checkIsolated()
            seen[thread, default: []].append(number)
        }
    }

    @Test("knows how long each of its turns took and had a processor, and does not count for how long it waited")
    func turnTimes() async throws {
        try await withTestLoop { test in
            let start = Loop.now
            let before = try await test.on { ($0.turnTimes, $0.turnWork) }
            // Waits for a timer, then is busy.
            let _: Bool = try await test.until { loop, done in
                let timer = Timer(loop) {
                    let start = Loop.now
                    while Loop.now - start < .milliseconds(60) {}
                    done(true)
                }
                timer.start(after: .milliseconds(300))
            }
            // A turn is counted when it is over, and it may be the one that answers first.
            for _ in 0..<2 { let _: Bool = try await test.until { loop, done in Timer(loop) { done(true) }.start(after: .milliseconds(1)) } }
            let after = try await test.on { ($0.turnTimes, $0.turnWork) }
            let long = TurnTimes.bounds.firstIndex(of: .milliseconds(50))! + 1
            let more = zip(after.0.counts, before.0.counts).map { $0 - $1 }
            #expect(more[long...].reduce(0, +) >= 1)
            #expect(more.reduce(0, +) >= 2)
            let busy = Interval(nanoseconds: after.0.total.nanoseconds - before.0.total.nanoseconds)
            #expect(busy >= .milliseconds(60) && busy + .milliseconds(290) <= Loop.now - start)
            // Others may have had the processor for a part of it, never for more than all.
            let work = Interval(nanoseconds: after.1.total.nanoseconds - before.1.total.nanoseconds)
            #expect(.zero < work && work <= Loop.now - start)
            #expect(after.1.counts.reduce(0, +) == after.0.counts.reduce(0, +))
        }
    }

    @Test("ends a turn with the work handlers, then the flush handlers, once each")
    func turnEnd() async throws {
        try await withTestLoop { test in
            let calls: [String] = try await test.until { loop, done in
                var calls: [String] = []
                loop.onTurnEnd(.flush) { calls.append("flush 1") }
                loop.onTurnEnd(.work) { calls.append("work 1") }
                loop.onTurnEnd(.work) { calls.append("work 2") }
                loop.onTurnEnd(.flush) {
                    calls.append("flush 2")
                    if calls.count == 4 { done(calls) }
                }
            }
            #expect(calls == ["work 1", "work 2", "flush 1", "flush 2"])
        }
    }

    @Test("calls a cancelled turn-end handler no more, and keeps the others")
    func turnEndCancelled() async throws {
        try await withTestLoop { test in
            let (cancelled, kept): (Int, Int) = try await test.until { loop, done in
                var (cancelled, kept) = (0, 0)
                let handle = loop.onTurnEnd { cancelled += 1 }
                let timer = Timer(loop) {}
                timer.start(after: .zero, repeating: .milliseconds(1))
                loop.onTurnEnd {
                    kept += 1
                    if kept == 2 { handle.cancel() }
                    if kept == 6 {
                        timer.close()
                        done((cancelled, kept))
                    }
                }
            }
            #expect(cancelled == 2)
            #expect(kept == 6)
        }
    }

    @Test("does not sleep on what a turn's last handler leaves it to do")
    func workFromTurnEnd() async throws {
        try await withTestLoop { test in
            let rounds: Int = try await test.until { loop, done in
                nonisolated(unsafe) let done = done
                var rounds = 0
                loop.onTurnEnd {
                    rounds += 1
                    let now = rounds
                    // Nothing else will ever wake this loop.
                    loop.perform { if now == 100 { done(now) } }
                }
            }
            #expect(rounds == 100)
        }
    }

    @Test("closes what was left open when it stops, and frees what its handlers held")
    func stopClosesAll() async throws {
        let alive = WitnessCount()
        let test = TestLoop()
        try await test.on { loop in
            for _ in 0..<10 {
                let witness = Witness(alive)
                Timer(loop) { witness.touch() }.start(after: .seconds(3600))
                _ = SignalWatcher(loop, signal: 12) { witness.touch() }
                let listener = try TCPListener(loop, host: "127.0.0.1", port: 0)
                listener.onAccept = { connection in
                    connection.onRead = { _ in witness.touch() }
                    connection.resumeReading()
                }
                loop.onTurnEnd { [listener] in _ = listener }
                TCPConnection.connect(to: "127.0.0.1", port: listener.port, on: loop, timeout: .seconds(3600)) {
                    if case .success(let connection) = $0 { connection.onClose = { _ in witness.touch() } }
                }
            }
        }
        #expect(alive.alive == 10)
        test.stop()
        #expect(alive.alive == 0)
    }

    @Test("cuts the cycles between those who listen and their handlers when it stops")
    func stopCutsCycles() async throws {
        final class Owner {
            let witness: Witness
            var listener: TCPListener?
            var turnEnd: TurnEnd?
            init(_ witness: Witness) { self.witness = witness }
        }
        let alive = WitnessCount()
        let test = TestLoop()
        try await test.on { loop in
            let owner = Owner(Witness(alive))
            owner.listener = try TCPListener(loop, host: "127.0.0.1", port: 0)
            owner.listener?.onAccept = { _ in owner.witness.touch() }
            owner.listener?.onError = { _ in owner.witness.touch() }
            owner.turnEnd = loop.onTurnEnd { owner.witness.touch() }
        }
        #expect(alive.alive == 1)
        test.stop()
        #expect(alive.alive == 0)
    }

    @Test("tells each connection that is open when it stops")
    func stopTellsConnections() async throws {
        let told = WitnessCount()
        let test = TestLoop()
        let _: Bool = try await test.until { loop, done in
            let listener = try TCPListener(loop, host: "127.0.0.1", port: 0)
            loop.onTurnEnd { [listener] in _ = listener }
            listener.onAccept = { connection in
                connection.onClose = { if case .loopStopped = $0 { told.add(1) } }
                done(true)
            }
            TCPConnection.connect(to: "127.0.0.1", port: listener.port, on: loop, timeout: .seconds(5)) { _ in }
        }
        test.stop()
        #expect(told.alive == 1)
    }

    @Test("ends although a handler connects again whenever a connection ends")
    func stopAgainstReconnects() async throws {
        let attempts = WitnessCount()
        let test = TestLoop()
        try await test.on { loop in
            @Sendable func connect() {
                attempts.add(1)
                TCPConnection.connect(to: "127.0.0.1", port: 1, on: loop, timeout: .seconds(5)) { _ in connect() }
            }
            connect()
        }
        test.stop()
        #expect(attempts.alive >= 1)
    }

    @Test("can be stopped before it was started, and at once after")
    func stopEarly() {
        LoopThread(name: "never").stop()
        for _ in 0..<50 {
            let thread = LoopThread(name: "brief")
            thread.start()
            thread.stop()
            thread.stop()
        }
    }

    @Test("runs what it was given before it was stopped")
    func stopRunsJobs() {
        let ran = WitnessCount()
        let thread = LoopThread(name: "test")
        for _ in 0..<10 { thread.loop.perform { ran.add(1) } }
        thread.start()
        for _ in 0..<10 { thread.loop.perform { ran.add(1) } }
        thread.stop()
        #expect(ran.alive == 20)
    }

    @Test("has a clock that does not go back, and a turn that begins before now")
    func clock() async throws {
        try await withTestLoop { test in
            let isInOrder = try await test.on { loop in
                let turn = loop.turnTime
                let first = loop.now
                let second = loop.now
                return turn <= first && first <= second
            }
            #expect(isInOrder)
        }
    }
}
