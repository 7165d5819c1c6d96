import Base
import Client
import Foundation
import Keyspace
import Testing

extension ClusterTests {
    /// Clients that send a write again when its answer is lost.
    @Suite(.serialized) struct ExactlyOnceTests {
        @Test("Appends whose leaders are killed under them are applied once each, in order", .timeLimit(.minutes(5)))
        func kills() async throws {
            try await TestCluster.run { cluster in
                let isStopped = Locked(false)
                let appended = Locked<[Int]>(Array(repeating: 0, count: 8))
                let failures = Locked<[String]>([])
                let writers = Task {
                    await withTaskGroup(of: Void.self) { group in
                        for writer in 0..<8 {
                            group.addTask {
                                do {
                                    try await cluster.withClient { client in
                                        while !isStopped.now && !cluster.isGone {
                                            let number = appended.now[writer] + 1
                                            try await client.append(Bytes(utf8: "log-\(writer)"), Bytes(utf8: "\(number),"))
                                            appended.withLock { $0[writer] = number }
                                        }
                                    }
                                } catch { failures.withLock { $0.append("writer \(writer): \(error)") } }
                            }
                        }
                    }
                }
                for _ in 0..<6 {
                    let before = appended.now.reduce(0, +)
                    try await eventually("200 more appends") { appended.now.reduce(0, +) >= before + 200 }
                    let leader = try await cluster.waitForLeader()
                    try await cluster[leader].killNow()
                    try cluster.start(leader)
                }
                let before = appended.now.reduce(0, +)
                try await eventually("200 more appends") { appended.now.reduce(0, +) >= before + 200 }
                isStopped.withLock { $0 = true }
                await writers.value
                #expect(failures.now == [])
                for writer in 0..<8 {
                    let wanted = (1...appended.now[writer]).map { "\($0)," }.joined()
                    #expect(try await cluster.client("n1").get("log-\(writer)", seconds: 20) == wanted)
                }
                print("\(appended.now.reduce(0, +)) appends through 6 kills of the leader, each of them once")
            }
        }
    }
}
