import Base
import Consensus
import EventLoop
import Server
import Synchronization
import Wire

/// `/metrics` in Prometheus' text format (exposition format 0.0.4).
enum Metrics {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    static func text(_ report: MemberReport, _ traffic: Traffic) -> String {
        var page = Page()
        let status = report.status
        page.add("info", .gauge, "The member and its version.", [(Self.labels(status), 1)])
        page.add("leader", .gauge, "1 on the leader.", status.role == .leader ? 1 : 0)
        page.add("has_quorum", .gauge, "1 while a leader is known.", report.hasQuorum ? 1 : 0)
        page.add("term", .gauge, "The current term.", status.term.rawValue)
        page.add("first_log_index", .gauge, "The first entry that the log holds.", status.firstLogIndex.rawValue)
        page.add("last_log_index", .gauge, "The last entry of the log.", status.lastLogIndex.rawValue)
        page.add("durable_index", .gauge, "Up to here the log is on disk.", report.durableIndex.rawValue)
        page.add("commit_index", .gauge, "Up to here entries are committed.", status.commitIndex.rawValue)
        page.add("applied_index", .gauge, "Up to here entries are applied.", status.appliedIndex.rawValue)
        page.add("revision", .gauge, "The store's revision.", status.revision)
        page.add("disk_full", .gauge, "1 while the disk has no room for writes.", report.isDiskFull ? 1 : 0)
        page.add("uptime_seconds", .gauge, "Since the process started.", status.uptimeMs / 1_000)
        page.add("leader_changes_total", .counter, "Leaders that were seen.", report.counters.leaderChanges)
        page.add(
            "requests_total", .counter, "Requests of clients that this member was asked.",
            [("kind=\"read\"", report.counters.reads), ("kind=\"write\"", report.counters.writes)])
        page.add("requests_answered_total", .counter, "Requests of clients that were answered.", report.counters.answered)
        page.add(
            "requests_waited_microseconds_total", .counter,
            "How long all clients' requests have waited together: its rate by that of requests_answered_total is the mean time to an answer.",
            report.counters.waitedNanoseconds / 1_000)
        page.add("loop_turn_seconds", "How long the event loop was busy at a time.", report.turnTimes)
        page.add(
            "loop_turn_cpu_seconds",
            "How much of that it had a processor: the rest went to other threads, of any process, and to the machine's own pauses.",
            report.turnWork)
        page.add("snapshot_bytes", .gauge, "The newest snapshot's content; 0 when there is none.", UInt64(report.snapshotBytes))
        page.add("requests_in_flight", .gauge, "Requests that wait for an answer.", UInt64(report.requestsInFlight))
        page.add(
            "peer_connected", .gauge, "1 while the connection to the peer stands.",
            report.peers.map { ("peer=\"\(escaped($0.name))\"", $0.isConnected ? 1 : 0) })
        page.add(
            "peer_match_index", .gauge, "Up to here the peer's log is known to agree; on the leader alone.",
            report.peers.compactMap { peer in
                peer.progress.map { ("peer=\"\(escaped(peer.name))\"", $0.match.rawValue) }
            })
        let counted = traffic.counted
        page.add(
            "http_requests_total", .counter, "Answers over HTTP, by class of status.",
            counted.byClass.enumerated().dropFirst(2).map { ("code=\"\($0.offset)xx\"", $0.element) })
        page.add("http_requests_in_flight", .gauge, "Requests over HTTP being answered.", UInt64(counted.inFlight))
        return page.text
    }

    private static func labels(_ status: Wire.Status) -> String {
        "name=\"\(escaped(status.name))\",version=\"\(escaped(status.version))\""
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }

    private struct Page {
        enum Kind: String { case gauge, counter, histogram }
        var text = ""

        mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: UInt64) {
            add(name, kind, help, [("", value)])
        }

        private mutating func addHead(_ name: String, _ kind: Kind, _ help: String) {
            text += "# HELP swiftwater_\(name) \(help)\n# TYPE swiftwater_\(name) \(kind.rawValue)\n"
        }

        mutating func add(_ name: String, _ help: String, _ times: TurnTimes) {
            addHead(name, .histogram, help)
            var count: UInt64 = 0
            let bounds = TurnTimes.bounds.map { "\(Double($0.nanoseconds) / 1e9)" } + ["+Inf"]
            for (bound, own) in zip(bounds, times.counts) {
                count += own
                text += "swiftwater_\(name)_bucket{le=\"\(bound)\"} \(count)\n"
            }
            text += "swiftwater_\(name)_sum \(Double(times.total.nanoseconds) / 1e9)\nswiftwater_\(name)_count \(count)\n"
        }

        mutating func add(_ name: String, _ kind: Kind, _ help: String, _ values: [(labels: String, value: UInt64)]) {
            guard !values.isEmpty else { return }
            addHead(name, kind, help)
            for (labels, value) in values {
                text += "swiftwater_\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(value)\n"
            }
        }
    }
}

/// What passes through the gateway: bounds it, and counts it.
final class Traffic: Sendable {
    struct Counted: Sendable {
        var inFlight = 0
        var bodyBytes = 0
        /// By the first digit of the status.
        var byClass = [UInt64](repeating: 0, count: 6)
    }

    private let state = Mutex(Counted())
    private let limits: GatewayLimits

    init(_ limits: GatewayLimits) { self.limits = limits }

    var counted: Counted { state.withLock { $0 } }

    /// False when as many as may be are being answered already.
    func begin() -> Bool {
        state.withLock { state in
            guard state.inFlight < limits.requests else { return false }
            state.inFlight += 1
            return true
        }
    }

    func end() { state.withLock { $0.inFlight -= 1 } }

    func count(_ status: Int) { state.withLock { $0.byClass[min(5, max(0, status / 100))] += 1 } }

    /// Room for so many more bytes of bodies; false when there is none.
    func hold(_ bytes: Int) -> Bool {
        state.withLock { state in
            guard state.bodyBytes + bytes <= limits.bodyBytesHeld else { return false }
            state.bodyBytes += bytes
            return true
        }
    }

    func release(_ bytes: Int) { state.withLock { $0.bodyBytes -= bytes } }
}
