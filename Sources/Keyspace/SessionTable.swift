import Base

/// All sessions (dissertation 6.3). What is in it depends on the log alone, also when a session ends: by the log's
/// time and order, and by limits that stand in the log.
///
/// Invariants: sessions ascend by id; there are at most `limits.sessions` and their answers take at most
/// `limits.answerBytes` (or are one alone); no session expires before `nextExpiry`; `answerBytes` is the sum of theirs.
struct SessionTable: Sendable, Equatable {
    private(set) var sessions: [Session] = []
    /// Those of the newest session.
    private(set) var limits = SessionLimits()
    private(set) var answerBytes = 0
    private var nextExpiry = UInt64.max

    init() {}

    /// What a snapshot held; the sessions ascend by id.
    init(_ sessions: [Session], limits: SessionLimits) {
        self.sessions = sessions
        self.limits = limits
        answerBytes = sessions.reduce(0) { $0 + $1.answerBytes }
        nextExpiry = sessions.map(\.expiry).min() ?? .max
    }

    var count: Int { sessions.count }

    /// Where a session stands, nil when there is none of this id. O(log sessions).
    func place(of id: UInt64) -> Int? {
        var low = 0
        var high = sessions.count
        while low < high {
            let middle = (low + high) / 2
            if sessions[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < sessions.count && sessions[low].id == id ? low : nil
    }

    enum Finding {
        /// Apply it, and let `remember` know.
        case new(place: Int)
        /// It was applied before; this was the answer.
        case answered(Outcome)
        case failed(OperationFailure.Reason)
    }

    /// Looks a request up, which counts as a use of its session.
    mutating func look(for sequence: UInt64, in id: UInt64, _ index: Index, timeMs: UInt64) -> Finding {
        guard let place = place(of: id) else { return .failed(.sessionExpired(session: id)) }
        sessions[place].lastUsedMs = timeMs
        sessions[place].lastUsed = index
        guard sequence > sessions[place].floor else { return .failed(.sequenceForgotten(sequence: sequence)) }
        switch sessions[place].answer(to: sequence) {
        case nil: return .new(place: place)
        case .forgotten: return .failed(.answerForgotten(sequence: sequence))
        case .set(let revision): return .answered(Outcome(revision: revision, result: .single(.set)))
        case .appended(let revision, let length):
            return .answered(Outcome(revision: revision, result: .single(.appended(length: length))))
        case .encoded(let bytes):
            do { return .answered(try Outcome(decoding: bytes)) } catch {
                preconditionFailure("an answer that was encoded here cannot be read: \(error)")
            }
        }
    }

    /// Right after `look` said it was new.
    mutating func remember(_ outcome: Outcome, for sequence: UInt64, at place: Int) {
        answerBytes -= sessions[place].answerBytes
        sessions[place].remember(Session.Answer(outcome), for: sequence)
        answerBytes += sessions[place].answerBytes
        if answerBytes > limits.answerBytes { makeRoom(keeping: sequence, at: place) }
    }

    /// The sessions that were not used for longest lose their answers first, and the one at `place` its older ones
    /// last. O(sessions).
    private mutating func makeRoom(keeping sequence: UInt64, at place: Int) {
        while answerBytes > limits.answerBytes {
            var oldest: Int?
            for other in sessions.indices where other != place && sessions[other].answerBytes > 0 {
                if oldest.map({ sessions[other].lastUsed < sessions[$0].lastUsed }) ?? true { oldest = other }
            }
            let victim = oldest ?? place
            let before = sessions[victim].answerBytes
            sessions[victim].forget(answerBytes - Int(limits.answerBytes), except: victim == place ? sequence : nil)
            answerBytes -= before - sessions[victim].answerBytes
            if oldest == nil { return }
        }
    }

    /// Opens a session whose id is the index of its entry (6.3). O(sessions) when there is no room.
    mutating func open(_ index: Index, _ limits: SessionLimits, timeMs: UInt64) {
        self.limits = limits
        while sessions.count >= limits.sessions {
            guard let oldest = sessions.indices.min(by: { sessions[$0].lastUsed < sessions[$1].lastUsed }) else { break }
            remove(at: oldest)
        }
        let session = Session(
            id: index.rawValue, idleMs: limits.idleMs, window: limits.window, lastUsedMs: timeMs, lastUsed: index)
        sessions.append(session)
        nextExpiry = min(nextExpiry, session.expiry)
    }

    /// Closes a session; nothing when there is none of this id.
    mutating func close(_ id: UInt64) {
        if let place = place(of: id) { remove(at: place) }
    }

    /// Ends the sessions that were not used for their time. O(1) nearly always: the sessions are looked through only when
    /// one of them may be over.
    mutating func expire(at timeMs: UInt64) {
        guard timeMs > nextExpiry else { return }
        sessions.removeAll { $0.expiry < timeMs }
        answerBytes = sessions.reduce(0) { $0 + $1.answerBytes }
        nextExpiry = sessions.map(\.expiry).min() ?? .max
    }

    private mutating func remove(at place: Int) {
        answerBytes -= sessions[place].answerBytes
        sessions.remove(at: place)
    }

    /// When it next looks for what has expired is no part of what the table is.
    static func == (a: SessionTable, b: SessionTable) -> Bool {
        a.sessions == b.sessions && a.limits == b.limits && a.answerBytes == b.answerBytes
    }
}
