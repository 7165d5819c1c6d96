import Base
import Client
import Consensus
import GRPC
import Keyspace
import Testing
import Wire

@testable import Tools

@Suite("How the cluster and its logs are printed")
struct PrinterTests {
    private static func status(_ name: String, _ role: Wire.Role) -> Wire.Status {
        var status = Wire.Status()
        status.name = name
        status.role = role
        status.term = 3
        status.leader = role == .candidate ? "" : "n1"
        status.lastLogIndex = 1024
        status.commitIndex = 1023
        status.appliedIndex = 9
        status.version = "0.1.0"
        status.memberID = 0xabc
        return status
    }

    private static let reports = [
        MemberReport(
            name: "n1", endpoint: Endpoint(host: "127.0.0.1", port: 7401), answer: .success(status("n1", .leader)),
            roundTrip: .microseconds(420)),
        MemberReport(
            name: "n2", endpoint: Endpoint(host: "::1", port: 7402), answer: .success(status("n2", .candidate)),
            roundTrip: .milliseconds(12)),
        MemberReport(
            name: "n3", endpoint: Endpoint(host: "127.0.0.1", port: 7403),
            answer: .failure(ClientError(
                .noAnswer, attempts: [.init(endpoint: Endpoint(host: "127.0.0.1", port: 7403), reason: "connection refused", count: 1)])),
            roundTrip: .zero),
    ]

    private func text(_ printed: Printed) -> String { String(decoding: printed.output, as: UTF8.self) }

    @Test("status: a row for each member, unreachable ones with the reason")
    func statusTable() {
        let printed = ClusterPrinter(.plain).status(Self.reports)
        #expect(text(printed) == """
            NAME  ADDRESS         ROLE       TERM  LEADER  LAST LOG  COMMIT  APPLIED  ROUND TRIP
            n1    127.0.0.1:7401  leader        3  n1          1024    1023        9     0.42 ms
            n2    [::1]:7402      candidate     3  -           1024    1023        9     12.0 ms
            n3    127.0.0.1:7403  unreachable: connection refused

            """)
        #expect(printed.code == .done)
        #expect(ClusterPrinter(.plain).status([Self.reports[2]]).code == .noAnswer)
    }

    @Test("status as JSON")
    func statusJSON() {
        let json = text(ClusterPrinter(.json).status(Self.reports))
        #expect(json.hasPrefix(#"{"members":[{"name":"n1","address":"127.0.0.1:7401","reachable":true,"role":"leader","term":3,"leader":"n1","#))
        #expect(json.contains(#""last_log_index":1024,"commit_index":1023,"applied_index":9"#))
        #expect(json.contains(#""round_trip_ms":0.42}"#))
        #expect(json.hasSuffix(#"{"name":"n3","address":"127.0.0.1:7403","reachable":false,"error":"connection refused"}]}"# + "\n"))
    }

    @Test("members: who belongs to the cluster")
    func members() {
        let members = [
            Configuration.Member(id: 2, name: "n2", address: "b:2", isVoter: false),
            Configuration.Member(id: 1, name: "n1", address: "a:1"),
        ]
        #expect(text(ClusterPrinter(.prompt).members(members, leader: "n1")) == """
            NAME  ADDRESS  ID                VOTES
            n1    a:1      0000000000000001  yes           leader
            n2    b:2      0000000000000002  no (learner)

            """)
    }

    @Test("A change of servers is OK, or says why not")
    func changes() {
        let printer = ClusterPrinter(.plain)
        #expect(printer.change(Wire.ChangeResponse(status: .ok)) == Printed(line: "OK"))
        let refused = printer.change(Wire.ChangeResponse(status: .notLeader, leaderHint: "a:1"))
        #expect(refused.errors == "the member that was asked does not lead: the leader is at a:1\n")
        #expect(refused.code == .clusterError)
        #expect(printer.change(Wire.ChangeResponse(status: .timeout)).code == .clusterError)
    }

    private static let records: [Wire.LogRecord] = [
        .init(index: 1, term: 1, kind: .noOperation, timeMs: 5, isCommitted: true, size: 8),
        .init(
            index: 2, term: 1, kind: .command, timeMs: 6, isCommitted: true,
            command: .single(.set(key: "two words", value: .data("x\ny"))), size: 30),
        .init(
            index: 3, term: 2, kind: .command, timeMs: 7, isCommitted: false,
            command: .transaction([
                .set(key: "pets", value: .list(ItemList(["cat", "dog"] as [Bytes]))), .appendItem(key: "pets", item: "ant"),
                .get(key: "pets"),
            ]), requestID: Wire.RequestID(sessionID: 9, sequence: 4), size: 60),
        .init(
            index: 4, term: 2, kind: .configuration, timeMs: 8, isCommitted: false,
            configuration: Configuration(members: [
                .init(id: 1, name: "n2", address: "b:2", isVoter: false), .init(id: 2, name: "n1", address: "a:1"),
            ]), size: 50),
        .init(index: 5, term: 2, kind: .command, timeMs: 9, isCommitted: false, size: 12),
    ]

    @Test("request_log: commands as one would type them, and what is committed")
    func log() {
        var printer = LogPrinter(.plain)
        let lines = printer.lines(Array(Self.records.prefix(2))) + printer.lines(Array(Self.records.dropFirst(2)))
        #expect(lines.joined(separator: "\n") == #"""
               INDEX    TERM  KIND           COMMITTED  COMMAND
                   1       1  no-operation   yes
                   2       1  command        yes        set "two words" $'x\ny'
                   3       2  command        not yet    set --list pets cat dog; append --item pets ant; get pets
                   4       2  configuration  not yet    n1=a:1, n2=b:2 (learner)
                   5       2  command        not yet    (12 bytes that this program cannot read)
            """#)
        #expect(printer.ending(node: "n3") == ["(5 entries of n3's log)"])
    }

    @Test("request_log as JSON: an object a line")
    func logJSON() {
        var printer = LogPrinter(.json)
        let lines = printer.lines(Self.records)
        #expect(lines[1] == #"{"index":2,"term":1,"kind":"command","time_ms":6,"committed":true,"size":30,"operations":[{"command":"set","key":"two words","value":"x\ny"}]}"#)
        #expect(lines[2].contains(#""transaction":true,"operations":[{"command":"set","key":"pets","value":["cat","dog"]}"#))
        #expect(lines[2].hasSuffix(#""session_id":9,"sequence":4}"#))
        #expect(lines[3].contains(#""members":[{"name":"n2","address":"b:2","id":"0000000000000001","voter":false}"#))
        #expect(printer.ending(node: "") == [])
    }

    @Test("A huge value is cut, not printed")
    func huge() {
        var printer = LogPrinter(.plain)
        let value = Bytes(Array(repeating: UInt8(ascii: "x"), count: 1 << 20))
        let lines = printer.lines([
            .init(index: 1, term: 1, kind: .command, timeMs: 0, isCommitted: true,
                command: .single(.set(key: "k", value: .data(value))), size: 1 << 20),
        ])
        #expect(lines[1].count < 120)
        #expect(lines[1].hasSuffix("xxx…"))
    }

    @Test("What is typed of an operation, the prompt understands as that operation")
    func typed() throws {
        let operations: [Operation] = [
            .ping, .get(key: "a b"), .set(key: "--k", value: .data("-1")), .set(key: "k", value: .data("$'")), .strlen(key: "k"),
            .delete(key: "k"), .append(key: "k", suffix: [0xff]), .appendItem(key: "k", item: "é"),
            .keys(prefix: "p", startAfter: "", limit: 0), .set(key: "k", value: .list(ItemList(["a", "--timeout"] as [Bytes]))),
        ]
        for operation in operations {
            #expect(try Grammar(.prompt).parse(line: LogPrinter.typed(operation)) == .request(.operation(operation)))
        }
    }
}
