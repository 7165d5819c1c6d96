import Base
import Foundation
import Testing
import Wire

extension ClusterTests {
    /// Logs that are cut behind snapshots, and members that need one.
    @Suite(.serialized) struct SnapshotTests {
        static let often = ["--snapshot-after", "4MiB"]

        @Test("Logs do not grow for ever, and kill -9 around snapshots loses nothing", .timeLimit(.minutes(5)))
        func compaction() async throws {
            try await TestCluster.run(more: Self.often) { cluster in
                let load = OverwriteLoad(on: cluster, valueBytes: 16 << 10)
                var starts: Set<Index> = []
                // 32 MiB of the log stay for followers a little behind; each round writes more than 48.
                for round in 0..<4 {
                    try await load.waitForMore(3_000)
                    let victim = cluster.names[round % 3]
                    try await cluster[victim].killNow()
                    try cluster.start(victim, more: Self.often)
                    try await cluster.waitUntilCaughtUp(victim, within: 60)
                    starts.insert(try await cluster.client(victim).status().firstLogIndex)
                }
                try await cluster.killAll()
                await load.stop()
                for name in cluster.names { try cluster.start(name, more: Self.often) }
                try await cluster.waitForLeader()
                for name in cluster.names { try await cluster.waitUntilCaughtUp(name) }
                #expect(starts.count > 2, "\(starts)")
                for name in cluster.names {
                    #expect(try await load.wrong(at: cluster.client(name)) == [])
                    #expect(try await cluster.client(name).status().firstLogIndex > 1_000)
                    let megabytes = try cluster.dataBytes(of: name) >> 20
                    print("\(name): \(load.count) overwrites of 16 KiB, \(megabytes) MiB on the disk")
                    // Written: some 190 MiB. Kept: two segments of log, the one before, the next, a snapshot and a draft.
                    #expect(megabytes <= 96)
                }
            }
        }

        @Test("A member that was away for too long gets a snapshot while writes go on, also when it is killed meanwhile", .timeLimit(.minutes(5)))
        func installation() async throws {
            try await TestCluster.run(more: Self.often) { cluster in
                let leader = try await cluster.waitForLeader()
                let away = cluster.names.first { $0 != leader }!
                let load = OverwriteLoad(on: cluster, keysEach: 40, valueBytes: 16 << 10)
                try await load.waitForMore(500)
                try await cluster[away].killNow()
                let last = try await cluster.client(leader).status().lastLogIndex
                try await eventually("the log is cut behind what \(away) has", within: 120) {
                    try await cluster.client(leader).status().firstLogIndex > last.next
                }
                for _ in 0..<3 {
                    try cluster.start(away, more: Self.often)
                    try await eventually("\(away) is being sent a snapshot") {
                        try cluster.files(of: away).contains { $0.hasPrefix("snapshot-") && $0.hasSuffix(".new") }
                            || cluster.logText(of: away).contains("a snapshot from the leader is installed")
                    }
                    try await cluster[away].killNow()
                }
                try cluster.start(away, more: Self.often)
                try await cluster.waitUntilCaughtUp(away, within: 60)
                await load.stop()
                try await cluster.waitUntilCaughtUp(away)
                #expect(cluster.logText(of: away).contains("a snapshot from the leader is installed"))
                #expect(try await load.wrong(at: cluster.client(away), isLocal: true) == [])
                // It counts for the majority again.
                let third = cluster.names.first { $0 != leader && $0 != away }!
                try await cluster[third].killNow()
                try await cluster.client(leader).set("after", "x", seconds: 10)
            }
        }
    }
}

extension TestCluster {
    func files(of name: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: data(of: name).path)
    }

    /// What its data directory takes on the disk.
    func dataBytes(of name: String) throws -> Int {
        try files(of: name).reduce(0) { sum, file in
            let attributes = try FileManager.default.attributesOfItem(atPath: data(of: name).appendingPathComponent(file).path)
            return sum + ((attributes[.size] as? Int) ?? 0)
        }
    }

    func logText(of name: String) -> String { (try? String(contentsOf: log(of: name), encoding: .utf8)) ?? "" }
}
