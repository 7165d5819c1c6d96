import Base
import Client
import Foundation
import Keyspace
import Testing
import Wire

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

        /// How many appends at least: a few here, as many as `SWIFTWATER_APPENDS` says in `scripts/exactly-once`.
        private static let appends = ProcessInfo.processInfo.environment["SWIFTWATER_APPENDS"].flatMap { Int($0) } ?? 3_000
        private static let (kills, losses) = (5, UInt64(20))
        private static let faulty = ["--enable-faults"]

        @Test("Appends are applied once each while answers between members are lost and members are killed", .timeLimit(.minutes(60)))
        func lostAnswers() async throws {
            try await TestCluster.run(more: Self.faulty) { cluster in
                let writers = Writers(count: 16, on: cluster)
                let work = Task { await writers.run() }
                // What was lost at members that have been killed since: they forget their count.
                var forgotten: UInt64 = 0
                var (kills, turn) = (0, 0)
                let stride = max(300, Self.appends / 40)
                var next = stride
                // However fast the machine is: until enough was appended, lost and killed.
                while writers.failures.now == [], !cluster.isGone {
                    if writers.done >= Self.appends, kills >= Self.kills,
                       await forgotten + Self.lost(in: cluster) > Self.losses { break }
                    await Self.loseOne(in: cluster, turn)
                    turn += 1
                    guard writers.done >= next else {
                        try await Task.sleep(for: .milliseconds(50))
                        continue
                    }
                    next = writers.done + stride
                    // The leader and another one in turn: they answer, pass on, or both.
                    let leader = try await cluster.waitForLeader()
                    let victim = kills % 2 == 0 ? leader : cluster.names.first { $0 != leader }!
                    forgotten += (try? await cluster.client(victim).faults().dropped) ?? 0
                    try await cluster[victim].killNow()
                    try cluster.start(victim, more: Self.faulty)
                    kills += 1
                }
                writers.stop()
                await work.value
                #expect(writers.failures.now == [])
                let lost = await forgotten + Self.lost(in: cluster)
                for name in cluster.names { try? await cluster.client(name).heal() }
                #expect(try await writers.wrong() == [])
                print("\(writers.done) appends through \(kills) kills and \(lost) lost messages between members, each of them once")
            }
        }

        /// Messages that the members that run have lost by order since they started.
        private static func lost(in cluster: TestCluster) async -> UInt64 {
            var lost: UInt64 = 0
            for name in cluster.names { lost += (try? await cluster.client(name).faults().dropped) ?? 0 }
            return lost
        }

        /// One member after the other keeps something to itself: the leader an answer to writes that were passed on to it, a
        /// follower an acknowledgement. No more than one at a time, or nothing would ever be committed.
        private static func loseOne(in cluster: TestCluster, _ turn: Int) async {
            let client = cluster.client(cluster.names[turn % cluster.names.count])
            // One that is just being killed loses more than that.
            guard let role = try? await client.status().role, (try? await client.faults().drops) == [] else { return }
            let kind: Wire.MessageKind = role == .leader ? .proposeResponse : .appendEntriesResponse
            try? await client.dropNext(Wire.Drop(kind: kind, count: 1))
        }

        /// Clients with sessions, each of which appends one number after the other to a key of its own.
        private final class Writers: Sendable {
            let failures = Locked<[String]>([])
            private let count: Int
            private let isStopped = Locked(false)
            private let cluster: TestCluster
            private let appended: Locked<[Int]>

            init(count: Int, on cluster: TestCluster) {
                self.count = count
                self.cluster = cluster
                appended = Locked(Array(repeating: 0, count: count))
            }

            var done: Int { appended.now.reduce(0, +) }

            func stop() { isStopped.withLock { $0 = true } }

            func run() async {
                await withTaskGroup(of: Void.self) { group in
                    for writer in 0..<count { group.addTask { await self.append(writer) } }
                }
            }

            private func append(_ writer: Int) async {
                do {
                    var options = ClientOptions(timeout: .seconds(60))
                    // A lost answer is noticed soon: it is what this is about.
                    options.writeAttempt = .milliseconds(250)
                    let shift = writer % cluster.names.count
                    let endpoints = try (cluster.endpoints[shift...] + cluster.endpoints[..<shift]).map { try Endpoint($0) }
                    let client = Client(endpoints: endpoints, options: options)
                    while !isStopped.now && !cluster.isGone {
                        let number = appended.now[writer] + 1
                        try await client.append(Bytes(utf8: "once-\(writer)"), Bytes(utf8: "\(number),"))
                        appended.withLock { $0[writer] = number }
                    }
                    await client.close()
                } catch { failures.withLock { $0.append("writer \(writer): \(error)") } }
            }

            /// The keys that do not hold each number once, in order, at every member.
            func wrong() async throws -> [String] {
                var wrong: [String] = []
                for name in cluster.names {
                    try await cluster.waitUntilCaughtUp(name, within: 60)
                    for writer in 0..<count {
                        let wanted = (0..<appended.now[writer]).map { "\($0 + 1)," }.joined()
                        let held = try await cluster.client(name).get("once-\(writer)", seconds: 20)
                        if held != wanted { wrong.append("once-\(writer) at \(name)") }
                    }
                }
                return wrong
            }
        }
    }
}
