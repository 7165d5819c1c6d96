import Foundation
import Glibc
import GRPC
import Testing

extension ClusterTests {
    /// Disks that are slow or fail, by way of strace.
    @Suite(.serialized) struct DiskTests {
        @Test("With every sync delayed by 50 ms no write is acknowledged sooner", .timeLimit(.minutes(3)))
        func slowSyncs() async throws {
            let slow = TestCluster.Tampering.slowSyncs(milliseconds: 50)
            try await TestCluster.run(tampering: ["n1": slow, "n2": slow, "n3": slow]) { cluster in
                let times = Locked<[UInt64]>([])
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (writer, name) in (cluster.names + cluster.names).enumerated() {
                        group.addTask {
                            for number in 0..<15 {
                                let start = monotonicNanoseconds()
                                try await cluster.client(name).set("slow-\(writer)-\(number)", "v", seconds: 20)
                                let took = monotonicNanoseconds() - start
                                times.withLock { $0.append(took) }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                let sorted = times.now.sorted()
                print("syncs delayed by 50 ms: fastest write \(sorted[0] / 1_000_000) ms, median \(sorted[sorted.count / 2] / 1_000_000) ms")
                #expect(sorted.count == 90)
                #expect(sorted[0] >= 50_000_000)
                for name in cluster.names {
                    let trace = try String(contentsOf: cluster.trace(of: name), encoding: .utf8)
                    #expect(trace.contains("(DELAYED)"), "strace delayed nothing at \(name): the test would prove nothing")
                }
            }
        }

        @Test("A member alone whose sync fails stops with 74, and what it acknowledged is there", .timeLimit(.minutes(2)))
        func failedSyncAlone() async throws {
            let cluster = try TestCluster(members: 1)
            try await cluster.withCleanUp {
                try cluster.start("n1", tampering: .failingSyncs(from: 60))
                let load = WriteLoad("alone", on: cluster, writers: 4)
                #expect(try await cluster["n1"].waitForExit(within: 60) == 74)
                let keys = await load.stop()
                #expect(load.attempts > keys.count, "every write succeeded although the disk failed")
                let trace = try String(contentsOf: cluster.trace(of: "n1"), encoding: .utf8)
                #expect(trace.contains("EIO") && trace.contains("(INJECTED)"))
                try cluster.start("n1")
                try await cluster.waitForLeader()
                #expect(try await WriteLoad.lost(keys, at: cluster.client("n1")) == [])
                print("a member alone with a failed sync: exit 74, \(keys.count) acknowledged writes, all there")
            }
        }

        @Test("A sync that fails stops that member with 74; the others go on and nothing is lost", .timeLimit(.minutes(3)))
        func failedSync() async throws {
            try await TestCluster.run(tampering: ["n1": .failingSyncs(from: 120)]) { cluster in
                let load = WriteLoad("eio", on: cluster)
                #expect(try await cluster["n1"].waitForExit(within: 60) == 74)
                try await load.waitForMore(300)
                try cluster.start("n1")
                try await cluster.waitUntilCaughtUp("n1")
                try await load.waitForMore(300)
                let keys = await load.stop()
                for name in cluster.names { #expect(try await WriteLoad.lost(keys, at: cluster.client(name)) == []) }
            }
        }

        @Test("On a full disk writes are refused and reads answered, and it ends by itself when space returns", .timeLimit(.minutes(2)))
        func fullDisk() async throws {
            let cluster = try TestCluster(members: 1)
            try await cluster.withCleanUp {
                // The first start makes its segments; later ones get no space for a while.
                try cluster.start("n1")
                try await cluster.waitForLeader()
                try await cluster["n1"].killNow()
                try cluster.start("n1", tampering: .fullDisk(attempts: 5))
                try await cluster.waitForLeader()
                let client = cluster.client("n1")
                let value = String(repeating: "x", count: 256 * 1024)
                var kept: [String] = []
                var refusal: CallFailure?
                while refusal == nil, kept.count < 1_000 {
                    let key = "full-\(kept.count)"
                    do {
                        try await client.set(key, value + key)
                        kept.append(key)
                    } catch let failure as CallFailure {
                        refusal = failure
                    }
                }
                #expect(refusal?.status.code == .resourceExhausted, "\(refusal.map { "\($0)" } ?? "never refused")")
                #expect(kept.count >= 7, "a segment of 2 MiB was there, and a spare: \(kept.count) writes of 256 KiB")
                #expect(try await client.get("full-0") == value + "full-0")
                try await eventually("space is found again", within: 30) {
                    (try? await client.set("after", "x")) != nil
                }
                #expect(try await WriteLoad.lost(kept, value: value, at: client) == [])
                let trace = try String(contentsOf: cluster.trace(of: "n1"), encoding: .utf8)
                #expect(trace.contains("ENOSPC"))
            }
        }
    }
}
