import Foundation
import Glibc
import Testing

extension ClusterTests {
    /// The programs as a person starts them.
    @Suite(.serialized) struct CommandLineTests {
        struct Said: Equatable {
            var status: Int32
            /// Standard output and standard error, as they came.
            var text: String
        }

        /// Runs `swiftwater` to its end.
        func swiftwater(_ cluster: TestCluster, _ arguments: [String]) async throws -> Said {
            let log = cluster.directory.appendingPathComponent("said-\(UUID().uuidString)")
            let process = try MemberProcess([TestCluster.binaries.appendingPathComponent("swiftwater").path] + arguments, log: log.path)
            let status = try await process.waitForExit(within: 30)
            return Said(status: status, text: try String(contentsOf: log, encoding: .utf8))
        }

        @Test("A client that names one dead member finds the others, the leader dead or not", .timeLimit(.minutes(2)))
        func deadMember() async throws {
            try await TestCluster.run { cluster in
                for round in 0..<2 {
                    let leader = try await cluster.waitForLeader()
                    let dead = round == 0 ? leader : cluster.names.first { $0 != leader }!
                    try await cluster[dead].killNow()
                    // The dead one is named first.
                    let others = cluster.names.filter { $0 != dead }.map(cluster.endpoint(of:))
                    let endpoints = ([cluster.endpoint(of: dead)] + others).joined(separator: ",")
                    let all = ["--endpoints", endpoints, "--timeout", "10s"]
                    #expect(try await swiftwater(cluster, all + ["set", "k", "round \(round)"]) == Said(status: 0, text: "OK\n"))
                    #expect(try await swiftwater(cluster, all + ["get", "k"]) == Said(status: 0, text: "round \(round)\n"))
                    let status = try await swiftwater(cluster, all + ["status"])
                    #expect(status.text.contains("unreachable"), "\(status.text)")
                    try cluster.start(dead)
                    try await cluster.waitUntilCaughtUp(dead)
                }
            }
        }

        @Test("Every ending has its exit code", .timeLimit(.minutes(2)))
        func exitCodes() async throws {
            try await TestCluster.run { cluster in
                let all = ["--endpoints", cluster.endpoints.joined(separator: ",")]
                #expect(try await swiftwater(cluster, all + ["get", "missing"]) == Said(status: 1, text: "key not found: missing\n"))
                #expect(try await swiftwater(cluster, all + ["del", "missing"]).status == 1)
                #expect(try await swiftwater(cluster, all + ["strln", "missing"]) == Said(status: 0, text: "0\n"))
                #expect(try await swiftwater(cluster, all + ["set", "data", "x"]).status == 0)
                #expect(try await swiftwater(cluster, all + ["append", "--item", "data", "x"]).status == 2)
                #expect(try await swiftwater(cluster, all + ["no-such-command"]).status == 64)
                let nobody = ["--endpoints", "127.0.0.1:\(try freePorts(1)[0])", "--timeout", "500ms"]
                #expect(try await swiftwater(cluster, nobody + ["get", "k"]).status == 3)
            }
        }

        @Test("up starts a cluster, stops it on Ctrl-C, and brings the same one back", .timeLimit(.minutes(2)))
        func up() async throws {
            let cluster = try TestCluster(members: 5)
            try await cluster.withCleanUp {
                let data = cluster.directory.appendingPathComponent("up").path
                let log = cluster.directory.appendingPathComponent("up.log")
                // Ports in a row, as `up` hands them out.
                let base = try #require(cluster.ports.first { port in cluster.ports.contains(port + 1) && cluster.ports.contains(port + 2) })
                let client = ["--endpoints", "127.0.0.1:\(base)", "--timeout", "20s"]
                for round in 0..<2 {
                    let up = try MemberProcess(
                        [TestCluster.binaries.appendingPathComponent("swiftwater").path, "up", "--data-dir", data, "--base-port", "\(base)"],
                        log: log.path)
                    do {
                        try await eventually("\(round + 1) times a leader is announced", within: 30) {
                            let text = try String(contentsOf: log, encoding: .utf8)
                            return text.components(separatedBy: " leads, in term").count == round + 2
                        }
                    } catch {
                        // Its members are its own to stop: kill -9 would leave them behind.
                        up.signal(SIGINT)
                        try await up.waitForExit(within: 10)
                        throw error
                    }
                    if round == 0 {
                        #expect(try await swiftwater(cluster, client + ["set", "kept", "yes"]).status == 0)
                    } else {
                        #expect(try await swiftwater(cluster, client + ["get", "kept"]) == Said(status: 0, text: "yes\n"))
                    }
                    up.signal(SIGINT)
                    try await up.waitForExit(within: 10)
                    #expect(try await swiftwater(cluster, ["--endpoints", "127.0.0.1:\(base)", "--timeout", "300ms", "ping"]).status == 3)
                }
            }
        }
    }
}
