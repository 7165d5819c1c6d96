import Base
import EventLoop
import Testing

/// Listens on this machine and hands each accepted connection to `body`; lives as long as its loop.
func serve(
    _ loop: Loop, host: String = "127.0.0.1", _ body: @escaping (TCPConnection) -> Void
) throws -> UInt16 {
    let listener = try TCPListener(loop, host: host, port: 0)
    listener.onAccept = body
    loop.onTurnEnd { [listener] in _ = listener }
    return listener.port
}

/// Connects to `port` and hands the connection to `body`; a failure is a failure of the test.
func dial(_ loop: Loop, _ port: UInt16, host: String = "127.0.0.1", _ body: @escaping (TCPConnection) -> Void) {
    TCPConnection.connect(to: host, port: port, on: loop, timeout: .seconds(30)) { result in
        switch result {
        case .success(let connection): body(connection)
        case .failure(let failure): Issue.record(failure)
        }
    }
}

func echo(_ connection: TCPConnection) {
    connection.onRead = { [unowned connection] in connection.write($0) }
    connection.resumeReading()
}

@Suite("A TCP connection", .serialized)
struct TCPTests {
    @Test("carries bytes both ways", arguments: ["127.0.0.1", "localhost", "::1"])
    func echoes(host: String) async throws {
        try await withTestLoop { test in
            let answer: String = try await test.until { loop, done in
                let port = try serve(loop, host: host, echo)
                dial(loop, port, host: host) { connection in
                    connection.onRead = { [unowned connection] in
                        let text = Bytes(copying: $0).utf8String ?? "?"
                        connection.onClose = { _ in done(text) }
                        connection.finish()
                    }
                    connection.resumeReading()
                    connection.write("hello" as Bytes)
                }
            }
            #expect(answer == "hello")
        }
    }

    @Test("knows both its ends")
    func addresses() async throws {
        try await withTestLoop { test in
            let (ours, theirs): ([String], [String]) = try await test.until { loop, done in
                var ours: [String] = []
                var theirs: [String] = []
                func ends(_ connection: TCPConnection) -> [String] {
                    [connection.localAddress, connection.peerAddress].map { $0?.description ?? "?" }
                }
                func check() { if !ours.isEmpty && !theirs.isEmpty { done((ours, theirs)) } }
                let port = try serve(loop, host: "::1") {
                    theirs = ends($0)
                    check()
                }
                dial(loop, port, host: "::1") {
                    ours = ends($0)
                    check()
                }
            }
            #expect(ours == Array(theirs.reversed()))
            #expect(ours.allSatisfy { $0.hasPrefix("[::1]:") })
        }
    }

    @Test("keeps the order of bytes, however they are written and whatever the kernel takes")
    func writeForms() async throws {
        let total = 24 * 1024 * 1024
        try await withTestLoop { test in
            let (received, inOrder, drains): (Int, Bool, Int) = try await test.until { loop, done in
                var (received, inOrder, drains) = (0, true, 0)
                let port = try serve(loop) { connection in
                    connection.onRead = {
                        inOrder = inOrder && matchesPattern($0, at: received)
                        received += $0.byteCount
                    }
                    connection.onClose = { _ in done((received, inOrder, drains)) }
                    connection.resumeReading()
                }
                dial(loop, port) { connection in
                    var random = SplitMix64(seed: 7)
                    var sent = 0
                    func send() {
                        // Goes on for a while although told to wait: what is queued keeps its place too.
                        var queued = 0
                        while sent < total {
                            let size = Int(random.next() % 300_000) + 1
                            let bytes = pattern(from: sent, count: min(size, total - sent))
                            sent += bytes.count
                            if !write(bytes, to: connection, as: random.next() % 4) { queued += 1 }
                            if queued == 8 { return }
                        }
                        connection.finish(within: .seconds(10))
                    }
                    connection.onDrain = {
                        drains += 1
                        send()
                    }
                    send()
                }
            }
            #expect(received == total)
            #expect(inOrder)
            #expect(drains > 0, "the kernel took everything at once: nothing was tested")
        }
    }

    @Test("writes what is queued while the peer sleeps, up to its limit, and then gives up")
    func slowReader() async throws {
        try await withTestLoop { test in
            let (reason, largest, limit): (CloseReason, Int, Int) = try await test.until { loop, done in
                let port = try serve(loop) { _ in /* reads nothing, ever */ }
                dial(loop, port) { connection in
                    var largest = 0
                    connection.writeLimit = 3_000_000
                    connection.onClose = { done(($0, largest, 3_000_000)) }
                    while connection.isOpen {
                        connection.write(pattern(from: 0, count: 100_000))
                        largest = max(largest, connection.queuedBytes)
                    }
                }
            }
            guard case .writeQueueFull = reason else {
                Issue.record("closed because of \(reason)")
                return
            }
            #expect(largest <= limit)
            #expect(largest > limit - 200_000)
        }
    }

    @Test("reports what the kernel has not taken, and that it has taken all")
    func queuedBytes() async throws {
        try await withTestLoop { test in
            let (queued, wasAll, atDrain): (Int, Bool, Int) = try await test.until { loop, done in
                var (client, server): (TCPConnection?, TCPConnection?)
                func begin() {
                    guard let client, let server else { return }
                    var wasAll = true
                    while client.queuedBytes == 0 { wasAll = client.write(pattern(from: 0, count: 1_000_000)) }
                    let queued = client.queuedBytes
                    client.onDrain = { [unowned client] in done((queued, wasAll, client.queuedBytes)) }
                    server.onRead = { _ in }
                    server.resumeReading()
                }
                let port = try serve(loop) {
                    server = $0
                    begin()
                }
                dial(loop, port) {
                    client = $0
                    begin()
                }
            }
            #expect(queued > 0)
            #expect(!wasAll)
            #expect(atDrain == 0)
        }
    }

    @Test("reads nothing while paused, and everything afterwards")
    func pause() async throws {
        let total = 5_000_000
        try await withTestLoop { test in
            let (whilePaused, received): (Int, Int) = try await test.until { loop, done in
                var (received, atPause, whilePaused) = (0, 0, 0)
                let port = try serve(loop) { connection in
                    connection.onRead = { [unowned connection] in
                        received += $0.byteCount
                        guard atPause == 0 else { return }
                        connection.pauseReading()
                        atPause = received
                        Timer(loop) {
                            whilePaused = received - atPause
                            connection.resumeReading()
                        }.start(after: .milliseconds(30))
                    }
                    connection.onClose = { _ in done((whilePaused, received)) }
                    connection.resumeReading()
                }
                dial(loop, port) { connection in
                    connection.write(pattern(from: 0, count: total))
                    connection.finish(within: .seconds(10))
                }
            }
            #expect(whilePaused == 0)
            #expect(received == total)
        }
    }

    @Test("serves a thousand peers at a time")
    func manyConnections() async throws {
        let (peers, rounds) = (1000, 20)
        raiseOpenFileLimit()
        try await withTestLoop { server in
            try await withTestLoop { clients in
                let port = try await server.on { try serve($0, echo) }
                let right: Int = try await clients.until { loop, done in
                    var (right, open) = (0, peers)
                    for peer in 0..<peers {
                        dial(loop, port) { connection in
                            var round = 0
                            connection.onRead = { [unowned connection] in
                                if matchesPattern($0, at: peer + round) { right += 1 }
                                round += 1
                                if round == rounds { return connection.close() }
                                connection.write(pattern(from: peer + round, count: 64))
                            }
                            connection.onClose = { _ in
                                open -= 1
                                if open == 0 { done(right) }
                            }
                            connection.resumeReading()
                            connection.write(pattern(from: peer, count: 64))
                        }
                    }
                }
                #expect(right == peers * rounds)
            }
        }
    }

    @Test("knows when the peer was last heard")
    func lastRead() async throws {
        try await withTestLoop { test in
            let (quiet, heard, bytes): (Interval, Interval, UInt64) = try await test.until { loop, done in
                let port = try serve(loop) { connection in
                    Timer(loop) { connection.write("x" as Bytes) }.start(after: .milliseconds(30))
                }
                dial(loop, port) { connection in
                    let start = connection.lastRead
                    let quietUntil = loop.now
                    connection.onRead = { [unowned connection] _ in
                        done((quietUntil - start, connection.lastRead - start, connection.bytesRead))
                    }
                    connection.setKeepAlive(after: .seconds(10))
                    connection.setUnacknowledgedTimeout(.seconds(10))
                    connection.setNoDelay(true)
                    connection.resumeReading()
                }
            }
            #expect(quiet < .seconds(1))
            #expect(heard >= .milliseconds(25))
            #expect(bytes == 1)
        }
    }
}

/// The four ways to write the same bytes.
private func write(_ bytes: Bytes, to connection: TCPConnection, as form: UInt64) -> Bool {
    switch form {
    case 0: return connection.write(bytes)
    case 1: return bytes.withSpan { connection.write($0) }
    case 2: return bytes.withUnsafeBytes { connection.write($0) }
    default:
        // Many pieces, of all sizes from none to a third of the rest.
        var pieces: [Bytes] = []
        var place = 0
        while place < bytes.count {
            let size = min(bytes.count - place, (pieces.count * 7919) % (bytes.count / 3 + 2))
            pieces.append(bytes[place..<place + size])
            place += size
        }
        return connection.write(gathering: pieces)
    }
}
