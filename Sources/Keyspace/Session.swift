import Base

/// One client's session: which of its requests were applied, and what they were answered (dissertation 6.3).
///
/// Invariants: sequences in `answers` ascend; those up to `floor` (and only those) are leftovers, which mean nothing;
/// `highest` is the last one's sequence, or 0; `answerBytes` is the sum over those beyond the floor.
struct Session: Sendable, Equatable {
    /// The index of the entry that opened it.
    let id: UInt64
    let idleMs: UInt64
    let window: UInt64
    /// The log's time and index when it was last used.
    var lastUsedMs: UInt64
    var lastUsed: Index
    private(set) var highest: UInt64 = 0
    private(set) var answers: [Remembered] = []
    private(set) var answerBytes = 0

    struct Remembered: Sendable, Equatable {
        var sequence: UInt64
        var answer: Answer
    }

    /// What a request was answered. The common ones need no memory of their own.
    enum Answer: Sendable, Equatable {
        case set(revision: UInt64)
        case appended(revision: UInt64, length: UInt64)
        /// An `Outcome`'s encoding.
        case encoded(Bytes)
        /// It was applied; the answer had to go.
        case forgotten

        init(_ outcome: Outcome) {
            switch outcome.result {
            case .single(.set): self = .set(revision: outcome.revision)
            case .single(.appended(let length)): self = .appended(revision: outcome.revision, length: length)
            default: self = .encoded(outcome.encode().compacted())
            }
        }

        var size: Int { if case .encoded(let bytes) = self { bytes.count } else { 0 } }
    }

    init(id: UInt64, idleMs: UInt64, window: UInt64, lastUsedMs: UInt64, lastUsed: Index) {
        self.id = id
        self.idleMs = idleMs
        self.window = window
        self.lastUsedMs = lastUsedMs
        self.lastUsed = lastUsed
    }

    /// When it expires if nothing uses it, in the log's milliseconds.
    var expiry: UInt64 { lastUsedMs.addingReportingOverflow(idleMs).overflow ? .max : lastUsedMs + idleMs }

    /// What stands at or before it is forgotten altogether.
    var floor: UInt64 { highest > window ? highest - window : 0 }

    /// What `sequence`, which is beyond the floor, was answered; nil when it was never applied. O(log window).
    func answer(to sequence: UInt64) -> Answer? {
        guard sequence <= highest else { return nil }
        let at = place(of: sequence)
        return at < answers.count && answers[at].sequence == sequence ? answers[at].answer : nil
    }

    /// Takes in the answer to a sequence beyond the floor that has none. Amortised O(1) when it is the newest.
    mutating func remember(_ answer: Answer, for sequence: UInt64) {
        let place = sequence > highest ? answers.count : place(of: sequence)
        answers.insert(Remembered(sequence: sequence, answer: answer), at: place)
        answerBytes += answer.size
        guard sequence > highest else { return }
        let before = self.place(of: floor + 1)
        highest = sequence
        let after = self.place(of: floor + 1)
        for leftover in before..<after {
            answerBytes -= answers[leftover].answer.size
            answers[leftover].answer = .forgotten
        }
        // Leftovers go when there are as many as there may be others, so that moving the rest costs little.
        if after >= Int(window) { answers.removeFirst(after) }
    }

    /// Lets go of answers that need memory, from the oldest on, until `bytes` less are held; never of the one to `kept`.
    mutating func forget(_ bytes: Int, except kept: UInt64?) {
        var left = bytes
        var at = place(of: floor + 1)
        while at < answers.count, left > 0 {
            let size = answers[at].answer.size
            if size > 0, answers[at].sequence != kept {
                answers[at].answer = .forgotten
                answerBytes -= size
                left -= size
            }
            at += 1
        }
    }

    /// The answers beyond the floor.
    var remembered: ArraySlice<Remembered> { answers[place(of: floor + 1)...] }

    /// It knows that there were requests, and none of them.
    var withoutAnswers: Session {
        var session = self
        session.answers = []
        session.answerBytes = 0
        return session
    }

    /// The place of the first answer whose sequence is at least `sequence`.
    private func place(of sequence: UInt64) -> Int {
        var low = 0
        var high = answers.count
        while low < high {
            let middle = (low + high) / 2
            if answers[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// What `encode` wrote; its answers follow one by one.
    init(from fields: inout FieldReader) throws(Command.Failure) {
        id = try fields.number()
        idleMs = try fields.number()
        window = try fields.number()
        lastUsedMs = try fields.number()
        lastUsed = Index(try fields.number())
        highest = try fields.number()
        guard id > 0, window > 0, window <= SessionLimits.ceilings.window else { throw .tooLong(at: fields.offset) }
    }

    /// Takes in an answer that a snapshot held, in order.
    mutating func restore(from fields: inout FieldReader) throws(Command.Failure) {
        let at = fields.offset
        let sequence = try fields.number()
        guard sequence > max(floor, answers.last?.sequence ?? 0), sequence <= highest else { throw .tooLong(at: at) }
        let answer: Answer
        switch try fields.byte() {
        case SnapshotFormat.AnswerCode.set:
            answer = .set(revision: try fields.number())
        case SnapshotFormat.AnswerCode.appended:
            answer = .appended(revision: try fields.number(), length: try fields.number())
        case SnapshotFormat.AnswerCode.encoded:
            let bytes = try fields.counted().compacted()
            _ = try Outcome(decoding: bytes)
            answer = .encoded(bytes)
        case SnapshotFormat.AnswerCode.forgotten:
            answer = .forgotten
        case let other:
            throw .unknownForm(other)
        }
        answers.append(Remembered(sequence: sequence, answer: answer))
        answerBytes += answer.size
    }

    /// Leftovers are no part of what a session is.
    static func == (a: Session, b: Session) -> Bool {
        (a.id, a.idleMs, a.window, a.lastUsedMs, a.lastUsed) == (b.id, b.idleMs, b.window, b.lastUsedMs, b.lastUsed)
            && a.highest == b.highest && a.answerBytes == b.answerBytes && a.remembered == b.remembered
    }
}
