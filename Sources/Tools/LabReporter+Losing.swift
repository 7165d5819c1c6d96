import Base
import Client
import Consensus
import EventLoop
import Keyspace
import Synchronization
import Wire

extension LabReporter {
    /// 5: an uncommitted entry on a leader that stops; a new leader; the old one comes back.
    func loseAnEntry() async throws(LabFailure) -> LabExperiment {
        let old = try await settled()
        let began = Loop.now
        let rest = rig.names.filter { $0 != old.name }
        await LabRecorder.rest(.milliseconds(500))
        recorder.mark("\(old.name), the leader, is cut off from all others")
        // At the leader alone: its faults end with it, and it comes back with none.
        let links = rest.map { Wire.Link(peer: $0, dropsTo: true, dropsFrom: true) }
        try await order("cut \(old.name) off") { () async throws(ClientError) in
            try await all.setLinks(links, at: rig.endpoint(of: old.name))
        }
        recorder.mark("a client writes at \(old.name)")
        let lost = "e5/lost/\(LabProbe.stamp)", keeper = "e5/kept/\(LabProbe.stamp)"
        let place = rig.endpoint(of: old.name)
        let writing = Task { await LabProbe.write(lost, all, at: place) }
        let index = Index(old.lastLogIndex.rawValue + 1)
        var before = Record()
        try await until("\(old.name) has the entry in its log") {
            before = await self.record(at: index, of: old.name)
            return before.isThere
        }
        recorder.mark("\(old.name) is killed, the entry in its log")
        rig.kill(old.name)
        let outcome = await writing.value
        let new = try await elected(among: rest, after: old.term)
        await LabRecorder.rest(.milliseconds(500))
        let kept = try await keep(keeper, at: rest)
        recorder.mark("another write is acknowledged by the others")
        await LabRecorder.rest(.milliseconds(300))
        recorder.mark("\(old.name) is started again")
        try rig.start(old.name)
        let last = try await settled()
        recorder.mark("\(old.name) has the others' log")
        let after = try await committed(at: index, of: old.name)
        let elsewhere = try await committed(at: index, of: new.name)
        await LabRecorder.rest(Self.calm)
        let ended = Loop.now
        let isThere = try await has(lost)
        var experiment = LabExperiment(
            number: "5", title: "An entry that was not committed when its leader stopped",
            question: "An uncommitted entry on a leader that stops; a new leader; the old one comes back. What becomes of the entry?",
            course: "\(old.name) was cut off, took one more write into its log that it could send to nobody, and was killed. The others went on; then \(old.name) came back.")
        let told = outcome.outcome == .acknowledged ? "acknowledged" : outcome.outcome == .unknown ? "told that the outcome is unknown" : "told that nothing was done"
        experiment.answer = [
            "The entry at index \(index), written in term \(before.term) (\(before.words)), stood in \(old.name)'s log and \(before.isCommitted ? "was committed" : "was not committed"); its client was \(told).",
            "\(new.name) was elected in term \(new.term) without it. When \(old.name) came back, its log held at index \(index) an entry of term \(after.term) (\(after.words)), \(after.isCommitted ? "committed" : "not committed"), \(after == elsewhere ? "the same as \(new.name)'s" : "while \(new.name)'s is of term \(elsewhere.term)").",
            isThere
                ? "The value that the entry carried is in the store."
                : "The value that the entry carried is nowhere in the store: an entry that no majority has may be replaced, and nobody had been promised that it stays.",
        ]
        experiment.tables = [
            LabTable(
                title: "The entry at index \(index)", headings: ["whose log", "when", "term", "committed", "what"],
                rows: [
                    [old.name, "before it was killed"] + before.cells, [old.name, "after it came back"] + after.cells,
                    [new.name, "at the end"] + elsewhere.cells,
                ])
        ]
        let claims = Self.claims(of: [outcome, kept], present: Set((isThere ? [lost] : []).map { Bytes(utf8: $0) } + (try await has(keeper) ? [kept.key] : [])))
        experiment.claims =
            claims + [
                LabClaim(
                    text: "\(old.name)'s log became the same as \(last.name)'s, the leader's: what differed was replaced.",
                    holds: after == elsewhere && after.isCommitted)
            ]
        experiment.timeline = recorder.timeline(from: began, to: ended, writers: [])
        return experiment
    }

    /// One entry of one member's log, as far as it is there.
    struct Record: Equatable, Sendable {
        var isThere = false
        var term: UInt64 = 0
        var isCommitted = false
        var words = ""
        var cells: [String] { isThere ? ["\(term)", isCommitted ? "yes" : "no", words] : ["", "", "not there"] }
    }

    private func record(at index: Index, of name: String) async -> Record {
        let found = Mutex(Record())
        do throws(ClientError) {
            try await alone[name]!.eachLogRecord(from: index, limit: 1) { records in
                if let record = records.first(where: { $0.index == index }) {
                    found.withLock {
                        $0 = Record(
                            isThere: true, term: record.term.rawValue, isCommitted: record.isCommitted, words: LogPrinter.summary(record))
                    }
                }
                return true
            }
        } catch {
            // It has no such entry yet, or does not answer: whoever waits for it asks again.
            return Record()
        }
        return found.withLock { $0 }
    }

    /// The same, when it knows it committed.
    private func committed(at index: Index, of name: String) async throws(LabFailure) -> Record {
        var found = Record()
        try await until("\(name) has committed index \(index)") {
            found = await self.record(at: index, of: name)
            return found.isCommitted
        }
        return found
    }

    private func has(_ key: String) async throws(LabFailure) -> Bool {
        do throws(ClientError) {
            return try await all.get(Bytes(utf8: key)).value != nil
        } catch {
            throw LabFailure("\(key) cannot be read: \(error)")
        }
    }
}
