import Base
import Client
import Consensus
import FakeMember
import GRPC
import Keyspace
import Testing
import Wire

@Suite("What a client asks of members", .timeLimit(.minutes(1)))
struct ClusterCallTests {
    private func client(_ members: [FakeMember], _ change: (inout ClientOptions) -> Void = { _ in }) -> Client {
        var options = ClientOptions(timeout: .seconds(5))
        options.statusTimeout = .milliseconds(300)
        change(&options)
        return Client(endpoints: members.map { Endpoint(host: "127.0.0.1", port: $0.port) }, options: options)
    }

    /// Members that know each other, sharing one store.
    private func cluster(_ count: Int) async throws -> [FakeMember] {
        let store = FakeStore()
        var members: [FakeMember] = []
        for number in 1...count { members.append(try await FakeMember(name: "n\(number)", store: store)) }
        let configuration = members.enumerated().map { number, member in
            Configuration.Member(id: MemberID(UInt64(number + 1)), name: member.name, address: member.address)
        }
        for (number, member) in members.enumerated() {
            member.change {
                $0.memberID = MemberID(UInt64(number + 1))
                $0.members = configuration
                $0.leader = "n1"
                $0.role = number == 0 ? .leader : .follower
            }
        }
        return members
    }

    @Test("Every operation is answered as the store answers it")
    func operations() async throws {
        let members = try await cluster(1)
        defer { members.forEach { $0.stop() } }
        let client = client(members)
        try await client.ping()
        let first = try await client.set("k", .data("one"))
        let second = try await client.append("k", " two")
        let length = try await client.strlen("k")
        let (value, revision) = try await client.get("k")
        #expect((first, second, length, value, revision) == (1, 7, 7, .data("one two"), 2))
        let items = try await client.append("list", item: "a")
        let previous = try await client.delete("k")
        let missing = try await client.delete("k")
        #expect((items, previous, missing) == (1, .data("one two"), nil))
        let answer = try await client.transact([.set(key: "x", value: .data("1")), .get(key: "x"), .strlen(key: "no")])
        #expect(answer.results == [.set, .value(.data("1"), revision: 5), .length(0)])
        #expect(answer.revision == 5)
        await client.close()
    }

    @Test("Keys come in batches, in order, and as many as are wanted")
    func keys() async throws {
        let members = try await cluster(1)
        defer { members.forEach { $0.stop() } }
        let client = client(members)
        for number in 1...7 { try await client.set(Bytes(utf8: "k\(number)"), .data("")) }
        try await client.set("other", .data(""))
        let all = try await client.keys(prefix: "k")
        #expect(all == (1...7).map { Bytes(utf8: "k\($0)") })
        let some = try await client.keys(prefix: "k", startAfter: "k2", limit: 3)
        #expect(some == ["k3", "k4", "k5"])
        let none = try await client.keys(prefix: "zzz")
        #expect(none == [])
        await client.close()
    }

    @Test("A caller that has enough ends the stream, and the next call works")
    func enough() async throws {
        let members = try await cluster(1)
        defer { members.forEach { $0.stop() } }
        let client = client(members) { $0.streamBuffer = 2 }
        for number in 1...9 { try await client.set(Bytes(utf8: "k\(number)"), .data("")) }
        let seen = Seen()
        try await client.eachKey { keys in
            seen.add(keys.count)
            return seen.total < 2
        }
        #expect(seen.total >= 2)
        let all = try await client.keys()
        #expect(all.count == 9)
        await client.close()
    }

    private final class Seen: @unchecked Sendable {
        private(set) var total = 0
        func add(_ count: Int) { total += count }
    }

    @Test("Before a stream has begun another member is asked; after that its end is an error")
    func brokenStreams() async throws {
        let members = try await cluster(2)
        defer { members.forEach { $0.stop() } }
        let client = client(members)
        for number in 1...6 { try await client.set(Bytes(utf8: "k\(number)"), .data("")) }
        members[0].next(.failure(Status(.unavailable, "no leader")))
        let keys = try await client.keys()
        #expect(keys.count == 6)
        #expect(members[1].calls == ["Keys"])
        members[1].next(.appliedThen(Status(.unavailable, "gone")))
        await #expect(throws: ClientError.self) { try await client.keys() }
        #expect(members[1].calls == ["Keys", "Keys"])
        await client.close()
    }

    @Test("A member that never begins its stream is left for another one in time")
    func silentStream() async throws {
        let members = try await cluster(1)
        defer { members.forEach { $0.stop() } }
        members[0].from(nowOn: .silence)
        let client = client(members) { $0.timeout = .milliseconds(300) }
        do {
            _ = try await client.keys()
            Issue.record("a silent member has answered")
        } catch {
            #expect(error.kind == .noAnswer)
        }
        await client.close()
        let other = try await FakeMember(name: "n2")
        defer { other.stop() }
        let both = self.client([members[0], other]) { $0.readAttempt = .milliseconds(50) }
        let keys = try await both.keys()
        #expect(keys == [])
        #expect(other.calls == ["Keys"])
        await both.close()
    }

    @Test("The log is read entry by entry, of the member that is named")
    func log() async throws {
        let members = try await cluster(2)
        defer { members.forEach { $0.stop() } }
        let client = client(members)
        for number in 1...4 { try await client.set(Bytes(utf8: "k\(number)"), .data("v")) }
        let seen = Seen()
        let name = try await client.eachLogRecord(from: 2, limit: 2, node: "n2") { records in
            seen.add(records.count)
            #expect(records.allSatisfy { $0.isCommitted && ($0.index == 2 || $0.index == 3) })
            return true
        }
        #expect(name == "n2")
        #expect(seen.total == 2)
        #expect(members[1].calls == ["RequestLog"])
        do {
            try await client.eachLogRecord(node: "n9") { _ in true }
            Issue.record("n9 has answered")
        } catch {
            #expect(error.kind == .noSuchMember("n9", known: ["n1", "n2"]))
            #expect(error.brief == "there is no member 'n9'; there are n1, n2")
        }
        await client.close()
    }

    @Test("Status asks all members that any of them names; those that do not answer are listed with the reason")
    func status() async throws {
        let members = try await cluster(4)
        defer { members.forEach { $0.stop() } }
        members[1].from(nowOn: .silence)
        members[3].stop()
        let client = client([members[2]])
        let reports = await client.statusOfAll()
        #expect(reports.map(\.name) == ["n1", "n2", "n3", "n4"])
        #expect(reports.map(\.hasAnswered) == [true, false, true, false])
        guard case .failure(let silent) = reports[1].answer, case .failure(let down) = reports[3].answer else { return }
        #expect(silent.brief == "no answer in time")
        #expect(down.brief == "connection refused")
        await client.close()
    }

    @Test("A member that is named twice counts once")
    func namedTwice() async throws {
        let members = try await cluster(1)
        defer { members.forEach { $0.stop() } }
        let client = Client(endpoints: [
            Endpoint(host: "localhost", port: members[0].port), Endpoint(host: "127.0.0.1", port: members[0].port),
        ], options: ClientOptions(timeout: .seconds(60)))
        let reports = await client.statusOfAll()
        #expect(reports.count == 1)
        await client.close()
    }

    @Test("A member that does not lead sends a change of servers on to the leader, and the client follows")
    func leaderHint() async throws {
        let members = try await cluster(2)
        defer { members.forEach { $0.stop() } }
        members[0].change { $0.leaderAddress = members[1].address }
        members[0].leads = false
        let client = client([members[0]])
        let response = try await client.transferLeadership(to: "n2")
        #expect(response.status == .ok)
        #expect(members.map(\.calls) == [["TransferLeadership"], ["TransferLeadership"]])
        await client.close()
    }
}
