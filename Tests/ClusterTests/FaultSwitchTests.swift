import Base
import Foundation
import GRPC
import Testing
import Wire

extension ClusterTests {
    /// The fault switch (proto/swiftwater/v1/fault.proto), over real sockets between real processes.
    @Suite(.serialized) struct FaultSwitchTests {
        /// Patient enough that nobody campaigns because the machine is busy.
        static let enabled = ["--enable-faults", "--election-timeout", "1s"]

        @Test("A member that was not started for it knows no Fault service", .timeLimit(.minutes(1)))
        func off() async throws {
            try await TestCluster.run(members: 1) { cluster in
                let client = cluster.client("n1")
                for path in Wire.Path.faults {
                    let failure = await #expect(throws: CallFailure.self) { try await client.callEmpty(path) }
                    #expect(failure?.status.code == .unimplemented, "\(path)")
                }
                let knowsFault = try await client.reflected("Fault")
                let knowsCluster = try await client.reflected("Cluster")
                #expect(!knowsFault && knowsCluster)
            }
            try await TestCluster.run(members: 1, more: Self.enabled) { cluster in
                let client = cluster.client("n1")
                let state = try await client.faults()
                #expect(state == Wire.FaultState())
                #expect(try await client.reflected("Fault"))
                #expect(try String(contentsOf: cluster.log(of: "n1"), encoding: .utf8).contains("FAULTS ARE ENABLED"))
            }
        }

        @Test("A leader that is cut off can write nothing and steps down; the others elect; healed, all agree", .timeLimit(.minutes(2)))
        func partition() async throws {
            try await TestCluster.run(members: 3, more: Self.enabled) { cluster in
                let old = try await cluster.waitForLeader()
                try await cluster.client(old).set("color", "green")
                let term = await cluster.newestTerm()
                // Told to the one alone: it drops both ways.
                let others = cluster.names.filter { $0 != old }
                try await cluster.client(old).cut(others)
                await #expect(throws: CallFailure.self) { try await cluster.client(old).set("color", "lost", seconds: 2) }
                let new = try await cluster.waitForLeader(except: [old])
                try await cluster.client(new).set("color", "red")
                try await eventually("the old leader steps down") {
                    try await cluster.client(old).status().role != .leader
                }
                #expect(try await cluster.client(old).getLocal("color") == "green")
                // Pre-vote: nobody alone raises its term (9.6).
                #expect(try await cluster.client(old).status().term == term)
                #expect(try await cluster.client(old).faults().dropped > 0)
                // As long as a keepalive takes, and longer: the connection breaks, and is not made again.
                try await eventually("the connection is found dead") {
                    try String(contentsOf: cluster.log(of: old), encoding: .utf8).contains("does not greet: no answer")
                }
                let healed = await cluster.newestTerm()
                try await cluster.client(old).heal()
                try await eventually("the healed member has the newest value") {
                    try await cluster.client(old).getLocal("color") == "red"
                }
                #expect(await cluster.newestTerm() == healed)
                #expect(try await cluster.client(old).faults().links == [])
            }
        }

        @Test("A cut in one direction drops that direction alone", .timeLimit(.minutes(2)))
        func oneWay() async throws {
            try await TestCluster.run(members: 3, more: Self.enabled) { cluster in
                let leader = try await cluster.waitForLeader()
                let follower = cluster.names.first { $0 != leader }!
                try await cluster.client(leader).set("color", "green")
                try await eventually("the follower follows") {
                    try await cluster.client(follower).getLocal("color") == "green"
                }
                // It hears the leader, and its answers are lost: so it stays a follower, for longer than any election timeout.
                let term = await cluster.newestTerm()
                try await cluster.client(follower).setLinks([Wire.Link(peer: leader, dropsTo: true)])
                try await eventually("the answers to sixty heartbeats, three seconds of them, are lost") {
                    try await cluster.client(follower).faults().dropped >= 60
                }
                let status = try await cluster.client(follower).status()
                #expect(status.role == .follower && status.leader == leader && status.term == term)
                #expect(try await cluster.client(leader).faults().dropped == 0)
                await #expect(throws: CallFailure.self) { try await cluster.client(follower).set("color", "red", seconds: 1) }
                try await cluster.client(follower).setLinks([Wire.Link(peer: leader, dropsFrom: true)])
                try await cluster.client(leader).set("color", "blue")
                // Messages come, and are not heard: this write among them, until it is healed.
                let dropped = try await cluster.client(follower).faults().dropped
                try await eventually("some more are dropped") {
                    try await cluster.client(follower).faults().dropped > dropped + 5
                }
                #expect(try await cluster.client(follower).getLocal("color") == "green")
                try await cluster.client(follower).heal()
                try await eventually("the follower follows again") {
                    try await cluster.client(follower).getLocal("color") == "blue"
                }
            }
        }

        @Test("A write that is lost on its way to the leader, or its answer on the way back, ends as unknown, and not never", .timeLimit(.minutes(2)))
        func lostForwards() async throws {
            try await TestCluster.run(members: 3, more: Self.enabled) { cluster in
                let leader = try await cluster.waitForLeader()
                let follower = cluster.names.first { $0 != leader }!
                let term = await cluster.newestTerm()
                func isUnknown(_ key: String) async throws {
                    // The client would wait for longer than the connection takes to be found dead.
                    let failure = await #expect(throws: CallFailure.self) {
                        try await cluster.client(follower).set(key, "x", seconds: 30)
                    }
                    #expect(failure?.status.code == .unknown && failure?.notApplied == false, "\(key)")
                }
                try await cluster.client(follower).dropNext(Wire.Drop(kind: .propose, peer: leader))
                try await isUnknown("not sent")
                try await cluster.client(leader).setLinks([Wire.Link(peer: follower, dropsFrom: true)])
                try await isUnknown("not heard")
                try await cluster.client(leader).heal()
                try await cluster.client(leader).dropNext(Wire.Drop(kind: .proposeResponse, peer: follower))
                try await isUnknown("not answered")
                #expect(try await cluster.client(leader).get("not sent") == nil)
                #expect(try await cluster.client(leader).get("not heard") == nil)
                #expect(try await cluster.client(leader).get("not answered") == "x")
                try await cluster.client(follower).set("after", "x")
                #expect(await cluster.newestTerm() == term)
            }
        }

        @Test("A leader that hands over still answers what was passed on to it", .timeLimit(.minutes(2)))
        func answersOfALeaderThatWas() async throws {
            // So long it may be silent, and owe answers: much longer than these are on their way.
            try await TestCluster.run(members: 3, more: ["--enable-faults", "--election-timeout", "2s"]) { cluster in
                let leader = try await cluster.waitForLeader()
                let (follower, next) = (cluster.names.first { $0 != leader }!, cluster.names.last { $0 != leader }!)
                let before = try await cluster.client(leader).status()
                try await cluster.client(leader).setLinks([Wire.Link(peer: follower, delayMs: 800)])
                async let write = cluster.client(follower).set("color", "green", seconds: 20)
                try await eventually("the write is committed") {
                    try await cluster.client(leader).status().commitIndex > before.commitIndex
                }
                try await cluster.client(leader).handOver(to: next)
                // It hears of the new term by a way that is not slow, and long before the answer.
                try await eventually("the follower is in a newer term") {
                    try await cluster.client(follower).status().term > before.term
                }
                _ = try await write
                #expect(try await cluster.client(next).get("color") == "green")
            }
        }

        @Test("Delays delay, in order; dropped messages are sent again", .timeLimit(.minutes(2)))
        func delaysAndDrops() async throws {
            try await TestCluster.run(members: 3, more: Self.enabled) { cluster in
                let leader = try await cluster.waitForLeader()
                let others = cluster.names.filter { $0 != leader }
                try await cluster.client(leader).setLinks(others.map { Wire.Link(peer: $0, delayMs: 150) })
                for round in 0..<3 {
                    let start = monotonicNanoseconds()
                    try await cluster.client(leader).set("color", "\(round)")
                    #expect(monotonicNanoseconds() - start >= 150_000_000)
                }
                try await cluster.client(leader).heal()
                for kind in [Wire.MessageKind.appendEntries, .heartbeat] {
                    try await cluster.client(leader).dropNext(Wire.Drop(kind: kind, count: 3))
                }
                for other in others { try await cluster.client(other).dropNext(Wire.Drop(kind: .appendEntriesResponse, peer: leader)) }
                try await cluster.client(leader).set("color", "after")
                try await eventually("all orders are used up") {
                    for name in cluster.names where try await !cluster.client(name).faults().drops.isEmpty { return false }
                    return true
                }
                #expect(try await cluster.client(leader).faults().dropped == 6)
                try await cluster.client(leader).set("color", "last")
                for name in cluster.names { #expect(try await cluster.client(name).get("color") == "last") }
            }
        }

        @Test("An election timer runs out when it is told to", .timeLimit(.minutes(1)))
        func timer() async throws {
            try await TestCluster.run(members: 1, more: Self.enabled) { cluster in
                let failure = await #expect(throws: CallFailure.self) { try await cluster.client("n1").expireElectionTimer() }
                #expect(failure?.status.code == .failedPrecondition)
            }
            try await TestCluster.run(members: 3, more: ["--enable-faults", "--election-timeout", "4s"]) { cluster in
                let leader = try await cluster.waitForLeader()
                let follower = cluster.names.first { $0 != leader }!
                let term = await cluster.newestTerm()
                try await cluster[leader].killNow()
                let start = monotonicNanoseconds()
                try await cluster.client(follower).expireElectionTimer()
                let log = cluster.log(of: follower)
                try await eventually("the follower asks for votes") {
                    try String(contentsOf: log, encoding: .utf8).contains("asking whether an election could be won")
                }
                // By itself it would not have asked yet.
                #expect(monotonicNanoseconds() - start < 4_000_000_000)
                // Both have promised the leader that they heard their silence, and keep it (6.4.1): then an order is enough.
                try await eventually("somebody is elected") {
                    if try await cluster.client(follower).status().term > term { return true }
                    try await cluster.client(follower).expireElectionTimer()
                    return false
                }
            }
        }

        @Test("What makes no sense is refused, and changes nothing", .timeLimit(.minutes(1)))
        func refused() async throws {
            try await TestCluster.run(members: 3, more: Self.enabled) { cluster in
                let client = cluster.client("n1")
                for links in [
                    [], [Wire.Link(peer: "n9", dropsTo: true)], [Wire.Link(peer: "n1", dropsTo: true)],
                    [Wire.Link(peer: "n2", delayMs: 60_001)], [Wire.Link(peer: "n2"), Wire.Link(peer: "n2", dropsTo: true)],
                    [Wire.Link(peer: "n2", dropsTo: true), Wire.Link(peer: "n9")],
                ] {
                    let failure = await #expect(throws: CallFailure.self) { try await client.setLinks(links) }
                    #expect(failure?.status.code == .invalidArgument, "\(links)")
                }
                let drop = await #expect(throws: CallFailure.self) {
                    try await client.dropNext(Wire.Drop(kind: .propose, peer: "n9"))
                }
                #expect(drop?.status.code == .invalidArgument)
                for _ in 0..<64 { try await client.dropNext(Wire.Drop(kind: .installSnapshot)) }
                let full = await #expect(throws: CallFailure.self) {
                    try await client.dropNext(Wire.Drop(kind: .installSnapshot))
                }
                #expect(full?.status.code == .resourceExhausted)
                try await client.heal()
                #expect(try await client.faults() == Wire.FaultState())
            }
        }
    }
}

extension TestClient {
    func setLinks(_ links: [Wire.Link]) async throws {
        _ = try await call(Wire.Path.faultSetLinks, 5, { $0.encodeSetLinks(links) }) { try $0.decodeFaultState($1) }
    }

    func cut(_ peers: [String]) async throws {
        try await setLinks(peers.map { Wire.Link(peer: $0, dropsTo: true, dropsFrom: true) })
    }

    func dropNext(_ drop: Wire.Drop) async throws {
        _ = try await call(Wire.Path.faultDropNext, 5, { $0.encodeDropNext(drop) }) { try $0.decodeFaultState($1) }
    }

    func handOver(to name: String) async throws {
        let order = Wire.ChangeRequest(name: name, address: "")
        let answer = try await call(Wire.Path.clusterTransferLeadership, 5, { $0.encode(order) }) { try $0.decodeChangeResponse($1) }
        guard answer.status == .ok else { throw ProcessFailure(description: "no handing over to \(name): \(answer)") }
    }

    func heal(_ peers: [String] = []) async throws {
        _ = try await call(Wire.Path.faultHeal, 5, { $0.encodeHeal(peers) }) { try $0.decodeFaultState($1) }
    }

    func faults() async throws -> Wire.FaultState {
        try await call(Wire.Path.faultListFaults, 5, { $0.encodeListFaults() }) { try $0.decodeFaultState($1) }
    }

    func callEmpty(_ path: String) async throws {
        try await call(path, 5, { $0.encodeListFaults() }) { codec, answer in _ = (codec, answer.byteCount) }
    }

    /// Whether reflection knows this service of ours; it must list it and have its file, or neither.
    func reflected(_ service: String) async throws -> Bool {
        let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        let name = Array("swiftwater.v1.\(service)".utf8)
        // ServerReflectionRequest: list_services, then file_containing_symbol; the answer to the first holds all names, that
        // to the second an error_response (field 7) or a file_descriptor_response (field 4).
        let list = try await call(path, 5, { _ in Bytes([0x3a, 0]) }) { Bytes(copying: $1) }
        let file = try await call(path, 5, { _ in Bytes([0x22, UInt8(name.count)] + name) }) { Bytes(copying: $1) }
        let isListed = list.array.firstRange(of: name) != nil
        let hasFile = file.array.firstRange(of: Array("fault.proto".utf8) + [0x12]) != nil
            || file.array.firstRange(of: Array("cluster.proto".utf8) + [0x12]) != nil
        guard isListed == hasFile else { throw ProcessFailure(description: "\(service): listed \(isListed), has a file \(hasFile)") }
        return isListed
    }

    func expireElectionTimer() async throws {
        try await call(Wire.Path.faultExpireElectionTimer, 5, { $0.encodeExpireElectionTimer() }) {
            try $0.decodeExpireElectionTimerResponse($1)
        }
    }
}
