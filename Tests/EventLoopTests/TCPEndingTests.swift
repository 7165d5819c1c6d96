import Base
import EventLoop
import Testing

@Suite("The end of a TCP connection", .serialized)
struct TCPEndingTests {
    @Test("comes after everything that was queued, when it is finished")
    func finish() async throws {
        let total = 8_000_000
        try await withTestLoop { test in
            let (received, ours, theirs): (Int, String, String) = try await test.until { loop, done in
                var (received, ours, theirs) = (0, "", "")
                func check() { if ours != "" && theirs != "" { done((received, ours, theirs)) } }
                let port = try serve(loop) { connection in
                    connection.onRead = { received += $0.byteCount }
                    connection.onClose = {
                        theirs = "\($0)"
                        check()
                    }
                    // Unread bytes at the other end would make its close a reset, and lose what it sent.
                    connection.write(pattern(from: 0, count: 100_000))
                    Timer(loop) { connection.resumeReading() }.start(after: .milliseconds(10))
                }
                dial(loop, port) { connection in
                    connection.onClose = {
                        ours = "\($0)"
                        check()
                    }
                    connection.write(pattern(from: 0, count: total))
                    connection.finish(within: .seconds(10))
                    connection.write("too late" as Bytes)
                }
            }
            #expect(received == total)
            #expect(ours == "local")
            #expect(theirs == "endOfStream")
        }
    }

    @Test("does not wait for ever for a peer that never reads")
    func finishLimit() async throws {
        try await withTestLoop { test in
            let waited: Interval = try await test.until { loop, done in
                let port = try serve(loop) { _ in }
                dial(loop, port) { connection in
                    let start = loop.now
                    connection.onClose = { _ in done(loop.now - start) }
                    connection.write(pattern(from: 0, count: 10_000_000))
                    connection.finish(within: .milliseconds(50))
                }
            }
            #expect(waited >= .milliseconds(50))
            #expect(waited < .seconds(5))
        }
    }

    @Test("by a reset is told as one")
    func reset() async throws {
        try await withTestLoop { test in
            let reason: CloseReason = try await test.until { loop, done in
                let port = try serve(loop) { connection in
                    connection.onClose = { done($0) }
                    connection.resumeReading()
                }
                dial(loop, port) { $0.reset() }
            }
            guard case .failed(let failure) = reason else {
                Issue.record("closed because of \(reason)")
                return
            }
            #expect(failure.kind == .reset)
            #expect(failure.operation == .read)
        }
    }

    @Test("by a reset is told as one to a writer that does not read")
    func resetWriter() async throws {
        try await withTestLoop { test in
            let reason: CloseReason = try await test.until { loop, done in
                let port = try serve(loop) { connection in
                    let timer = Timer(loop) { [unowned connection] in connection.write("x" as Bytes) }
                    timer.start(after: .zero, repeating: .milliseconds(1))
                    connection.onClose = {
                        timer.close()
                        done($0)
                    }
                }
                dial(loop, port) { $0.reset() }
            }
            guard case .failed(let failure) = reason else {
                Issue.record("closed because of \(reason)")
                return
            }
            #expect(failure.kind == .reset)
        }
    }

    @Test("of the peer's side leaves ours open, when somebody asks for that")
    func halfOpen() async throws {
        try await withTestLoop { test in
            let (ends, isOpen): (Int, Bool) = try await test.until { loop, done in
                var ends = 0
                let port = try serve(loop) { connection in
                    connection.onEnd = { [unowned connection] in
                        ends += 1
                        Timer(loop) {
                            connection.onClose = { _ in done((ends, true)) }
                            if !connection.isOpen { return done((ends, false)) }
                            connection.resumeReading()
                            connection.write("still here" as Bytes)
                            connection.finish()
                        }.start(after: .milliseconds(10))
                    }
                    connection.resumeReading()
                }
                dial(loop, port) { $0.finish(within: .seconds(5)) }
            }
            #expect(ends == 1)
            #expect(isOpen)
        }
    }

    @Test("can come from inside any handler", arguments: ["accept", "read", "drain", "end", "close"])
    func closeInHandler(which: String) async throws {
        try await withTestLoop { test in
            let closes: Int = try await test.until { loop, done in
                var closes = 0
                func closed(_: CloseReason) {
                    closes += 1
                    // A moment for a second call that must not come.
                    Timer(loop) { done(closes) }.start(after: .milliseconds(5))
                }
                let port = try serve(loop) { connection in
                    func end() {
                        connection.close()
                        connection.reset()
                        connection.finish()
                        connection.write("dropped" as Bytes)
                        connection.resumeReading()
                        connection.pauseReading()
                    }
                    connection.onClose = { [unowned connection] in
                        if which == "close" { connection.close() }
                        closed($0)
                    }
                    connection.onRead = { _ in if which == "read" { end() } }
                    connection.onEnd = { if which == "end" || which == "close" { end() } }
                    connection.onDrain = { if which == "drain" { end() } }
                    if which == "accept" { return end() }
                    connection.resumeReading()
                    if which == "drain" { while connection.write(pattern(from: 0, count: 1_000_000)) {} }
                }
                dial(loop, port) { connection in
                    connection.onRead = { _ in }
                    connection.resumeReading()
                    if which == "drain" { return }
                    connection.write("hello" as Bytes)
                    if which != "read" { connection.finish() }
                }
            }
            #expect(closes == 1)
        }
    }

    @Test("frees all that its handlers held")
    func handlersAreFreed() async throws {
        let alive = WitnessCount()
        try await withTestLoop { test in
            let _: Bool = try await test.until { loop, done in
                var open = 40
                let port = try serve(loop) { connection in
                    let witness = Witness(alive)
                    connection.onRead = { [connection] _ in
                        witness.touch()
                        connection.close()
                    }
                    connection.resumeReading()
                }
                for _ in 0..<open {
                    dial(loop, port) { connection in
                        let witness = Witness(alive)
                        connection.onDrain = { [connection] in _ = (witness, connection) }
                        connection.onEnd = nil
                        connection.onClose = { [connection] _ in
                            _ = (witness, connection)
                            open -= 1
                            if open == 0 { done(true) }
                        }
                        connection.resumeReading()
                        connection.write("bye" as Bytes)
                    }
                }
            }
            // Two turns: one for the last handler to return, one for the last close callback.
            try await test.on { _ in }
            try await test.on { _ in }
            #expect(alive.alive == 0)
        }
    }

    @Test("by hundreds of peers at once, in the middle of writes, harms nobody")
    func abruptCloses() async throws {
        try await withTestLoop { test in
            let (ended, accepted): (Int, Int) = try await test.until { loop, done in
                var (ended, accepted, dialled) = (0, 0, 0)
                let port = try serve(loop) { connection in
                    accepted += 1
                    connection.onRead = { [unowned connection] in
                        for _ in 0..<4 { connection.write($0) }
                    }
                    connection.onClose = { _ in
                        ended += 1
                        if ended == 300 { done((ended, accepted)) }
                    }
                    connection.resumeReading()
                }
                for number in 0..<300 {
                    dial(loop, port) { connection in
                        dialled += 1
                        connection.write(pattern(from: 0, count: 50_000 + number))
                        let timer = Timer(loop) { [unowned connection] in
                            if number.isMultiple(of: 3) { connection.reset() } else { connection.close() }
                        }
                        connection.onClose = { _ in timer.close() }
                        timer.start(after: .microseconds(UInt64(number % 7) * 500))
                    }
                }
            }
            #expect(ended == 300)
            #expect(accepted == 300)
        }
    }
}
