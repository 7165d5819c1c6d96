import Base
import Client
import FakeMember
import Glibc
import Synchronization
import Testing

@testable import Tools

@Suite("What up plans")
struct UpPlanTests {
    @Test("A new cluster: names, addresses, and what each member is started with")
    func new() throws {
        let plan = try UpPlan(directory: "d", nodes: nil, basePort: 9000, stored: nil)
        #expect(
            plan.stored == """
                n1 127.0.0.1:9000 127.0.0.1:10000
                n2 127.0.0.1:9001 127.0.0.1:10001
                n3 127.0.0.1:9002 127.0.0.1:10002

                """)
        #expect(plan.arguments(plan.members[1]) == [
            "--name", "n2", "--data-dir", "d/n2", "--listen", "127.0.0.1:9001",
            "--initial-cluster", "n1=127.0.0.1:9000,n2=127.0.0.1:9001,n3=127.0.0.1:9002",
            "--http", "127.0.0.1:10001",
        ])
        #expect(plan.export == "export SWIFTWATER_ENDPOINTS=127.0.0.1:9000,127.0.0.1:9001,127.0.0.1:9002")
        #expect(try UpPlan(directory: "d", nodes: nil, basePort: nil, stored: nil).export == nil)
    }

    @Test("A cluster that is there comes back as it was")
    func stored() throws {
        let old = try UpPlan(directory: "d", nodes: 5, basePort: 9000, stored: nil)
        #expect(try UpPlan(directory: "d", nodes: nil, basePort: nil, stored: old.stored) == old)
        #expect(try UpPlan(directory: "d", nodes: 5, basePort: 9000, stored: old.stored) == old)
        #expect(throws: UsageError.self) { try UpPlan(directory: "d", nodes: 3, basePort: nil, stored: old.stored) }
        #expect(throws: UsageError.self) { try UpPlan(directory: "d", nodes: nil, basePort: 7401, stored: old.stored) }
        for junk in ["", "n1\n", "n1 nowhere\n"] {
            #expect(throws: UsageError.self) { try UpPlan(directory: "d", nodes: nil, basePort: nil, stored: junk) }
        }
    }

    @Test("Dashboards stand where they are told; a cluster from before there were any gets them when asked")
    func dashboards() throws {
        let plan = try UpPlan(directory: "d", nodes: 2, basePort: 9000, httpBasePort: 9100, stored: nil)
        #expect(plan.members.map { $0.http?.description } == ["127.0.0.1:9100", "127.0.0.1:9101"])
        let old = "n1 127.0.0.1:9000\nn2 127.0.0.1:9001\n"
        let without = try UpPlan(directory: "d", nodes: nil, basePort: nil, stored: old)
        #expect(without.stored == old)
        #expect(!without.arguments(without.members[0]).contains("--http"))
        #expect(try UpPlan(directory: "d", nodes: nil, basePort: nil, httpBasePort: 9100, stored: old) == plan)
        for port: UInt16 in [9001, 32768, 0] {
            #expect(throws: UsageError.self) {
                try UpPlan(directory: "d", nodes: 2, basePort: 9000, httpBasePort: port, stored: nil)
            }
        }
    }

    @Test("Too many, too few, or out of the ports that members may have", arguments: [(0, 7401), (10, 7401), (3, 0), (3, 32766), (1, 65535)])
    func refused(nodes: Int, port: Int) {
        #expect(throws: UsageError.self) {
            try UpPlan(directory: "d", nodes: nodes, basePort: UInt16(port), stored: nil)
        }
    }
}

/// With a stand-in for `swiftwaterd`: a script that does what a test needs.
@Suite("What up does with its children", .serialized, .timeLimit(.minutes(1)))
struct UpTests {
    /// Lines that were printed.
    private final class Said: Sendable {
        private let lines = Mutex<[String]>([])
        func say(_ line: String) { lines.withLock { $0.append(line) } }
        var text: String { lines.withLock { $0.joined(separator: "\n") } }
    }

    private func withDirectory(_ script: String, _ body: (String, String) async throws -> Void) async throws {
        let directory = "/tmp/swiftwater-up-\(UInt64.random(in: 0 ... .max))"
        try makeDirectory(directory)
        let server = directory + "/server"
        try writeSmallFile(server, "#!/bin/sh\n" + script)
        chmod(server, 0o755)
        do {
            try await body(directory + "/data/cluster", server)
        } catch {
            try await remove(directory)
            throw error
        }
        try await remove(directory)
    }

    private func remove(_ directory: String) async throws {
        let (endings, feed) = AsyncStream.makeStream(of: ChildProcess.Ending.self)
        _ = try ChildProcess(program: "/bin/rm", arguments: ["-rf", directory], log: "/dev/null") { feed.yield($0) }
        for await _ in endings { return }
    }

    private func plan(_ directory: String, nodes: Int) throws -> UpPlan {
        try UpPlan(directory: directory, nodes: nodes, basePort: 7990, stored: nil)
    }

    @Test("A member that ends at once is reported with its last words, and a new cluster is given up")
    func endsAtOnce() async throws {
        try await withDirectory("echo some words; echo \"$2 cannot bind\" >&2; exit 69\n") { directory, server in
            let said = Said()
            let code = await Up(plan: try plan(directory, nodes: 1), server: server, print: said.say).run()
            #expect(code == .clusterError)
            #expect(said.text.contains("Starting 1 member in \(directory)"))
            #expect(said.text.contains("n1 exited with 69. The last lines of \(directory)/n1.log:\n  | some words\n  | n1 cannot bind"))
            #expect(said.text.contains("To start it again by hand: \(server) --name n1 --data-dir \(directory)/n1"))
            #expect(access(directory + "/cluster", F_OK) != 0, "what never worked is not remembered")
            #expect(access(directory + "/n1.pid", F_OK) != 0)
        }
    }

    @Test("A child is started, signalled, and seen to end")
    func child() async throws {
        try await withDirectory("trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.05; done\n") { directory, server in
            try makeDirectory(directory)
            let log = directory + "/log"
            let (endings, feed) = AsyncStream.makeStream(of: ChildProcess.Ending.self)
            let child = try ChildProcess(program: server, arguments: [], log: log) { feed.yield($0) }
            while try readSmallFile(log) != Array("ready\n".utf8) { try await Task.sleep(nanoseconds: 5_000_000) }
            #expect(child.isRunning)
            child.signal(SIGTERM)
            var iterator = endings.makeAsyncIterator()
            #expect(await iterator.next() == .exited(7))
            #expect(!child.isRunning)
            // Its number may be another's now: nothing is sent.
            child.signal(SIGKILL)
            #expect(Up.lastLines(of: log) == ["ready", "asked"])
            let other = try ChildProcess(program: server, arguments: [], log: log) { feed.yield($0) }
            other.signal(SIGKILL)
            #expect(await iterator.next() == .killed(signal: SIGKILL))
        }
    }

    @Test("A port that is taken is named before anything is started")
    func takenPort() async throws {
        let stranger = try await FakeMember()
        defer { stranger.stop() }
        try await withDirectory("exit 0\n") { directory, server in
            let said = Said()
            let plan = try UpPlan(directory: directory, nodes: 1, basePort: nil, stored: "n1 \(stranger.address)\n")
            #expect(await Up(plan: plan, server: server, print: said.say).run() == .clusterError)
            #expect(said.text == "swiftwater up: the port of n1, \(stranger.address), is in use: by another cluster? See --base-port")
        }
    }

    @Test("A program that is not there, a directory that is a file, a second up: each says so")
    func refusals() async throws {
        try await withDirectory("exit 0\n") { directory, server in
            let said = Said()
            #expect(await Up(plan: try plan(directory, nodes: 1), server: "/nonexistent/swiftwaterd", print: said.say).run() == .clusterError)
            #expect(said.text.contains("/nonexistent/swiftwaterd is missing"))
            #expect(await Up(plan: try plan(server, nodes: 1), server: server, print: said.say).run() == .clusterError)
            #expect(said.text.contains("\(server)"))
            let lock = try DirectoryLock(directory)
            #expect(await Up(plan: try plan(directory, nodes: 1), server: server, print: said.say).run() == .clusterError)
            #expect(said.text.contains("another `swiftwater up` runs in \(directory)"))
            lock.release()
        }
    }
}
