import Base
import Client
import EventLoop
import Keyspace
import Synchronization
import Wire

/// Somebody who writes new keys all the time, one after the other, through given members, and keeps account of each.
final class LabWriter: Sendable {
    /// One write and what became of it.
    struct Entry: Equatable, Sendable {
        var key: Bytes
        var from: Instant
        var to: Instant
        var outcome: LabTimeline.Outcome
        /// Why not, in the cluster's words; empty when it was acknowledged.
        var reason: String
    }

    let name: String
    let prefix: String
    private let client: Client
    private let endpoints: [Endpoint]
    private let entries = Mutex<[Entry]>([])
    private let task = Mutex<Task<Void, Never>?>(nil)
    private let isOver = Mutex(false)

    private static let interval = Interval.milliseconds(15)
    /// More than anybody writes in the time that a report takes.
    private static let maxEntries = 20_000

    /// `prefix` is that of its keys; it is made one that no writer before had, if an experiment is repeated.
    init(_ name: String, prefix: String, through endpoints: [Endpoint]) {
        self.name = name
        self.prefix = "\(prefix)\(LabProbe.stamp)/"
        self.endpoints = endpoints
        client = Client(endpoints: endpoints, options: LabProbe.options)
    }

    func start() {
        let work = Task {
            var number = 0
            var place = 0
            while !self.isOver.withLock({ $0 }), number < Self.maxEntries {
                let entry = await LabProbe.write(
                    "\(self.prefix)\(number)", self.client, at: self.endpoints[place % self.endpoints.count])
                self.entries.withLock { $0.append(entry) }
                number += 1
                // Another may do better.
                if entry.outcome != .acknowledged { place += 1 }
                await LabRecorder.rest(Self.interval)
            }
        }
        task.withLock { $0 = work }
    }

    /// Waits for the write under way.
    func stop() async {
        let work = task.withLock { $0 }
        isOver.withLock { $0 = true }
        await work?.value
        await client.close()
    }

    var written: [Entry] { entries.withLock { $0 } }

    func account(since began: Instant) -> LabTimeline.Writer {
        LabTimeline.Writer(
            name: name,
            writes: written.map { entry in
                LabTimeline.Write(
                    from: LabRecorder.seconds(entry.from, since: began), to: LabRecorder.seconds(entry.to, since: began),
                    outcome: entry.outcome)
            })
    }
}

/// What can be done at one member at this moment: a write, a linearizable read, a read of what the member itself has.
struct LabProbe: Equatable, Sendable {
    var write: LabTimeline.Outcome
    var read: Bool
    var localRead: Bool
    /// Why the write was not acknowledged.
    var reason: String

    /// A number that was never used before in this report.
    static var stamp: UInt64 { Loop.now.nanoseconds / 1_000 % 1_000_000_000 }

    /// Short: a report waits for what does not come. Without a session, so that the log holds nothing but what was asked for.
    static var options: ClientOptions {
        var options = ClientOptions(timeout: .milliseconds(1_500))
        options.usesSession = false
        options.connectTimeout = .milliseconds(500)
        options.readAttempt = .milliseconds(300)
        options.initialBackoff = .milliseconds(10)
        options.maxBackoff = .milliseconds(50)
        options.statusTimeout = .milliseconds(500)
        return options
    }

    /// A key that is nobody else's, with itself as its value: one attempt at one member.
    static func write(_ key: String, _ client: Client, at member: Endpoint) async -> LabWriter.Entry {
        let began = Loop.now
        func entry(_ outcome: LabTimeline.Outcome, _ reason: String = "") -> LabWriter.Entry {
            LabWriter.Entry(key: Bytes(utf8: key), from: began, to: Loop.now, outcome: outcome, reason: reason)
        }
        do throws(ClientError) {
            _ = try await client.perform(.set(key: Bytes(utf8: key), value: .data(Bytes(utf8: key))), at: member)
            return entry(.acknowledged)
        } catch {
            let reason = error.attempts.first?.reason ?? error.brief
            if error.outcomeIsUnknown { return entry(.unknown, reason) }
            if case .badAnswer = error.kind { return entry(.unknown, reason) }
            return entry(.refused, reason)
        }
    }

    /// Tries all three at one member.
    static func at(_ member: Endpoint, _ client: Client, key: String) async -> LabProbe {
        let entry = await write(key, client, at: member)
        let read = await canRead(client, .linearizable, at: member)
        let local = await canRead(client, .local, at: member)
        return LabProbe(write: entry.outcome, read: read, localRead: local, reason: entry.reason)
    }

    private static func canRead(_ client: Client, _ consistency: Wire.Consistency, at member: Endpoint) async -> Bool {
        do throws(ClientError) {
            _ = try await client.perform(.get(key: "laboratory"), consistency, at: member)
            return true
        } catch {
            return false
        }
    }

    /// Its cells in a table: write, linearizable read, LOCAL read.
    var cells: [String] {
        [
            write == .acknowledged ? "acknowledged" : "\(write == .refused ? "refused" : "outcome unknown"): \(reason)",
            read ? "answered" : "refused", localRead ? "answered" : "refused",
        ]
    }
}
