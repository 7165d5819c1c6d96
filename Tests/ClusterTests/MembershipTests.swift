import Base
import Client
import Consensus
import Foundation
import GRPC
import Testing
import Wire

extension ClusterTests {
    /// Members that come and go.
    @Suite(.serialized) struct MembershipTests {
        @Test("3 to 5 to 3 under load: every original member goes, the leader included, and nothing is lost", .timeLimit(.minutes(5)))
        func growAndShrink() async throws {
            try await TestCluster.run(newcomers: 3) { cluster in
                let load = WriteLoad("member", on: cluster)
                try await load.waitForMore(300)
                for (name, other) in [("n4", "n1"), ("n5", "n4")] {
                    try cluster.start(name, join: other)
                    try await cluster.waitForVoters(containing: [name])
                    try await load.waitForMore(200)
                }
                try await cluster.waitForVoters(["n1", "n2", "n3", "n4", "n5"])
                let leader = try await cluster.waitForLeader()
                let second = cluster.names.first { $0 != leader && $0 < "n4" }!
                try await cluster.withClient { client in
                    for name in [leader, second] {
                        let removed = try await client.removeServer(name: name)
                        #expect(removed.status == .ok)
                        try await load.waitForMore(200)
                    }
                }
                for name in [leader, second] {
                    try await eventually("\(name) knows that it was removed") { try await cluster.client(name).status().isRemoved }
                    #expect(cluster.logText(of: name).contains("this member was removed from its cluster"))
                }
                // It campaigns no more: nobody's term moves because of it.
                let term = await cluster.newestTerm()
                try await load.waitForMore(500)
                #expect(await cluster.newestTerm() == term)

                // The last of the first three loses its disk.
                let lost = ["n1", "n2", "n3"].first { $0 != leader && $0 != second }!
                try await cluster[lost].killNow()
                try FileManager.default.removeItem(at: cluster.data(of: lost))
                try cluster.start("n6", join: "n4")
                try await cluster.withClient { client in
                    let replaced = try await client.replaceServer(name: lost, address: cluster.endpoint(of: "n6"))
                    #expect(replaced.status == .ok)
                }
                try await cluster.waitForVoters(["n4", "n5", "n6"])
                try await load.waitForMore(200)
                let keys = await load.stop()
                for name in ["n4", "n5", "n6"] { #expect(try await WriteLoad.lost(keys, at: cluster.client(name)) == []) }
                print("3 to 5 to 3: \(keys.count) acknowledged writes, all there")
            }
        }

        @Test("A new member catches up from a snapshot while writes go on", .timeLimit(.minutes(5)))
        func newMemberFromSnapshot() async throws {
            try await TestCluster.run(newcomers: 1, more: SnapshotTests.often) { cluster in
                let load = OverwriteLoad(on: cluster, keysEach: 40, valueBytes: 16 << 10)
                let leader = try await cluster.waitForLeader()
                try await eventually("the log begins behind a snapshot", within: 120) {
                    try await cluster.client(leader).status().firstLogIndex > 1
                }
                try cluster.start("n4", join: leader, more: SnapshotTests.often)
                try await cluster.waitForVoters(["n1", "n2", "n3", "n4"])
                await load.stop()
                try await cluster.waitUntilCaughtUp("n4")
                #expect(cluster.logText(of: "n4").contains("a snapshot from the leader is installed"))
                #expect(try await load.wrong(at: cluster.client("n4"), isLocal: true) == [])
                // What it has is on its disk.
                try await cluster["n4"].killNow()
                try cluster.start("n4", join: leader, more: SnapshotTests.often)
                try await cluster.waitUntilCaughtUp("n4")
                #expect(try await load.wrong(at: cluster.client("n4"), isLocal: true) == [])
            }
        }

        @Test("A learner receives everything and does not vote, until it is asked to", .timeLimit(.minutes(2)))
        func learner() async throws {
            try await TestCluster.run(members: 1, newcomers: 1) { cluster in
                try cluster.start("n2", join: "n1", more: ["--learner"])
                try await eventually("n2 is a learner") {
                    try await cluster.client("n1").status().members.contains { $0.name == "n2" && $0.standing == .learner }
                }
                try await cluster.client("n1").set("color", "green")
                try await eventually("n2 has it") { try await cluster.client("n2").getLocal("color") == "green" }
                #expect(try await cluster.client("n2").status().role == .learner)
                // A write through it, too.
                try await cluster.client("n2").set("color", "red")
                // The majority is still one.
                try await cluster["n2"].killNow()
                try await cluster.client("n1").set("color", "blue")
                try cluster.start("n2", join: "n1", more: ["--learner"])
                try await cluster.waitUntilCaughtUp("n2")
                try await cluster.withClient { client in
                    let added = try await client.addServer(name: "n2", address: cluster.endpoint(of: "n2"))
                    #expect(added.status == .ok)
                }
                try await cluster.waitForVoters(["n1", "n2"])
            }
        }

        @Test("A member may come back with another address", .timeLimit(.minutes(2)))
        func moved() async throws {
            try await TestCluster.run(newcomers: 1) { cluster in
                let leader = try await cluster.waitForLeader()
                let moving = cluster.names.first { $0 != leader }!
                let third = cluster.names.prefix(3).first { $0 != leader && $0 != moving }!
                try await cluster[moving].killNow()
                let address = cluster.endpoint(of: "n4")
                try cluster.start(moving, join: leader, more: ["--listen", address, "--advertise", address])
                try await eventually("the cluster knows where it is") {
                    try await cluster.client(leader).status().members.contains { $0.name == moving && $0.address == address }
                }
                try await cluster[third].killNow()
                try await cluster.client(leader).set("color", "green", seconds: 10)
            }
        }

        @Test("What cannot be done is refused, with a reason, and changes nothing", .timeLimit(.minutes(2)))
        func refusals() async throws {
            try await TestCluster.run(newcomers: 2) { cluster in
                try await cluster.withClient(of: ["n1", "n2", "n3"]) { client in
                    @Sendable func reason(_ change: () async throws -> Wire.ChangeResponse) async -> String {
                        do { return "\(try await change().status)" } catch { return "\(error)" }
                    }
                    let before = try await client.status().members
                    let n4 = cluster.endpoint(of: "n4")
                    let reason1 = await reason { try await client.addServer(name: "n4", address: n4) }
                    #expect(reason1.contains("start it first"))
                    let reason2 = await reason { try await client.removeServer(name: "n9") }
                    #expect(reason2.contains("no member is called n9"))
                    // One that began a cluster of its own.
                    try cluster.start("n4", more: ["--initial-cluster", "n4=\(n4)"])
                    try await eventually("n4 leads itself") { try await cluster.client("n4").status().role == .leader }
                    let reason3 = await reason { try await client.addServer(name: "n4", address: n4) }
                    #expect(reason3.contains("belongs to cluster"))
                    let n2 = cluster.endpoint(of: "n2")
                    let reason4 = await reason { try await client.addServer(name: "n8", address: n2) }
                    #expect(reason4.contains("is called 'n2'"))
                    let after = try await client.status().members
                    #expect(after == before)
                }
                // A wiped disk under its old name: not even as a newcomer.
                let follower = ["n1", "n2", "n3"].first { [leader = try await cluster.waitForLeader()] in $0 != leader }!
                try await cluster[follower].killNow()
                try FileManager.default.removeItem(at: cluster.data(of: follower))
                try cluster.start(follower, join: ["n1", "n2", "n3"].first { $0 != follower }!)
                #expect(try await cluster[follower].waitForExit() == 65)
                #expect(cluster.logText(of: follower).contains("replace-server \(follower)"))
            }
        }
    }
}

extension TestCluster {
    /// A client that knows all members, for as long as `body` runs.
    func withClient(of names: [String]? = nil, _ body: (Client) async throws -> Void) async throws {
        let client = Client(endpoints: try (names ?? self.names).map { try Endpoint(endpoint(of: $0)) }, options: ClientOptions(timeout: .seconds(20)))
        do { try await body(client) } catch {
            await client.close()
            throw error
        }
        await client.close()
    }

    /// Waits until a leader has committed a configuration with these voters, and no other members.
    func waitForVoters(_ wanted: [String] = [], containing some: [String] = [], within seconds: Double = 60) async throws {
        try await eventually("the voters are \(wanted)\(some)", within: seconds) {
            let leaders = await self.statuses().values.filter { $0.role == .leader }
            guard let newest = leaders.max(by: { $0.term < $1.term }) else { return false }
            let voters = newest.members.filter(\.isVoter).map(\.name)
            return wanted.isEmpty ? some.allSatisfy(voters.contains) : newest.members.map(\.name).sorted() == wanted && voters.count == wanted.count
        }
    }
}
