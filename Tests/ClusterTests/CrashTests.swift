import Base
import Foundation
import Glibc
import Testing
import Wire

extension ClusterTests {
    /// Members that are killed, at any instant.
    @Suite(.serialized) struct CrashTests {
        /// How often; more than a handful is for measuring: `SWIFTWATER_ROUNDS=20 swift test --filter CrashTests`.
        static let rounds = ProcessInfo.processInfo.environment["SWIFTWATER_ROUNDS"].flatMap { Int($0) }

        @Test("kill -9 of the leader under load: the others go on, and nothing acknowledged is lost", .timeLimit(.minutes(5)))
        func leaderKilled() async throws {
            try await TestCluster.run { cluster in
                let load = WriteLoad("crash", on: cluster)
                var times: [Double] = []
                for _ in 0..<(Self.rounds ?? 5) {
                    try await load.waitForMore(200)
                    let leader = try await cluster.waitForLeader()
                    let moment = monotonicNanoseconds()
                    try await cluster[leader].killNow()
                    times.append(try await load.millisecondsToNextAcknowledgement(after: moment))
                    try cluster.start(leader)
                    try await cluster.waitUntilCaughtUp(leader)
                }
                let keys = await load.stop()
                #expect(try await WriteLoad.lost(keys, at: cluster.client("n1")) == [])
                times.sort()
                print("kill -9 of the leader, \(times.count) times: median \(Int(times[times.count / 2])) ms to the next acknowledged write, worst \(Int(times.last!)) ms; \(keys.count) writes kept")
                // The project asks for 1.5 s at worst on a quiet machine; a busy one gets a multiple.
                #expect(times.last! < 5_000)
            }
        }

        @Test("kill -9 of all members under load: every acknowledged write is there", .timeLimit(.minutes(5)))
        func allKilled() async throws {
            try await TestCluster.run { cluster in
                var kept: [String] = []
                for round in 0..<(Self.rounds ?? 3) {
                    let load = WriteLoad("all\(round)", on: cluster)
                    try await load.waitForMore(500)
                    try await cluster.killAll()
                    kept += await load.stop()
                    for name in cluster.names { try cluster.start(name) }
                    try await cluster.waitForLeader()
                    #expect(try await WriteLoad.lost(kept, at: cluster.client(cluster.names[round % 3])) == [])
                }
                print("kill -9 of all members: \(kept.count) acknowledged writes, all there")
            }
        }

        @Test("A leader that was frozen for longer than an election answers no stale reads", .timeLimit(.minutes(2)))
        func frozenLeader() async throws {
            try await TestCluster.run { cluster in
                for round in 0..<3 {
                    let old = try await cluster.waitForLeader()
                    try await cluster.client(old).set("color", "old \(round)")
                    let term = await cluster.newestTerm()
                    cluster[old].signal(SIGSTOP)
                    try await eventually("the others elect") {
                        await cluster.names.filter { $0 != old }.concurrentContains { name in
                            guard let status = try? await cluster.client(name).status() else { return false }
                            return status.role == .leader && status.term > term
                        }
                    }
                    let other = cluster.names.first { $0 != old }!
                    try await cluster.client(other).set("color", "new \(round)")
                    // These wait in the old leader's socket: when it wakes up it still believes that it leads.
                    let reads = (0..<20).map { _ in Task { try await cluster.client(old).get("color", seconds: 10) } }
                    try await Task.sleep(for: .milliseconds(50))
                    cluster[old].signal(SIGCONT)
                    for read in reads {
                        // An error is an honest answer; an old value is not.
                        if case .success(let value) = await read.result { #expect(value == "new \(round)") }
                    }
                    try await cluster.waitUntilCaughtUp(old)
                    #expect(try await cluster.client(old).get("color") == "new \(round)")
                }
            }
        }

        @Test("A follower that missed 100,000 entries catches up", .timeLimit(.minutes(5)))
        func laggingFollower() async throws {
            try await TestCluster.run { cluster in
                let leader = try await cluster.waitForLeader()
                let follower = cluster.names.first { $0 != leader }!
                try await cluster[follower].killNow()
                let before = try await cluster.client(leader).status().lastLogIndex
                let load = WriteLoad("lag", on: cluster, at: [leader], writers: 256)
                try await eventually("100,000 entries", within: 120) { load.acknowledged >= 100_000 }
                let keys = await load.stop()
                #expect(try await cluster.client(leader).status().lastLogIndex >= before.advanced(by: 100_000))
                let start = monotonicNanoseconds()
                try cluster.start(follower)
                try await cluster.waitUntilCaughtUp(follower, within: 60)
                print("a follower caught up with \(keys.count) entries in \((monotonicNanoseconds() - start) / 1_000_000) ms")
                for key in [keys[0], keys[keys.count / 2], keys[keys.count - 1]] {
                    #expect(try await cluster.client(follower).getLocal(key) == "v" + key)
                }
                // It now counts for the majority: with the third member gone, writes go on.
                let third = cluster.names.first { $0 != leader && $0 != follower }!
                try await cluster[third].killNow()
                try await cluster.client(leader).set("after", "x", seconds: 10)
            }
        }

        @Test("Without a majority nothing is acknowledged; local reads go on; with one again, so do writes", .timeLimit(.minutes(2)))
        func noMajority() async throws {
            try await TestCluster.run { cluster in
                let leader = try await cluster.waitForLeader()
                try await cluster.client(leader).set("color", "green")
                try await cluster.waitUntilCaughtUp("n1")
                try await cluster.waitUntilCaughtUp("n2")
                try await cluster.waitUntilCaughtUp("n3")
                let others = cluster.names.filter { $0 != leader }
                for name in others { try await cluster[name].killNow() }
                await #expect(throws: CallFailure.self) { try await cluster.client(leader).set("color", "red", seconds: 2) }
                await #expect(throws: CallFailure.self) { try await cluster.client(leader).get("color", seconds: 2) }
                #expect(try await cluster.client(leader).getLocal("color") == "green")
                for name in others { try cluster.start(name) }
                try await cluster.waitForLeader()
                // The write of unknown outcome may have been kept or not; what was acknowledged may not be lost.
                #expect(["green", "red"].contains(try await cluster.client(others[0]).get("color")))
            }
        }
    }
}

extension Collection where Self: Sendable, Element: Sendable {
    /// Whether any element meets the condition; all are asked at once.
    func concurrentContains(_ condition: @escaping @Sendable (Element) async -> Bool) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            for element in self { group.addTask { await condition(element) } }
            return await group.contains(true)
        }
    }
}
