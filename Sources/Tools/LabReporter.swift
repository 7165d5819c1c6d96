import Base
import Client
import EventLoop
import Keyspace
import Synchronization
import Wire

/// Runs the five experiments on a cluster of its own, and writes down what was seen. Each experiment is an extension; each leaves
/// a whole cluster behind.
struct LabReporter: Sendable {
    let rig: LabRig
    /// Asks any member.
    let all: Client
    /// For each member, a client that knows no other.
    let alone: [String: Client]
    let recorder: LabRecorder
    let progress: @Sendable (String) -> Void

    static let looksASecond = 25
    /// How long anything may take that has to come: an election, a member that catches up.
    static let patience = Interval.seconds(20)
    /// How long the writers write before and after something happens.
    static let calm = Interval.milliseconds(1_000)
    /// How long a partition stands.
    static let partition = Interval.milliseconds(2_500)

    init(_ rig: LabRig, progress: @escaping @Sendable (String) -> Void) {
        self.rig = rig
        self.progress = progress
        all = Client(endpoints: rig.endpoints, options: LabProbe.options)
        var clients: [String: Client] = [:]
        for name in rig.names { clients[name] = Client(endpoints: [rig.endpoint(of: name)], options: LabProbe.options) }
        alone = clients
        recorder = LabRecorder(rig, all)
    }

    /// Starts the cluster, and runs everything.
    func run() async throws(LabFailure) -> LabReport {
        let began = Loop.now
        progress("starting \(rig.names.count) members …")
        for name in rig.names { try rig.start(name) }
        recorder.start()
        let first = try await settled()
        var report = LabReport(version: first.version, members: rig.names)
        let experiments: [(String, @Sendable (LabReporter) async throws(LabFailure) -> LabExperiment)] = [
            ("1 of 6: who leads, and what changes", { reporter throws(LabFailure) in try await reporter.whoLeads() }),
            ("2 of 6: the leader stops", { reporter throws(LabFailure) in try await reporter.stopTheLeader() }),
            ("3 of 6: one member after the other", { reporter throws(LabFailure) in try await reporter.stopSeveral() }),
            ("4 of 6: a partition, the leader with the majority", { reporter throws(LabFailure) in try await reporter.partition(leaderWithMajority: true) }),
            ("5 of 6: a partition, the leader with the minority", { reporter throws(LabFailure) in try await reporter.partition(leaderWithMajority: false) }),
            ("6 of 6: an entry that was not committed", { reporter throws(LabFailure) in try await reporter.loseAnEntry() }),
        ]
        for (name, experiment) in experiments {
            progress("\(name) …")
            do throws(LabFailure) {
                report.experiments.append(try await experiment(self))
            } catch {
                // A machine that stood still for a second can make a follower of a leader that was about to be cut off.
                progress("\(name) once more …")
                try await mend()
                var second = try await experiment(self)
                second.course += " (The first attempt was given up: \(error.message).)"
                report.experiments.append(second)
            }
        }
        report.claims = try await claims()
        report.seconds = LabRecorder.seconds(Loop.now, since: began)
        progress("")
        return report
    }

    func close() async {
        recorder.stop()
        await all.close()
        for client in alone.values { await client.close() }
    }

    // MARK: Asking

    /// What each of these members says now; those that say nothing are missing.
    func statuses(_ names: [String]? = nil) async -> [String: Wire.Status] {
        let all = all, rig = rig
        return await withTaskGroup(of: (String, Wire.Status?).self) { group in
            for name in names ?? rig.names {
                group.addTask {
                    guard case .success(let status) = await all.status(at: rig.endpoint(of: name)).answer else { return (name, nil) }
                    return (name, status)
                }
            }
            var found: [String: Wire.Status] = [:]
            for await (name, status) in group { found[name] = status }
            return found
        }
    }

    /// Waits until all these members follow one leader and hold the same, applied; gives the leader's status.
    @discardableResult
    func settled(_ names: [String]? = nil) async throws(LabFailure) -> Wire.Status {
        let names = names ?? rig.names
        var leader = Wire.Status()
        try await until("\(LabWords.list(names)) agree") {
            let found = await self.statuses(names)
            guard found.count == names.count, let head = found.values.first(where: { $0.role == .leader }),
                found.values.allSatisfy({
                    $0.term == head.term && $0.leader == head.name && $0.lastLogIndex == head.lastLogIndex
                        && $0.appliedIndex == head.lastLogIndex
                })
            else { return false }
            leader = head
            return true
        }
        return leader
    }

    /// Waits until one of these members leads in a term after `term`.
    func elected(among names: [String], after term: Term) async throws(LabFailure) -> Wire.Status {
        var leader = Wire.Status()
        try await until("\(LabWords.list(names)) elect a leader") {
            guard let found = await self.statuses(names).values.first(where: { $0.role == .leader && $0.term > term }) else {
                return false
            }
            leader = found
            return true
        }
        return leader
    }

    /// Looks every 20 ms, for as long as patience lasts.
    func until(_ what: String, _ condition: () async -> Bool) async throws(LabFailure) {
        let deadline = Loop.now + Self.patience
        while !(await condition()) {
            guard Loop.now < deadline else {
                throw LabFailure("not within \(Durations.short(Self.patience)): \(what)" + (rig.casualty().map { "; \($0)" } ?? ""))
            }
            guard !Task.isCancelled else { throw LabFailure("the report was interrupted") }
            await LabRecorder.rest(.milliseconds(20))
        }
    }

    /// Orders to members, which may be given twice: repeated as long as they do not answer.
    func order(_ what: String, _ body: () async throws(ClientError) -> Void) async throws(LabFailure) {
        let deadline = Loop.now + Self.patience
        while true {
            do throws(ClientError) {
                return try await body()
            } catch {
                guard case .noAnswer = error.kind, Loop.now < deadline, !Task.isCancelled else {
                    throw LabFailure("\(what): \(error.brief)")
                }
                await LabRecorder.rest(.milliseconds(20))
            }
        }
    }

    /// Writes a key that is nobody else's, at any of these members, until it is acknowledged: to write it twice changes nothing.
    func keep(_ key: String, at names: [String]) async throws(LabFailure) -> LabWriter.Entry {
        let deadline = Loop.now + Self.patience
        var place = 0
        while true {
            let entry = await LabProbe.write(key, all, at: rig.endpoint(of: names[place % names.count]))
            guard entry.outcome != .acknowledged else { return entry }
            guard Loop.now < deadline, !Task.isCancelled else { throw LabFailure("\(key) is not acknowledged: \(entry.reason)") }
            place += 1
            await LabRecorder.rest(.milliseconds(20))
        }
    }

    /// Everybody runs, and every link is whole.
    private func mend() async throws(LabFailure) {
        for name in rig.names where !rig.isRunning(name) { try rig.start(name) }
        try await heal()
        try await settled()
    }

    func heal() async throws(LabFailure) {
        for name in rig.names {
            try await order("heal \(name)'s links") { () async throws(ClientError) in try await all.heal(at: rig.endpoint(of: name)) }
        }
    }

    // MARK: Claims

    /// Reads everything that was written, and compares it with what was promised.
    func account(of writers: [LabWriter]) async throws(LabFailure) -> [LabClaim] {
        var present: Set<Bytes> = []
        for writer in writers {
            do throws(ClientError) {
                present.formUnion(try await all.keys(prefix: Bytes(utf8: writer.prefix)))
            } catch {
                throw LabFailure("what was written cannot be read: \(error)")
            }
        }
        return Self.claims(of: writers.flatMap(\.written), present: present)
    }

    static func claims(of entries: [LabWriter.Entry], present: Set<Bytes>) -> [LabClaim] {
        func split(_ outcome: LabTimeline.Outcome) -> (all: Int, there: Int) {
            let keys = entries.filter { $0.outcome == outcome }.map(\.key)
            return (keys.count, keys.count { present.contains($0) })
        }
        let acknowledged = split(.acknowledged), refused = split(.refused)
        var claims = [
            LabClaim(
                text: "What was acknowledged is there: \(acknowledged.there) of \(acknowledged.all) writes.",
                holds: acknowledged.there == acknowledged.all)
        ]
        if refused.all > 0 {
            claims.append(
                LabClaim(
                    text: "What was refused is not there: \(refused.there) of \(refused.all) are.", holds: refused.there == 0))
        }
        return claims
    }

    /// Over the whole run: one leader a term, and the same store everywhere.
    private func claims() async throws(LabFailure) -> [LabClaim] {
        try await settled()
        var leaders: [UInt64: Set<String>] = [:]
        for word in recorder.words(since: .zero) where word.kind == .leads { leaders[word.term, default: []].insert(word.member) }
        for name in rig.names {
            for look in recorder.looks(at: name, since: .zero) {
                if let status = look.status, status.role == .leader { leaders[status.term.rawValue, default: []].insert(name) }
            }
        }
        let crowded = leaders.filter { $0.value.count > 1 }.keys.sorted()
        var stores: [String: Set<Bytes>] = [:]
        for name in rig.names {
            do throws(ClientError) {
                stores[name] = Set(try await alone[name]!.keys(consistency: .local))
            } catch {
                throw LabFailure("\(name)'s store cannot be read: \(error)")
            }
        }
        let first = stores[rig.names[0]] ?? []
        let others = rig.names.filter { stores[$0] != first }
        return [
            LabClaim(
                text: crowded.isEmpty
                    ? "No term had two leaders: \(leaders.count) terms with a leader, \(leaders.count) leaders."
                    : "Two leaders in term \(crowded.map(String.init).joined(separator: ", ")).",
                holds: crowded.isEmpty),
            LabClaim(
                text: others.isEmpty
                    ? "In the end all \(rig.names.count) members hold the same \(first.count) keys."
                    : "In the end \(LabWords.list(others)) hold other keys than \(rig.names[0]).",
                holds: others.isEmpty),
        ]
    }
}
