@testable import Keyspace
import Base
import Testing

/// Sessions as simply as they can be said: every answer kept for ever, and what is forgotten worked out anew each time.
private struct SessionModel {
    struct Session {
        var idleMs: UInt64
        var window: UInt64
        var lastUsedMs: UInt64
        var answers: [UInt64: Outcome] = [:]
        var highest: UInt64 { answers.keys.max() ?? 0 }
    }

    var sessions: [UInt64: Session] = [:]
    /// Least recently used first.
    var order: [UInt64] = []
    var model = Model()

    mutating func expire(_ timeMs: UInt64) {
        for id in order where sessions[id]!.lastUsedMs + sessions[id]!.idleMs < timeMs { close(id) }
    }

    mutating func close(_ id: UInt64) {
        sessions[id] = nil
        order.removeAll { $0 == id }
    }

    mutating func open(_ id: UInt64, _ limits: SessionLimits, _ timeMs: UInt64) {
        while order.count >= Int(limits.sessions) { close(order[0]) }
        sessions[id] = Session(idleMs: limits.idleMs, window: limits.window, lastUsedMs: timeMs)
        order.append(id)
    }

    mutating func apply(_ command: Command, _ id: UInt64, _ sequence: UInt64, _ timeMs: UInt64) -> Outcome {
        func failed(_ reason: OperationFailure.Reason) -> Outcome {
            Outcome(revision: model.revision, result: .failed(OperationFailure(operation: 0, reason: reason)))
        }
        guard id != 0 else { return model.apply(command) }
        guard var session = sessions[id] else { return failed(.sessionExpired(session: id)) }
        session.lastUsedMs = timeMs
        order.removeAll { $0 == id }
        order.append(id)
        defer { sessions[id] = session }
        if sequence == 0 || sequence + session.window <= session.highest {
            return failed(.sequenceForgotten(sequence: sequence))
        }
        if let first = session.answers[sequence] { return first }
        let outcome = model.apply(command)
        session.answers[sequence] = outcome
        return outcome
    }
}

/// A keyspace behind a reference, which expectations can speak of.
final class Space {
    var space = Keyspace()

    var revision: UInt64 { space.revision }
    var sessionCount: Int { space.sessionCount }
    var appliedIndex: Index { space.appliedIndex }
    var contents: KeyspaceContents { space.contents }
    func hasSession(_ id: UInt64) -> Bool { space.hasSession(id) }
    func length(of key: Bytes) -> UInt64 { space.length(of: key) }
    func value(of key: Bytes) -> Value? { space.value(of: key).value }
    func apply(_ entry: Entry) throws -> Outcome { try space.apply(entry, wantsResult: true) }

    /// Applies the next entry.
    @discardableResult
    func run(
        kind: Entry.Kind = .command, _ command: Command? = nil, limits: SessionLimits? = nil, session: UInt64 = 0,
        sequence: UInt64 = 0, timeMs: UInt64 = 1, wantsResult: Bool = true
    ) throws -> Outcome {
        let data = command?.encode() ?? limits?.encode() ?? Bytes()
        let entry = Entry(
            term: 1, index: space.appliedIndex.next, kind: kind, timeMs: timeMs, sessionID: session, sequence: sequence,
            data: data)
        return try space.apply(entry, wantsResult: wantsResult)
    }

    func open(_ limits: SessionLimits = SessionLimits(), timeMs: UInt64 = 1) throws -> UInt64 {
        guard case .session(let id) = try run(kind: .openSession, limits: limits, timeMs: timeMs).result else {
            Issue.record("a session was to be opened")
            return 0
        }
        return id
    }
}

@Suite struct SessionTests {
    let append = Command.single(.append(key: "k", suffix: "x"))

    func limits(_ sessions: UInt64 = 4096, idleMs: UInt64 = 1_000, window: UInt64 = 256, bytes: UInt64 = 64 << 20) -> SessionLimits {
        var limits = SessionLimits()
        (limits.sessions, limits.idleMs, limits.window, limits.answerBytes) = (sessions, idleMs, window, bytes)
        return limits
    }

    func reason(_ outcome: Outcome) -> OperationFailure.Reason? {
        if case .failed(let failure) = outcome.result { failure.reason } else { nil }
    }

    @Test("a repeated request is not applied again and gets the first answer, whatever came between")
    func repeated() throws {
        let space = Space()
        let id = try space.open()
        #expect(id == 1, "a session's id is the index of its entry")
        let first = try space.run(append, session: id, sequence: 1)
        #expect(first.result == .single(.appended(length: 1)))
        try space.run(append, session: id, sequence: 2)
        try #expect(space.run(.single(.append(key: "k", suffix: "other")), session: id, sequence: 1) == first)
        #expect(space.value(of: "k") == .data("xx") && space.revision == 2)
        // Every kind of answer, those that hold values too, and refusals.
        let commands: [Command] = [
            .single(.delete(key: "k")), .single(.delete(key: "k")), .single(.appendItem(key: "l", item: "i")),
            .transaction([.get(key: "l"), .set(key: "m", value: .data("v")), .strlen(key: "m"), .keys(prefix: "", startAfter: "", limit: 0)]),
            .single(.append(key: "l", suffix: "wrong kind")), .single(.set(key: "k", value: .list(["a", "b"]))),
        ]
        var answers: [Outcome] = []
        for (number, command) in commands.enumerated() {
            answers.append(try space.run(command, session: id, sequence: 3 + UInt64(number)))
        }
        let before = space.contents
        for (number, command) in commands.enumerated() {
            try #expect(space.run(command, session: id, sequence: 3 + UInt64(number)) == answers[number])
            // Nobody waits for it here: the same, unsaid.
            let silent = try space.run(command, session: id, sequence: 3 + UInt64(number), wantsResult: false)
            #expect(silent.revision == answers[number].revision)
        }
        #expect(space.contents.map.all.map(\.key) == before.map.all.map(\.key))
        #expect(space.revision == before.revision)
    }

    @Test("requests of one session may arrive in any order, within its window")
    func window() throws {
        let space = Space()
        let id = try space.open(limits(window: 4))
        for sequence in [3, 1, 6, 4] as [UInt64] { #expect(try reason(space.run(append, session: id, sequence: sequence)) == nil) }
        #expect(space.length(of: "k") == 4)
        // 6 - 4: up to 2 all is forgotten, whether it was applied or not.
        for sequence in [0, 1, 2] as [UInt64] {
            #expect(try reason(space.run(append, session: id, sequence: sequence)) == .sequenceForgotten(sequence: sequence))
        }
        try #expect(space.run(append, session: id, sequence: 5).result == .single(.appended(length: 5)))
        try #expect(space.run(append, session: id, sequence: 3).result == .single(.appended(length: 1)))
        #expect(try reason(space.run(append, session: id, sequence: .max)) == nil, "the last of all sequences")
        #expect(try reason(space.run(append, session: id, sequence: 6)) == .sequenceForgotten(sequence: 6))
        #expect(space.length(of: "k") == 6)
    }

    @Test("a session that is not used expires by the log's time, and its requests are never applied again")
    func expiry() throws {
        let space = Space()
        let id = try space.open(limits(idleMs: 1_000), timeMs: 10_000)
        try space.run(append, session: id, sequence: 1, timeMs: 11_000)
        // To the millisecond, and each use counts, a repeated request's too.
        try space.run(append, session: id, sequence: 1, timeMs: 12_000)
        #expect(space.hasSession(id) && space.length(of: "k") == 1)
        try space.run(kind: .noOperation, timeMs: 13_000)
        #expect(space.hasSession(id))
        let late = try space.run(append, session: id, sequence: 2, timeMs: 13_001)
        #expect(reason(late) == .sessionExpired(session: id) && !space.hasSession(id) && space.length(of: "k") == 1)
        // A clock that runs backwards brings nothing back.
        #expect(try reason(space.run(append, session: id, sequence: 1, timeMs: 10_000)) == .sessionExpired(session: id))
        #expect(try reason(space.run(append, session: 77, sequence: 1)) == .sessionExpired(session: 77))
        let other = try space.open(timeMs: 13_001)
        try space.run(kind: .closeSession, session: other)
        #expect(!space.hasSession(other) && space.sessionCount == 0)
        try space.run(kind: .closeSession, session: other)
        let refusal = OperationFailure(operation: 0, reason: .sessionExpired(session: 9)).refusal(inTransaction: false)
        #expect(refusal.code == .failedPrecondition && refusal.message.hasPrefix("session expired"))
    }

    @Test("when there is no room for a session, the one that was not used for longest goes")
    func eviction() throws {
        let space = Space()
        let three = limits(3)
        let (a, b, c) = (try space.open(three), try space.open(three), try space.open(three))
        try space.run(append, session: a, sequence: 1)
        let d = try space.open(three)
        #expect(space.hasSession(a) && !space.hasSession(b) && space.hasSession(c) && space.hasSession(d))
        // The limits are those of the newest session's entry: it says there may be one alone.
        let e = try space.open(limits(1))
        #expect(space.sessionCount == 1 && space.hasSession(e))
    }

    @Test("answers are kept within the bytes that the log allows; what was applied is known all the same")
    func answerBytes() throws {
        let space = Space()
        let bounded = limits(bytes: 2_500)
        let old = try space.open(bounded), new = try space.open(bounded)
        let value = Bytes([UInt8](repeating: 7, count: 1_000))
        func delete(_ session: UInt64, _ sequence: UInt64) throws -> Outcome {
            try space.run(.single(.set(key: "big", value: .data(value))))
            return try space.run(.single(.delete(key: "big")), session: session, sequence: sequence)
        }
        _ = try delete(old, 1)
        let kept = try delete(new, 1)
        #expect(space.contents.sessions.answerBytes > 2_000)
        _ = try delete(new, 2)
        #expect(space.contents.sessions.answerBytes <= 2_500)
        try #expect(reason(space.run(append, session: old, sequence: 1)) == .answerForgotten(sequence: 1))
        #expect(try space.run(append, session: new, sequence: 1) == kept)
        _ = try delete(new, 3)
        try #expect(reason(space.run(append, session: new, sequence: 1)) == .answerForgotten(sequence: 1))
        #expect(space.length(of: "k") == 0, "nothing was applied twice")
        // Bytes too few for any answer: the newest stays until the next.
        let tight = Space()
        let id = try tight.open(limits(bytes: 0))
        try tight.run(.single(.set(key: "k", value: .data(value))), session: id, sequence: 1)
        let deleted = try tight.run(.single(.delete(key: "k")), session: id, sequence: 2)
        #expect(try tight.run(append, session: id, sequence: 2) == deleted)
        try tight.run(.single(.delete(key: "k")), session: id, sequence: 3)
        #expect(try reason(tight.run(append, session: id, sequence: 2)) == .answerForgotten(sequence: 2))
    }

    @Test("random sessions do what a plain model does", arguments: 1...6 as ClosedRange<UInt64>)
    func model(seed: UInt64) throws {
        var samples = Samples(seed: seed)
        let space = Space()
        var model = SessionModel()
        var timeMs: UInt64 = 1_000
        var next: [UInt64: UInt64] = [:]
        var known: [UInt64] = [0, 999_999_999]
        var kinds: [String: Int] = [:]
        for _ in 0..<8_000 {
            timeMs += samples.number(20) == 0 ? samples.number(400) : 0
            model.expire(timeMs)
            let choice = samples.number(60)
            if choice == 0 {
                let limits = limits(1 + samples.number(6), idleMs: 300 + samples.number(900), window: 1 + samples.number(9))
                known.append(try space.open(limits, timeMs: timeMs))
                model.open(known.last!, limits, timeMs)
            } else if choice == 1 {
                let id = known[Int(samples.number(UInt64(known.count)))]
                try space.run(kind: .closeSession, session: id, timeMs: timeMs)
                model.close(id)
            } else {
                let recent = UInt64(min(known.count, 8))
                let id = known[samples.number(5) == 0 ? Int(samples.number(2)) : known.count - 1 - Int(samples.number(recent))]
                let newest = next[id] ?? 0
                let sequence = samples.number(3) == 0 ? newest + 1 + samples.number(3) : newest - min(newest, samples.number(12))
                if id != 0 { next[id] = max(newest, sequence) }
                let command = samples.command()
                let expected = model.apply(command, id, sequence, timeMs)
                let outcome = try space.run(command, session: id, sequence: sequence, timeMs: timeMs)
                #expect(outcome == expected)
                kinds[reason(outcome).map { "\($0)".prefix { $0 != "(" }.description } ?? "done", default: 0] += 1
            }
            #expect(space.sessionCount == model.sessions.count)
        }
        for kind in ["sequenceForgotten", "sessionExpired", "done"] { #expect(kinds[kind, default: 0] > 500, "\(kinds)") }
    }

    @Test("limits are read back, held in their ranges, and refused when they are anything else")
    func limitsEncoding() throws {
        let some = limits(7, idleMs: 5, window: 3, bytes: 99)
        #expect(try SessionLimits(decoding: some.encode(), version: 1) == some)
        #expect(some.encode() == hex("07 05 03 63"))
        let wild = try SessionLimits(decoding: limits(.max, idleMs: .max, window: .max, bytes: .max).encode(), version: 1)
        #expect(wild.sessions == 65_536 && wild.window == 4096 && wild.answerBytes == 1 << 30)
        let none = try SessionLimits(decoding: limits(0, idleMs: 0, window: 0, bytes: 0).encode(), version: 1)
        #expect(none.sessions == 1 && none.idleMs == 1 && none.window == 1)
        #expect(throws: Command.Failure.unknownVersion(2)) { try SessionLimits(decoding: some.encode(), version: 2) }
        for bytes in [hex(""), hex("07 05 03"), hex("07 05 03 63 00"), hex("ff")] {
            #expect(throws: Command.Failure.self) { try SessionLimits(decoding: bytes, version: 1) }
        }
        let space = Space()
        let entry = Entry(term: 1, index: 1, kind: .openSession, timeMs: 5, data: hex("07"))
        #expect(throws: Keyspace.Failure.self) { _ = try space.apply(entry) }
        #expect(space.appliedIndex == 0 && space.contents.timeMs == 0, "an entry that cannot be read changes nothing")
    }

    @Test("what sessions say is read back by those who passed a write on")
    func outcomes() throws {
        let reasons: [OperationFailure.Reason] = [
            .sessionExpired(session: 300), .sequenceForgotten(sequence: 1), .answerForgotten(sequence: .max),
        ]
        for reason in reasons {
            let outcome = Outcome(revision: 4, result: .failed(OperationFailure(operation: 0, reason: reason)))
            #expect(try Outcome(decoding: outcome.encode()) == outcome)
        }
        let opened = Outcome(revision: 4, result: .session(300))
        #expect(opened.encode() == hex("01 04 04 ac02"))
        #expect(try Outcome(decoding: opened.encode()) == opened)
    }
}
