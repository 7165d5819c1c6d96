import Base
import EventLoop
import Glibc
import Testing

@Suite("Connecting and listening", .serialized)
struct TCPOpeningTests {
    private func failure(
        _ test: TestLoop, host: String, port: UInt16, timeout: Interval = .seconds(5)
    ) async throws -> NetworkError? {
        try await test.until { loop, done in
            TCPConnection.connect(to: host, port: port, on: loop, timeout: timeout) { result in
                switch result {
                case .success(let connection):
                    connection.close()
                    done(nil)
                case .failure(let failure): done(failure)
                }
            }
        }
    }

    @Test("is refused where nobody listens, and says where", arguments: ["127.0.0.1", "localhost", "::1"])
    func refused(host: String) async throws {
        try await withTestLoop { test in
            let port = try await test.on { loop in
                let listener = try TCPListener(loop, host: "127.0.0.1", port: 0)
                defer { listener.close() }
                return listener.port
            }
            let failure = try #require(try await failure(test, host: host, port: port))
            #expect(failure.kind == .refused)
            #expect(failure.operation == .connect)
            #expect(failure.description.contains(host))
            #expect(failure.description.contains("\(port)"))
        }
    }

    @Test("gives up in time when nobody answers")
    func timeout() async throws {
        let silent = try SilentListener()
        defer { silent.close() }
        try await withTestLoop { test in
            var kinds: [NetworkError.Kind?] = []
            var waits: [Interval] = []
            // The backlog holds a connection or two; from then on the kernel ignores who knocks.
            for _ in 0..<6 {
                let start = Loop.now
                kinds.append(try await failure(test, host: "127.0.0.1", port: silent.port, timeout: .milliseconds(100))?.kind)
                if kinds.last == .timedOut { waits.append(Loop.now - start) }
            }
            #expect(kinds.contains(.timedOut))
            #expect(kinds.allSatisfy { $0 == nil || $0 == .timedOut })
            #expect(waits.allSatisfy { $0 >= .milliseconds(99) && $0 < .seconds(3) })
        }
    }

    @Test("can be cancelled, and is not heard of again")
    func cancel() async throws {
        try await withTestLoop { test in
            let calls: Int = try await test.until { loop, done in
                var calls = 0
                let port = try serve(loop) { $0.resumeReading() }
                for host in ["127.0.0.1", "localhost", "::1"] {
                    let attempt = TCPConnection.connect(to: host, port: port, on: loop, timeout: .seconds(5)) { _ in
                        calls += 1
                    }
                    attempt.cancel()
                    attempt.cancel()
                    let late = TCPConnection.connect(to: host, port: port, on: loop, timeout: .seconds(5)) { _ in
                        calls += 1
                    }
                    // One turn later it is under way.
                    nonisolated(unsafe) let cancelled = late
                    loop.perform { cancelled.cancel() }
                }
                Timer(loop) { done(calls) }.start(after: .milliseconds(50))
            }
            #expect(calls == 0)
        }
    }

    @Test("says that an address is in use, and which", arguments: ["127.0.0.1", "localhost", "::1", "::"])
    func addressInUse(host: String) async throws {
        try await withTestLoop { test in
            let (failure, port) = try await test.on { loop -> (NetworkError?, UInt16) in
                let first = try TCPListener(loop, host: host, port: 0)
                defer { first.close() }
                do throws(NetworkError) {
                    try TCPListener(loop, host: host, port: first.port).close()
                    return (nil, first.port)
                } catch { return (error, first.port) }
            }
            let known = try #require(failure)
            #expect(known.kind == .addressInUse)
            let written = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            #expect(known.description == "cannot listen on \(written): address already in use")
        }
    }

    @Test("says that an address is not this machine's")
    func foreignAddress() async throws {
        try await withTestLoop { test in
            let failure = try await test.on { loop -> NetworkError? in
                do throws(NetworkError) {
                    try TCPListener(loop, host: "203.0.113.1", port: 7001).close()
                    return nil
                } catch { return error }
            }
            #expect(failure?.kind == .addressNotAvailable)
            #expect(failure?.address == "203.0.113.1:7001")
        }
    }

    @Test("listens for IPv4 too on the address that means every one")
    func dualStack() async throws {
        try await withTestLoop { test in
            for host in ["127.0.0.1", "::1"] {
                let peer: String = try await test.until { loop, done in
                    let port = try serve(loop, host: "::") { _ in }
                    dial(loop, port, host: host) { done($0.peerAddress?.host ?? "?") }
                }
                #expect(peer == host)
            }
        }
    }

    @Test("accepts nothing once it is closed, and leaves what it accepted alone")
    func closeListener() async throws {
        try await withTestLoop { test in
            let (answer, port): (String, UInt16) = try await test.until { loop, done in
                let listener = try TCPListener(loop, host: "127.0.0.1", port: 0)
                let port = listener.port
                listener.onAccept = { connection in
                    listener.close()
                    echo(connection)
                }
                dial(loop, port) { connection in
                    connection.onRead = { done((Bytes(copying: $0).utf8String ?? "?", port)) }
                    connection.resumeReading()
                    Timer(loop) { connection.write("still" as Bytes) }.start(after: .milliseconds(5))
                }
            }
            #expect(answer == "still")
            #expect(try await failure(test, host: "127.0.0.1", port: port)?.kind == .refused)
        }
    }

    @Test("gives an address back at once")
    func listenAgain() async throws {
        try await withTestLoop { test in
            let ports = try await test.on { loop in
                let first = try TCPListener(loop, host: "127.0.0.1", port: 0)
                first.close()
                let second = try TCPListener(loop, host: "127.0.0.1", port: first.port)
                second.close()
                return [first.port, second.port]
            }
            #expect(ports[0] == ports[1])
        }
    }

    @Test("waits, and does not spin, when the process has no descriptors left")
    func outOfDescriptors() async {
        await #expect(processExitsWith: .success) {
            try await withTestLoop { test in
                let (errors, turns, served): (Int, Int, Bool) = try await test.until { loop, done in
                    var (errors, turns) = (0, 0)
                    let listener = try TCPListener(loop, host: "127.0.0.1", port: 0)
                    listener.onError = { if $0.kind == .tooManyOpenFiles { errors += 1 } }
                    listener.onAccept = { $0.write("welcome" as Bytes) }
                    loop.onTurnEnd { [listener] in
                        _ = listener
                        turns += 1
                    }
                    dial(loop, listener.port) { connection in
                        connection.onRead = { _ in done((errors, turns, true)) }
                        connection.resumeReading()
                    }
                    let timer = Timer(loop) { takenDescriptors.forEach { close($0) } }
                    nonisolated(unsafe) let release = timer
                    // By then the connection above has its descriptor; the one to accept it finds none.
                    loop.perform {
                        takeAllDescriptors()
                        release.start(after: .milliseconds(250))
                    }
                }
                precondition(served)
                precondition((1...4).contains(errors), "\(errors) errors")
                precondition(turns < 100, "\(turns) turns in a quarter of a second")
            }
        }
    }
}

/// Opens files until the system refuses.
private func takeAllDescriptors() {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = 256
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    while case let descriptor = open("/dev/null", O_RDONLY), descriptor >= 0 { takenDescriptors.append(descriptor) }
}

/// Only ever used in a process of its own, by one thread.
nonisolated(unsafe) private var takenDescriptors: [Int32] = []

/// A socket that listens and never accepts, with hardly any room for those who wait.
private struct SilentListener {
    let descriptor: Int32
    let port: UInt16

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isListening = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 0) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isListening)
        port = UInt16(bigEndian: address.sin_port)
    }

    func close() { _ = Glibc.close(descriptor) }
}
