import Base
import Client
import EventLoop
import FakeMember
import GRPC
import Keyspace
import Testing
import Wire

/// The contract's rules for trying again, on members that fail as they are told.
@Suite("What a client tries again", .timeLimit(.minutes(1)))
struct RetryTests {
    private static let unavailable = Status(.unavailable, "no leader")

    /// Runs `body` with a client of these members.
    @discardableResult
    private func withClient<T>(
        _ members: [FakeMember], timeout: Interval = .seconds(10), _ body: (Client) async throws -> T
    ) async throws -> T {
        var options = ClientOptions(timeout: timeout)
        options.readAttempt = .milliseconds(150)
        options.statusTimeout = .milliseconds(500)
        let client = Client(endpoints: members.map { Endpoint(host: "127.0.0.1", port: $0.port) }, options: options)
        do {
            let result = try await body(client)
            await client.close()
            return result
        } catch {
            await client.close()
            throw error
        }
    }

    /// The error that `body` ends with.
    private func failure(_ body: () async throws -> Void) async throws -> ClientError {
        do {
            try await body()
        } catch let error as ClientError {
            return error
        }
        throw Missing()
    }

    private struct Missing: Error {}

    @Test("A write that was certainly not applied is tried again, until it is")
    func notApplied() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        member.next(.failure(Self.unavailable, notApplied: true), .failure(Self.unavailable, notApplied: true))
        try await withClient([member]) { client in
            let length = try await client.append("k", "v")
            #expect(length == 1)
        }
        #expect(member.calls == ["Append", "Append", "Append"])
    }

    @Test(
        "A write whose outcome is unknown is never sent twice, and the error says so",
        arguments: [
            FakeMember.Reply.appliedThen(Status(.unavailable, "gone")), .appliedThen(Status(.unknown, "leadership lost")),
            .appliedThen(Status(.deadlineExceeded, "too late")), .appliedThen(Status(.internal, "oh")),
            .appliedThen(Status(.cancelled, "oh")), .appliedThen(Status(.aborted, "oh")), .hangUp,
            .failure(Self.unavailable),
        ])
    func unknownOutcome(reply: FakeMember.Reply) async throws {
        let members = [try await FakeMember(name: "n1"), try await FakeMember(name: "n2")]
        defer { members.forEach { $0.stop() } }
        members[0].next(reply)
        let error = try await withClient(members) { client in
            try await failure { try await client.append("k", "v") }
        }
        guard case .outcomeUnknown = error.kind else {
            Issue.record("\(error)")
            return
        }
        #expect(error.outcomeIsUnknown)
        #expect(error.description.contains("it may or may not have been done"))
        #expect(members.map(\.calls.count) == [1, 0])
    }

    @Test("A write without an answer waits until the timeout, and its outcome is unknown")
    func silentWrite() async throws {
        let members = [try await FakeMember(name: "n1"), try await FakeMember(name: "n2")]
        defer { members.forEach { $0.stop() } }
        members[0].from(nowOn: .silence)
        let error = try await withClient(members, timeout: .milliseconds(400)) { client in
            try await failure { _ = try await client.set("k", .data("v")) }
        }
        #expect(error.outcomeIsUnknown)
        #expect(members.map(\.calls.count) == [1, 0])
        #expect(error.elapsed >= .milliseconds(400))
    }

    @Test(
        "A read is tried again whatever became of it",
        arguments: [
            FakeMember.Reply.failure(Self.unavailable), .failure(Status(.unknown, "x")), .failure(Status(.aborted, "x")),
            .failure(Status(.deadlineExceeded, "x")), .failure(Status(.cancelled, "x")), .silence, .hangUp,
        ])
    func reads(reply: FakeMember.Reply) async throws {
        let store = FakeStore()
        let members = [try await FakeMember(name: "n1", store: store), try await FakeMember(name: "n2", store: store)]
        defer { members.forEach { $0.stop() } }
        members[0].from(nowOn: reply)
        try await withClient(members) { client in
            let (value, revision) = try await client.get("k")
            #expect(value == nil)
            #expect(revision == 0)
            // The next call begins where the last one was answered.
            _ = try await client.strlen("k")
        }
        #expect(members.map(\.calls.count) == [1, 2])
    }

    @Test(
        "What a member judged is not asked again, and its words are passed on",
        arguments: [
            StatusCode.invalidArgument, .failedPrecondition, .unimplemented, .permissionDenied, .unauthenticated,
            .resourceExhausted, .outOfRange, .alreadyExists,
        ])
    func judged(code: StatusCode) async throws {
        let members = [try await FakeMember(name: "n1"), try await FakeMember(name: "n2")]
        defer { members.forEach { $0.stop() } }
        for isWrite in [true, false] {
            members[0].next(.failure(Status(code, "no, because")))
            let error = try await withClient(members) { client in
                try await failure {
                    if isWrite { _ = try await client.set("k", .data("v")) } else { _ = try await client.get("k") }
                }
            }
            #expect(error.kind == .rejected(Status(code, "no, because")))
            #expect(!error.outcomeIsUnknown)
            #expect(error.description == "no, because")
        }
        #expect(members.map(\.calls.count) == [2, 0])
    }

    @Test("What is exhausted is told at once, though nothing was applied: more requests would not help")
    func exhausted() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        let status = Status(.resourceExhausted, "the value is over the limit")
        member.from(nowOn: .failure(status, notApplied: true))
        let error = try await withClient([member]) { client in
            try await failure { _ = try await client.set("k", .data("v")) }
        }
        #expect(error.kind == .rejected(status))
        #expect(member.calls.count == 1)
    }

    @Test("A member that is down costs a write nothing: it was never sent there")
    func oneDown() async throws {
        let members = [try await FakeMember(name: "n1"), try await FakeMember(name: "n2")]
        defer { members[1].stop() }
        members[0].stop()
        try await withClient(members) { client in
            for number in 1...5 {
                let length = try await client.append("k", "v")
                #expect(length == UInt64(number))
            }
        }
        #expect(members[1].calls.count == 5)
    }

    @Test("A member that comes back is found again")
    func comesBack() async throws {
        let first = try await FakeMember()
        let port = first.port
        first.stop()
        let endpoint = Endpoint(host: "127.0.0.1", port: port)
        let client = Client(endpoints: [endpoint], options: ClientOptions(timeout: .seconds(60)))
        async let revision = client.set("k", .data("v"))
        try await Task.sleep(nanoseconds: 150_000_000)
        let second = try await FakeMember(port: port)
        #expect(try await revision == 1)
        await client.close()
        second.stop()
    }

    @Test("When it gives up it tells what happened, member by member")
    func givesUp() async throws {
        let down = try await FakeMember(name: "n1")
        let leaderless = try await FakeMember(name: "n2")
        defer { leaderless.stop() }
        down.stop()
        leaderless.from(nowOn: .failure(Self.unavailable, notApplied: true))
        let error = try await withClient([down, leaderless], timeout: .seconds(3)) { client in
            try await failure { _ = try await client.set("k", .data("v")) }
        }
        #expect(error.kind == .noAnswer)
        #expect(!error.outcomeIsUnknown)
        #expect(error.attempts.map(\.reason) == ["connection refused", "no leader"])
        let lines = error.description.split(separator: "\n")
        try #require(lines.count == 3)
        #expect(lines[0].hasSuffix("; nothing was changed"))
        #expect(lines[1].hasPrefix("  127.0.0.1:\(down.port): connection refused"))
    }

    @Test("A cancelled write says whether it may have been done")
    func cancelled() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        member.from(nowOn: .silence)
        try await withClient([member]) { client in
            let task = Task { try await failure { _ = try await client.set("k", .data("v")) } }
            while member.calls.isEmpty { try await Task.sleep(nanoseconds: 1_000_000) }
            task.cancel()
            let error = try await task.value
            #expect(error.kind == .cancelled(isCertain: false))
        }
        member.from(nowOn: .failure(Self.unavailable, notApplied: true))
        // While a "not applied" is still on its way the client cannot know; sooner or later the cancel comes behind one.
        var isCertain = false
        for _ in 0..<200 where !isCertain {
            try await withClient([member]) { client in
                let before = member.calls.count
                let task = Task { try await failure { _ = try await client.set("k", .data("v")) } }
                while member.calls.count == before { try await Task.sleep(nanoseconds: 1_000_000) }
                task.cancel()
                let kind = try await task.value.kind
                isCertain = kind == .cancelled(isCertain: true)
                #expect(isCertain || kind == .cancelled(isCertain: false))
            }
        }
        #expect(isCertain)
    }

    @Test("An answer that is no message is no success")
    func garbage() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        member.next(.garbage)
        let error = try await withClient([member]) { client in
            try await failure { _ = try await client.set("k", .data("v")) }
        }
        guard case .badAnswer = error.kind else {
            Issue.record("\(error)")
            return
        }
    }
}
