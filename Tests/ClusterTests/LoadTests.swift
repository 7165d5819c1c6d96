import Base
import Foundation
import Testing
import Wire

extension ClusterTests {
    /// Full load, by the load generator that people use. `SWIFTWATER_SECONDS=120` makes it a measurement.
    @Suite(.serialized) struct LoadTests {
        static let seconds = ProcessInfo.processInfo.environment["SWIFTWATER_SECONDS"].flatMap { Int($0) } ?? 5

        struct Report: Decodable {
            var connected: Int
            var ops_per_second: Double
            var errors: Int
            var errors_by_kind: [String: Int]
        }

        func bench(_ cluster: TestCluster, clients: Int, inflight: Int) async throws -> Report {
            let log = cluster.directory.appendingPathComponent("bench-\(clients)")
            let process = try MemberProcess(
                [TestCluster.binaries.appendingPathComponent("swiftwater").path, "--endpoints", cluster.endpoints.joined(separator: ","),
                 "--output", "json", "bench", "--clients", "\(clients)", "--inflight", "\(inflight)", "--keys", "1000", "--reads", "0.5",
                 "--seconds", "\(Self.seconds)"], log: log.path)
            let status = try await process.waitForExit(within: Double(Self.seconds) + 60)
            let text = try String(contentsOf: log, encoding: .utf8)
            #expect(status == 0, "\(text)")
            // The report is the last line.
            return try JSONDecoder().decode(Report.self, from: Data((text.split(separator: "\n").last ?? "").utf8))
        }

        @Test("Full load moves no term: nobody takes a busy leader for a dead one", .timeLimit(.minutes(10)))
        func noElection() async throws {
            try await TestCluster.run { cluster in
                let before = await cluster.newestTerm()
                let report = try await bench(cluster, clients: 100, inflight: 10)
                #expect(await cluster.newestTerm() == before)
                #expect(report.errors == 0, "\(report.errors_by_kind)")
                print("full load for \(Self.seconds) s: \(Int(report.ops_per_second)) operations a second, term \(before.rawValue) before and after")
            }
        }

        @Test("A thousand connections are served without an error, in bounded memory", .timeLimit(.minutes(10)))
        func thousandConnections() async throws {
            try await TestCluster.run { cluster in
                let report = try await bench(cluster, clients: 1000, inflight: 1)
                #expect(report.connected == 1000)
                #expect(report.errors == 0, "\(report.errors_by_kind)")
                let memory = cluster.names.map { cluster[$0].residentBytes >> 20 }
                print("1,000 connections for \(Self.seconds) s: \(Int(report.ops_per_second)) operations a second; members hold \(memory) MiB")
                #expect(memory.max()! < 1024)
            }
        }
    }
}
