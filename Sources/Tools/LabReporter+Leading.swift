import Base
import Client
import Consensus
import EventLoop
import Keyspace
import Wire

// Experiments 1, 2 and 3: who leads, and what happens when members stop.
extension LabReporter {
    /// 1: who leads, and can there be two; what changes in the status after PUT, APPEND, GET.
    func whoLeads() async throws(LabFailure) -> LabExperiment {
        let leader = try await settled()
        let began = Loop.now
        await LabRecorder.rest(Self.calm)
        let others = rig.names.filter { $0 != leader.name }
        var rows: [[String]] = []
        var grew: [(name: String, entries: Int)] = []
        let key: Bytes = "e1/list"
        let client = all
        let steps: [(String, @Sendable () async throws(ClientError) -> Void)] = [
            ("PUT a list", { () async throws(ClientError) in try await client.set(key, .list(ItemList(["cat", "dog"] as [Bytes]))) }),
            ("APPEND an item", { () async throws(ClientError) in try await client.append(key, item: "mouse") }),
            ("GET", { () async throws(ClientError) in _ = try await client.get(key) }),
        ]
        for (name, step) in steps {
            let before = try await settled()
            recorder.mark(name)
            try await order(name, step)
            let after = try await settled()
            func change(_ path: (Wire.Status) -> UInt64) -> String { "\(path(before)) → \(path(after))" }
            rows.append([
                name, change(\.lastLogIndex.rawValue), change(\.commitIndex.rawValue), change(\.appliedIndex.rawValue),
                change(\.term.rawValue), change(\.revision),
            ])
            grew.append((name, Int(after.lastLogIndex.rawValue) - Int(before.lastLogIndex.rawValue)))
            await LabRecorder.rest(.milliseconds(300))
        }
        let tried = others[0]
        recorder.mark("\(tried)'s election timer runs out")
        try await order("let \(tried)'s timer run out") { () async throws(ClientError) in
            try await client.expireElectionTimer(at: rig.endpoint(of: tried))
        }
        await LabRecorder.rest(Self.calm)
        let after = try await settled()
        let ended = Loop.now
        let seen = leadersSeen(since: began)
        var experiment = LabExperiment(
            number: "1", title: "Who leads, and can there be two?",
            question: "Who leads, and can there be two? What changes in the status after PUT, APPEND and GET?",
            course: "Everybody was asked \(Self.looksASecond) times a second who they are, while a list was put, appended to and read, and while one follower was made to campaign.")
        let whoever = seen.map { "\($0.name) in term \($0.term)" }
        experiment.answer.append(
            seen.count == 1 && seen[0].name == leader.name
                ? "\(leader.name) led in term \(leader.term), and at no moment did anybody else say that it leads."
                : "One after the other led: \(LabWords.list(whoever)).")
        experiment.answer.append(
            after.term == leader.term
                ? "\(tried)'s election timer ran out, and nothing came of it: the term stayed \(after.term). The others still heard their leader and refused even to say that they would vote."
                : "\(tried)'s election timer ran out, and the term went from \(leader.term) to \(after.term); \(after.name) leads.")
        experiment.answer.append(
            grew.map { "\($0.name) \($0.entries == 0 ? "added no entry" : "added \(LabWords.count($0.entries, "entry", "entries"))") to the log" }
                .joined(separator: ", ") + ". Last, commit and applied index went up together; a read only looks.")
        experiment.tables = [LabTable(title: "The status before and after", headings: ["", "last log index", "commit index", "applied index", "term", "revision"], rows: rows)]
        experiment.timeline = recorder.timeline(from: began, to: ended, writers: [])
        return experiment
    }

    /// Everybody who said that it leads, in the order of the terms.
    func leadersSeen(since began: Instant) -> [(name: String, term: UInt64)] {
        var seen: [(name: String, term: UInt64)] = []
        for name in rig.names {
            for look in recorder.looks(at: name, since: began) {
                guard let status = look.status, status.role == .leader else { continue }
                let term = status.term.rawValue
                if !seen.contains(where: { $0.name == name && $0.term == term }) { seen.append((name, term)) }
            }
        }
        return seen.sorted { ($0.term, $0.name) < ($1.term, $1.name) }
    }

    /// 2: stop the leader; write; start it again; is the write there; what caused the election.
    func stopTheLeader() async throws(LabFailure) -> LabExperiment {
        let old = try await settled()
        let began = Loop.now
        let writer = LabWriter("a client", prefix: "e2/", through: rig.endpoints)
        writer.start()
        await LabRecorder.rest(Self.calm)
        recorder.mark("\(old.name), the leader, is killed")
        let killed = Loop.now
        rig.kill(old.name)
        let rest = rig.names.filter { $0 != old.name }
        let new = try await elected(among: rest, after: old.term)
        await LabRecorder.rest(Self.calm)
        let key = "e2/while it was away/\(LabProbe.stamp)"
        _ = try await keep(key, at: rest)
        await LabRecorder.rest(.milliseconds(300))
        recorder.mark("\(old.name) is started again")
        let restarted = Loop.now
        try rig.start(old.name)
        let one = alone[old.name]!
        try await until("\(old.name) has what was written while it was away") {
            do throws(ClientError) { return try await one.get(Bytes(utf8: key), consistency: .local).value != nil } catch { return false }
        }
        let back = Loop.now
        recorder.mark("\(old.name) has the write that it missed")
        await LabRecorder.rest(Self.calm)
        await writer.stop()
        try await settled()
        let ended = Loop.now
        let account = writer.account(since: began)
        var experiment = LabExperiment(
            number: "2", title: "The leader stops",
            question: "Stop the leader; write; start it again. Is the write there? What caused the election?",
            course: "A client wrote a new key every 15 ms or so. \(old.name) was killed as by a power cut, and started again later.")
        let at = LabRecorder.seconds(killed, since: began)
        experiment.answer = [
            gap(account, at, "While \(old.name) was gone"),
            cause(of: new, after: killed),
            "What was written while it was away (\(key)) was acknowledged by a cluster without \(old.name). \(LabWords.span(LabRecorder.seconds(back, since: restarted))) after \(old.name) was started again it had that write, too, and it is a follower now.",
        ]
        experiment.claims = try await self.account(of: [writer])
        experiment.timeline = recorder.timeline(from: began, to: ended, writers: [account])
        return experiment
    }

    /// How long somebody who writes was kept waiting by what happened at `time`.
    func gap(_ writer: LabTimeline.Writer, _ time: Double, _ when: String) -> String {
        guard let gap = writer.gap(from: time, until: time + 2), let end = gap.end else {
            return "\(when), no write of \(writer.name) was acknowledged any more."
        }
        return "\(when), \(writer.name) had no acknowledgement for \(LabWords.span(end - gap.begin)): from \(Durations.fixed(gap.begin, places: 2)) s to \(Durations.fixed(end, places: 2)) s. Before and after, writes went on."
    }

    /// What the members' logs say of why this one was elected.
    func cause(of new: Wire.Status, after time: Instant) -> String {
        let words = recorder.words(since: time).filter { $0.term == 0 || $0.term <= new.term.rawValue }
        guard let first = words.first(where: { $0.kind == .timedOut }) else {
            return "\(new.name) was elected in term \(new.term)."
        }
        let silence = LabWords.span(LabRecorder.seconds(first.time, since: time))
        let campaigns = words.filter { $0.kind == .campaigns }
        let leads = words.first { $0.kind == .leads && $0.term == new.term.rawValue }
        var text = "The election was caused by silence: \(silence) later \(first.member)'s election timer ran out, since it had heard no leader."
        if let campaign = campaigns.last(where: { $0.member == new.name }) {
            text += " \(new.name) asked for votes in term \(campaign.term)"
            if let leads { text += " and led \(LabWords.span(LabRecorder.seconds(leads.time, since: time))) after the leader fell silent" }
            text += "."
        }
        let rivals = Set(campaigns.map(\.member)).subtracting([new.name]).sorted()
        if !rivals.isEmpty { text += " \(LabWords.list(rivals)) asked for votes, too, in vain." }
        return text
    }

    /// 3: stop a follower, then the leader too; what still works; restart all.
    func stopSeveral() async throws(LabFailure) -> LabExperiment {
        let first = try await settled()
        let began = Loop.now
        let writer = LabWriter("a client", prefix: "e3/", through: rig.endpoints)
        writer.start()
        await LabRecorder.rest(.milliseconds(500))
        var alive = rig.names
        var stages: [Stage] = [await stage("all run", alive, asked: first.name)]
        let follower = alive.first { $0 != first.name }!
        stop(follower, "a follower", &alive)
        await LabRecorder.rest(.milliseconds(500))
        stages.append(await stage("\(follower) is stopped", alive, asked: first.name))
        stop(first.name, "the leader", &alive)
        let second = try await elected(among: alive, after: first.term)
        await LabRecorder.rest(.milliseconds(500))
        stages.append(await stage("\(first.name), the leader, too", alive, asked: second.name))
        stop(second.name, "the next leader", &alive)
        let orphans = alive
        try await until("the two that are left know that nobody leads") {
            await self.statuses(orphans).values.allSatisfy { $0.leader.isEmpty && $0.role != .leader }
        }
        await LabRecorder.rest(.milliseconds(800))
        stages.append(await stage("\(second.name), the next leader, too", alive, asked: alive[0]))
        let terms = await statuses(alive).values.map(\.term).max() ?? 0
        recorder.mark("all are started again")
        for name in rig.names where !alive.contains(name) { try rig.start(name) }
        let last = try await settledWhileWriting()
        await LabRecorder.rest(Self.calm)
        stages.append(await stage("all run again", rig.names, asked: last.name))
        await writer.stop()
        try await settled()
        let ended = Loop.now
        var experiment = LabExperiment(
            number: "3", title: "A follower stops, then the leader too, then one more",
            question: "Stop a follower, then the leader too: what still works? Restart all.",
            course: "One member after the other was killed, without being asked, until two of five were left; then all were started again.")
        experiment.answer = Self.answer(stages, of: rig.names.count)
        experiment.answer.append(
            "While two were left their term was \(terms); after the restart \(last.name) led in term \(last.term)."
                + (terms <= second.term ? " Nobody raised terms in vain: members ask first whether an election could be won." : ""))
        experiment.tables = [
            LabTable(title: "What worked", headings: ["", "run", "leader", "write", "linearizable read", "LOCAL read"], rows: stages.map(\.cells))
        ]
        experiment.claims = try await self.account(of: [writer]) + Self.claims(stages, of: rig.names.count)
        experiment.timeline = recorder.timeline(from: began, to: ended, writers: [writer.account(since: began)])
        return experiment
    }

    private func stop(_ name: String, _ what: String, _ alive: inout [String]) {
        recorder.mark("\(name), \(what), is killed")
        rig.kill(name)
        alive.removeAll { $0 == name }
    }

    /// One leader for all, while somebody writes and logs never stand still.
    func settledWhileWriting() async throws(LabFailure) -> Wire.Status {
        var leader = Wire.Status()
        try await until("all members follow one leader") {
            let found = await self.statuses()
            guard found.count == rig.names.count, let head = found.values.first(where: { $0.role == .leader }),
                found.values.allSatisfy({ $0.term == head.term && $0.leader == head.name })
            else { return false }
            leader = head
            return true
        }
        return leader
    }
}
