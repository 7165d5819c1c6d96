import Base
import Client
import Consensus
import Foundation
import Keyspace
import Testing
import Wire

extension ClusterTests {
    /// Backups of a cluster that is written to, and clusters made of them.
    @Suite(.serialized) struct BackupTests {
        /// What `waitForLeader` sets, at any time.
        private static let probe: Bytes = "leader"

        /// What the log of `cluster` makes of the keys up to `index`. All of its entries are sets.
        private func keys(of cluster: TestCluster, through index: UInt64) async throws -> [Bytes: Value] {
            let keys = Locked<[Bytes: Value]>([:])
            try await cluster.withClient { client in
                _ = try await client.eachLogRecord(limit: index) { records in
                    for record in records where record.index.rawValue <= index {
                        guard case .single(.set(let key, let value))? = record.command else { continue }
                        keys.withLock { $0[key] = value }
                    }
                    return true
                }
            }
            return keys.now.filter { $0.key != Self.probe }
        }

        private func keys(of cluster: TestCluster) async throws -> [Bytes: Value] {
            let keys = Locked<[Bytes: Value]>([:])
            try await cluster.withClient { client in
                let names = Locked<[Bytes]>([])
                try await client.eachKey { names in
                    for name in names { keys.withLock { $0[name] = .data("") } }
                    return true
                }
                names.withLock { $0 = Array(keys.now.keys) }
                for name in names.now {
                    guard let value = try await client.get(name).value else { continue }
                    keys.withLock { $0[name] = value }
                }
            }
            return keys.now.filter { $0.key != Self.probe }
        }

        @Test("A backup under writes, restored into a fresh cluster, is equal key by key as of its entry", .timeLimit(.minutes(5)))
        func underWrites() async throws {
            try await TestCluster.run { cluster in
                let load = WriteLoad("w", on: cluster, value: String(repeating: "v", count: 300))
                try await load.waitForMore(2_000)
                let file = cluster.directory.appendingPathComponent("backup").path
                let leader = try await cluster.waitForLeader()
                let asked = cluster.names.first { $0 != leader }!
                let acknowledged = load.acknowledged
                let commands = CommandLineTests()
                let said = try await commands.swiftwater(
                    cluster, ["--endpoints", cluster.endpoint(of: asked), "--output", "json", "backup", file])
                #expect(said.status == 0, "\(said.text)")
                let summary = try #require(try JSONSerialization.jsonObject(with: Data(said.text.utf8)) as? [String: Any])
                try await load.waitForMore(500)
                _ = await load.stop()
                let index = try #require(summary["index"] as? Int)
                let backedUp = UInt64(try #require(summary["revision"] as? Int))
                let expected = try await keys(of: cluster, through: UInt64(index))
                #expect(expected.count + 1 == summary["keys"] as? Int && expected.count >= acknowledged)

                let fresh = try TestCluster(members: 1, newcomers: 1)
                try await fresh.withCleanUp {
                    let restore = ["restore", file, "--data-dir", fresh.data(of: "n1").path, "--advertise", fresh.endpoint(of: "n1")]
                    #expect(try await commands.swiftwater(fresh, restore).status == 0)
                    #expect(try await commands.swiftwater(fresh, restore).status == 64, "the directory is there now")
                    try fresh.start("n1")
                    try await eventually("n1 serves what was restored") {
                        (try? await fresh.client("n1").status().revision) == backedUp
                    }
                    try await fresh.waitForLeader()
                    try fresh.start("n2", join: "n1")
                    try await eventually("n2 has joined") {
                        try await fresh.client("n1").status().members.count { $0.isVoter } == 2
                    }
                    #expect(try await keys(of: fresh) == expected)
                    // It is a cluster: it takes writes, both have them, and a restart changes nothing.
                    try await fresh.client("n2").set("new", "yes")
                    try await fresh.killAll()
                    try fresh.start("n1")
                    try fresh.start("n2", join: "n1")
                    try await fresh.waitForLeader()
                    var grown = expected
                    grown["new"] = .data("yes")
                    #expect(try await keys(of: fresh) == grown)
                    print("\(expected.count) keys as of entry \(index), while \(load.acknowledged) writes were acknowledged")
                }
            }
        }

        @Test("A backup that was cut or altered is refused by name and offset, and leaves no directory", .timeLimit(.minutes(2)))
        func damaged() async throws {
            try await TestCluster.run(members: 1) { cluster in
                let load = WriteLoad("w", on: cluster, value: String(repeating: "v", count: 300))
                try await load.waitForMore(1_000)
                _ = await load.stop()
                let file = cluster.directory.appendingPathComponent("backup")
                let commands = CommandLineTests()
                #expect(try await commands.swiftwater(cluster, ["--endpoints", cluster.endpoints[0], "backup", file.path]).status == 0)
                let whole = try Data(contentsOf: file)
                let target = cluster.directory.appendingPathComponent("restored").path
                for (place, isCut) in [(0, true), (100, true), (whole.count - 1, true), (10, false), (5_000, false), (whole.count - 5, false)] {
                    var bytes = whole
                    if isCut { bytes = bytes.prefix(place) } else { bytes[place] ^= 1 }
                    try bytes.write(to: file)
                    let said = try await commands.swiftwater(cluster, ["restore", file.path, "--data-dir", target])
                    #expect(said.status == 65 && said.text.contains("\(file.path): ") && said.text.contains("at byte "), "\(said.text)")
                    #expect(!FileManager.default.fileExists(atPath: target))
                    #expect(try await commands.swiftwater(cluster, ["inspect", file.path]).status == 65)
                }
            }
        }
    }
}
