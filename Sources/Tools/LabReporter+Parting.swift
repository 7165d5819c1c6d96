import Base
import Client
import Consensus
import EventLoop
import Keyspace
import Wire

// Experiments 4 and 5: partitions, and an entry that no majority had.
extension LabReporter {
    /// 4: partition 3|2 with the leader on the majority's side, or on the minority's; compare both; reconnect.
    func partition(leaderWithMajority: Bool) async throws(LabFailure) -> LabExperiment {
        let old = try await settled()
        let began = Loop.now
        let others = rig.names.filter { $0 != old.name }
        let minority = leaderWithMajority ? Array(others.suffix(2)) : [old.name, others[others.count - 1]].sorted()
        let majority = rig.names.filter { !minority.contains($0) }
        let number = leaderWithMajority ? "4a" : "4b"
        let writers = [
            LabWriter("at \(majority.joined(separator: " "))", prefix: "e\(number)/many/", through: majority.map(rig.endpoint)),
            LabWriter("at \(minority.joined(separator: " "))", prefix: "e\(number)/few/", through: minority.map(rig.endpoint)),
        ]
        for writer in writers { writer.start() }
        await LabRecorder.rest(Self.calm)
        recorder.mark("the links between \(majority.joined(separator: ", ")) and \(minority.joined(separator: ", ")) are cut")
        let parted = Loop.now
        try await cut(majority, minority)
        await LabRecorder.rest(Self.partition)
        let probed = try await sides(majority, minority, number)
        let during = await statuses()
        recorder.mark("the partition is healed")
        let healed = Loop.now
        try await heal()
        let new = try await settledWhileWriting()
        let whole = Loop.now
        await LabRecorder.rest(Self.calm)
        for writer in writers { await writer.stop() }
        try await settled()
        let ended = Loop.now
        var experiment = LabExperiment(
            number: number, title: "Partition 3 | 2, the leader with the \(leaderWithMajority ? "majority" : "minority")",
            question: "Partition 3 | 2 with the leader on the \(leaderWithMajority ? "majority" : "minority") side. Compare the statuses of both sides. Reconnect.",
            course: "\(LabWords.list(majority)) were cut off from \(LabWords.list(minority)) for \(LabWords.span(LabRecorder.seconds(healed, since: parted))), with a client writing on each side. \(old.name) led.")
        let accounts = writers.map { $0.account(since: began) }
        let window = (LabRecorder.seconds(parted, since: began), LabRecorder.seconds(healed, since: began))
        experiment.answer = [
            side(accounts[0], "The three", window, leaders: during, majority), side(accounts[1], "The two", window, leaders: during, minority),
        ]
        if !leaderWithMajority { experiment.answer.append(overthrow(of: old, after: parted)) }
        experiment.answer.append(terms(old, during, minority: minority, new: new, took: LabRecorder.seconds(whole, since: healed)))
        if leaderWithMajority { experiment.answer.append(gap(accounts[0], window.0, "When the partition began")) }
        experiment.tables = [Self.table(during, majority, minority), probed.table]
        experiment.claims =
            try await self.account(of: writers) + [
                LabClaim(
                    text: "The two acknowledged nothing as long as they were cut off, and answered no linearizable read.",
                    holds: !probed.minorityWorked && !Self.acknowledged(accounts[1], in: window))
            ]
        experiment.timeline = recorder.timeline(from: began, to: ended, writers: accounts)
        return experiment
    }

    private func cut(_ majority: [String], _ minority: [String]) async throws(LabFailure) {
        for (name, peers) in majority.map({ ($0, minority) }) + minority.map({ ($0, majority) }) {
            let links = peers.map { Wire.Link(peer: $0, dropsTo: true, dropsFrom: true) }
            try await order("cut \(name)'s links") { () async throws(ClientError) in
                try await all.setLinks(links, at: rig.endpoint(of: name))
            }
        }
    }

    /// What one member of each side could do.
    private func sides(
        _ majority: [String], _ minority: [String], _ number: String
    ) async throws(LabFailure) -> (table: LabTable, minorityWorked: Bool) {
        var table = LabTable(title: "What each side could do", headings: ["asked", "write", "linearizable read", "LOCAL read"])
        var minorityWorked = false
        for name in majority + minority {
            let probe = await LabProbe.at(rig.endpoint(of: name), all, key: "e\(number)/probe/\(name)/\(LabProbe.stamp)")
            table.rows.append([name + (minority.contains(name) ? " (of the two)" : " (of the three)")] + probe.cells)
            if minority.contains(name), probe.write == .acknowledged || probe.read { minorityWorked = true }
        }
        return (table, minorityWorked)
    }

    /// Whether a write was acknowledged that was asked for in this stretch of time, and a little after its beginning: what was on
    /// its way when the links were cut may still have come through.
    static func acknowledged(_ writer: LabTimeline.Writer, in window: (Double, Double)) -> Bool {
        writer.writes.contains { $0.outcome == .acknowledged && $0.from > window.0 + 0.1 && $0.to < window.1 }
    }

    /// What the writer of one side saw, and who led there.
    private func side(
        _ writer: LabTimeline.Writer, _ who: String, _ window: (Double, Double), leaders: [String: Wire.Status], _ names: [String]
    ) -> String {
        let writes = writer.writes.filter { $0.from > window.0 && $0.to < window.1 }
        func count(_ outcome: LabTimeline.Outcome) -> Int { writes.count { $0.outcome == outcome } }
        let acknowledged = count(.acknowledged)
        let statuses = names.compactMap { leaders[$0] }
        let leader = statuses.first { $0.role == .leader }
        let said = leader.map { "\($0.name) led in term \($0.term)" } ?? "nobody led"
        let refused = count(.refused), unknown = count(.unknown)
        let text = "\(who), \(LabWords.list(names)): \(said), and of \(LabWords.count(writes.count, "write")) while the links were cut \(acknowledged == 0 ? "none" : acknowledged == writes.count ? "all" : "\(acknowledged)") \(acknowledged == 1 ? "was" : "were") acknowledged"
        return refused + unknown == 0
            ? text + "." : text + "; \(refused) \(refused == 1 ? "was" : "were") refused for certain, and of \(unknown) the outcome was unknown to whoever asked."
    }

    /// How a leader without a majority learns that it is none.
    private func overthrow(of old: Wire.Status, after time: Instant) -> String {
        let words = recorder.words(since: time)
        func since(_ word: LabRecorder.Word) -> Double { LabRecorder.seconds(word.time, since: time) }
        let down = words.first { if case .stepsDown = $0.kind { $0.member == old.name } else { false } }
        let up = words.first { $0.kind == .leads && $0.term > old.term.rawValue }
        guard let down, let up else {
            return down.map { "\(old.name) stepped down after \(LabWords.span(since($0)))." } ?? "\(old.name) did not step down."
        }
        let overlap = since(down) - since(up)
        let both =
            overlap > 0
            ? " For \(LabWords.span(overlap)) two members believed that they led, in terms \(old.term) and \(up.term): but only the one with a majority could commit."
            : " At no moment did two members believe that they led."
        return "\(old.name) heard from no majority and stepped down \(LabWords.span(since(down))) after the cut; \(up.member) was elected in term \(up.term) \(LabWords.span(since(up))) after it.\(both)"
    }

    private func terms(
        _ old: Wire.Status, _ during: [String: Wire.Status], minority: [String], new: Wire.Status, took seconds: Double
    ) -> String {
        let highest = minority.compactMap { during[$0]?.term }.max() ?? 0
        let kept =
            highest <= old.term
            ? "The two went on asking each other and raised no term: they were still in term \(highest)."
            : "The two went from term \(old.term) to \(highest)."
        let after =
            new.name == old.name && new.term == old.term
            ? "After healing \(new.name) still led in term \(new.term)" : "After healing \(new.name) led in term \(new.term)"
        return "\(kept) \(after), and \(LabWords.span(seconds)) later all followed."
    }

    private static func table(_ statuses: [String: Wire.Status], _ majority: [String], _ minority: [String]) -> LabTable {
        var table = LabTable(
            title: "What both sides said of themselves before they were healed",
            headings: ["member", "side", "role", "term", "leader", "last log index", "commit index", "applied index"])
        for (name, side) in majority.map({ ($0, "three") }) + minority.map({ ($0, "two") }) {
            guard let status = statuses[name] else {
                table.rows.append([name, side, "no answer", "", "", "", "", ""])
                continue
            }
            table.rows.append([
                name, side, ClusterPrinter.role(status), "\(status.term)", status.leader.isEmpty ? "nobody" : status.leader,
                "\(status.lastLogIndex)", "\(status.commitIndex)", "\(status.appliedIndex)",
            ])
        }
        return table
    }
}
