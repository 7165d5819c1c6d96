import Base
import Client
import EventLoop
import FakeMember
import GRPC
import Keyspace
import Testing
import Wire

/// Writes that travel in a session, on members that lose answers.
@Suite("What a client does with a session", .timeLimit(.minutes(1)))
struct SessionTests {
    /// Runs `body` with a client of members that share a store and know sessions.
    private func withClient(_ members: [FakeMember], _ body: (Client) async throws -> Void) async throws {
        for member in members { await member.openSessions() }
        var options = ClientOptions(timeout: .seconds(5))
        options.writeAttempt = .milliseconds(150)
        options.readAttempt = .milliseconds(150)
        let client = Client(endpoints: members.map { Endpoint(host: "127.0.0.1", port: $0.port) }, options: options)
        do { try await body(client) } catch {
            await client.close()
            throw error
        }
        await client.close()
    }

    @Test(
        "A write whose answer is lost is sent again, and applied once",
        arguments: [
            FakeMember.Reply.appliedThen(Status(.unknown, "leadership lost")),
            .appliedThen(Status(.unavailable, "the connection was lost")), .silence, .hangUp,
        ])
    func lostAnswer(reply: FakeMember.Reply) async throws {
        let store = FakeStore()
        let members = [try await FakeMember(store: store), try await FakeMember(name: "n2", store: store)]
        defer { for member in members { member.stop() } }
        try await withClient(members) { client in
            let first = try await client.append("k", "v")
            #expect(first == 1)
            members[0].next(reply)
            let second = try await client.append("k", "v")
            #expect(second == 2)
        }
    }

    @Test("One session serves a client's writes; reads need none")
    func oneSession() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        try await withClient([member]) { client in
            _ = try await client.get("k")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<500 { group.addTask { try await client.set(Bytes(utf8: "k\(number % 7)"), .data("v")) } }
                try await group.waitForAll()
            }
        }
        #expect(member.calls.count { $0 == "OpenSession" } == 1)
        // Some may be asked again, where the machine is slow: within a session that is safe.
        #expect(member.calls.count { $0 == "Set" } >= 500)
    }

    @Test("A session that is over is replaced, and the write is made in the new one")
    func expired() async throws {
        let store = FakeStore()
        let member = try await FakeMember(store: store)
        defer { member.stop() }
        try await withClient([member]) { client in
            try await client.append("k", "v")
            store.end(session: 1)
            let length = try await client.append("k", "v")
            #expect(length == 2)
        }
        #expect(member.calls == ["OpenSession", "Append", "Append", "OpenSession", "Append"])
    }

    @Test("A session that ends between two attempts leaves a doubt, and the client says so")
    func expiredInDoubt() async throws {
        let store = FakeStore()
        let member = try await FakeMember(store: store)
        defer { member.stop() }
        try await withClient([member]) { client in
            try await client.append("k", "v")
            member.next(.failure(Status(.unknown, "leadership lost")))
            store.end(session: 1)
            do {
                try await client.append("k", "v")
                Issue.record("nobody can know that")
            } catch let error as ClientError {
                #expect(error.outcomeIsUnknown, "\(error)")
            }
            try await client.set("k", .data("v"))
        }
    }

    @Test("A refusal while an earlier attempt is in doubt is no answer")
    func refusedInDoubt() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        try await withClient([member]) { client in
            try await client.append("k", "v")
            member.next(
                .appliedThen(Status(.unknown, "leadership lost")),
                .failure(Status(.resourceExhausted, "too much in flight"), notApplied: true))
            let length = try await client.append("k", "v")
            #expect(length == 2)
        }
    }
}
