import Base
import Client
import FakeMember
import GRPC
import Keyspace
import Testing

@testable import Tools

@Suite("Bench")
struct BenchTests {
    @Test("Percentiles, rates and the slowest second are what was recorded")
    func statistics() {
        var statistics = BenchStatistics()
        // 1,000 reads: 1 ms … 1000 ms; 600 in the first second, 300 in the second, 100 after the end.
        for number in 1...1000 {
            let second = number <= 600 ? 0 : number <= 900 ? 1 : 2
            statistics.record(isRead: true, .milliseconds(UInt64(number)), second: second)
        }
        func isNear(_ interval: Interval, _ ms: Double) -> Bool {
            abs(Double(interval.nanoseconds) / 1e6 - ms) <= ms / 500
        }
        let reads = statistics.reads
        #expect(isNear(reads.percentile(50), 500))
        #expect(isNear(reads.percentile(90), 900))
        #expect(isNear(reads.percentile(99), 990))
        #expect(isNear(reads.percentile(99.9), 999))
        #expect(isNear(reads.longest, 1000))
        #expect(isNear(reads.mean, 500.5))
        #expect(reads.rate(seconds: 2) == 450)
        #expect(reads.slowestSecond(seconds: 2) == 300)
        #expect(reads.slowestSecond(seconds: 3.5) == 100)
        #expect(statistics.writes.count == 0)
        #expect(statistics.writes.percentile(50) == .zero)
    }

    @Test("A second without an answer is the slowest")
    func silentSecond() {
        var kind = BenchStatistics.Kind()
        kind.record(.milliseconds(1), second: 0)
        kind.record(.milliseconds(1), second: 2)
        #expect(kind.slowestSecond(seconds: 3) == 0)
        var early = BenchStatistics.Kind()
        early.record(.milliseconds(1), second: 0)
        #expect(early.slowestSecond(seconds: 1.5) == 1)
        #expect(early.slowestSecond(seconds: 3) == 0, "seconds after the last answer count too")
    }

    @Test("Shares of threads add up, and kinds of errors are bounded")
    func adding() {
        var one = BenchStatistics()
        one.record(isRead: true, .milliseconds(1), second: 0)
        one.record(error: "UNAVAILABLE: no leader")
        var two = BenchStatistics()
        two.record(isRead: false, .milliseconds(3), second: 1)
        for number in 0..<100 { two.record(error: "kind \(number)") }
        one.add(two)
        #expect(one.succeeded == 2)
        #expect(one.failed == 101)
        #expect(one.errors.count <= BenchStatistics.errorKinds + 1)
        #expect(one.all.perSecond == [1, 1])
    }

    @Test("Keys and values are the same in every run")
    func keysAndValues() {
        #expect(BenchSettings.key(0) == "bench/000000000")
        #expect(BenchSettings.key(123) == "bench/000000123")
        #expect(BenchSettings.key(999_999_999) == "bench/999999999")
        #expect(BenchSettings.values(size: 32) == BenchSettings.values(size: 32))
        #expect(BenchSettings.values(size: 256).allSatisfy { $0.length == 256 })
        #expect(Set(BenchSettings.values(size: 256)).count == BenchSettings.values)
    }

    private var settings: BenchSettings { BenchSettings(endpoints: [Program.defaultEndpoint]) }

    @Test("The report reads like this")
    func report() {
        var statistics = BenchStatistics()
        for number in 0..<2000 {
            statistics.record(isRead: number % 2 == 0, .microseconds(100), second: number < 1200 ? 0 : 1)
        }
        for _ in 0..<3 { statistics.record(error: "UNAVAILABLE: no leader") }
        let report = BenchReport(settings: settings, statistics: statistics, seconds: 2, connected: 9)
        let text = String(decoding: report.printed(.text).output, as: UTF8.self)
        #expect(text == """
            10 clients × 10 in flight, values of 256 bytes, 1,000 keys, 50 % reads, 2.0 s

                    OPS/S  SLOWEST SECOND      P50      P90      P99    P99.9      MAX    OPS
            reads     500             400  0.10 ms  0.10 ms  0.10 ms  0.10 ms  0.10 ms  1,000
            writes    500             400  0.10 ms  0.10 ms  0.10 ms  0.10 ms  0.10 ms  1,000
            all     1,000             800  0.10 ms  0.10 ms  0.10 ms  0.10 ms  0.10 ms  2,000

            9 of 10 connections were open when the load began

            3 errors:
              3  UNAVAILABLE: no leader

            """)
        let json = String(decoding: report.printed(.json).output, as: UTF8.self)
        #expect(json.contains(#""ops_per_second":1000.0,"slowest_second":800,"reads":{"count":1000,"ops_per_second":500.0"#))
        #expect(json.contains(#""errors":3,"errors_by_kind":{"UNAVAILABLE: no leader":3}}"#))
        #expect(report.printed(.text).code == .done)
    }

    @Test("Nothing succeeded: exit code 2")
    func nothing() {
        let report = BenchReport(settings: settings, statistics: BenchStatistics(), seconds: 1, connected: 0)
        #expect(report.printed(.text).code == .clusterError)
        #expect(report.printed(.json).code == .clusterError)
    }

    @Test("Settings out of range are refused")
    func ranges() throws {
        let wrong: [(inout BenchSettings) -> Void] = [
            { $0.clients = 0 }, { $0.clients = 20_001 }, { $0.inflight = 0 }, { $0.valueSize = -1 },
            { $0.valueSize = 1 << 20 + 1 }, { $0.keys = 0 }, { $0.keys = 1_000_000_001 }, { $0.threads = 0 },
            { $0.reads = 1.1 }, { $0.reads = .nan }, { $0.seconds = 0 }, { $0.clients = 20_000; $0.inflight = 51 },
        ]
        for change in wrong {
            var settings = settings
            change(&settings)
            #expect(throws: UsageError.self, "\(settings)") { try settings.check() }
        }
        try settings.check()
    }

    @Test("A load on real connections: reads and writes come through on every member", .timeLimit(.minutes(1)))
    func load() async throws {
        let store = FakeStore()
        let members = [try await FakeMember(name: "n1", store: store), try await FakeMember(name: "n2", store: store)]
        defer { members.forEach { $0.stop() } }
        var settings = BenchSettings(endpoints: members.map { Endpoint(host: "127.0.0.1", port: $0.port) })
        settings.clients = 4
        settings.inflight = 3
        settings.keys = 10
        settings.seconds = 0.3
        settings.threads = 2
        settings.fill = true
        members[0].next(.failure(Status(.unavailable, "no leader")))
        let report = await Bench(settings: settings).run { _ in }
        #expect(report.connected == 4)
        #expect(report.statistics.reads.count > 0 && report.statistics.writes.count > 0)
        #expect(members.allSatisfy { $0.calls.contains("Get") && $0.calls.contains("Set") })
        // The one error was the filling's, before the load.
        #expect(report.statistics.failed == 0)
        #expect(report.seconds >= 0.3)
    }

    @Test("Errors are counted by kind, and do not stop the load", .timeLimit(.minutes(1)))
    func errors() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        member.next(.failure(Status(.unavailable, "no leader")), .failure(Status(.unavailable, "no leader")))
        var settings = BenchSettings(endpoints: [Endpoint(host: "127.0.0.1", port: member.port)])
        settings.clients = 1
        settings.inflight = 1
        settings.seconds = 0.2
        let report = await Bench(settings: settings).run { _ in }
        #expect(report.statistics.errors == ["UNAVAILABLE: no leader": 2])
        #expect(report.statistics.succeeded > 0)
        member.stop()
        let none = await Bench(settings: settings).run { _ in }
        #expect(none.connected == 0)
        #expect(none.printed(.text).code == .clusterError)
    }
}
