import Base
import GRPC

/// Why a call brought no answer, and what that means for the store.
public struct ClientError: Error, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// A member answered: it cannot be done. Nothing was applied.
        case rejected(Status)
        /// Nobody could do it in time. Nothing was applied, and that is certain.
        case noAnswer
        /// The request was sent and its answer never came: it may or may not be applied, now or a little later.
        case outcomeUnknown(Status)
        /// The session of the write was over before it came, so that it was not applied.
        case sessionExpired(Status)
        /// The caller gave up. `isCertain`: nothing was applied.
        case cancelled(isCertain: Bool)
        /// What came back could not be read: a member of another version? A write has been applied.
        case badAnswer(String)
        /// No member of that name is known.
        case noSuchMember(String, known: [String])
        /// A new member must not bear the name of the one that it replaces: a name is bound to one disk.
        case sameName(String)
    }

    /// What one member said, or why it said nothing.
    public struct Attempt: Sendable, Equatable {
        public var endpoint: Endpoint
        /// The last reason.
        public var reason: String
        public var count: Int

        public init(endpoint: Endpoint, reason: String, count: Int) {
            self.endpoint = endpoint
            self.reason = reason
            self.count = count
        }
    }

    public var kind: Kind
    /// Whether it was a write, so that "nothing was applied" is worth saying.
    public var isWrite: Bool
    /// The members that were asked in vain, in the order in which they were first asked.
    public var attempts: [Attempt]
    /// How long it was tried.
    public var elapsed: Interval

    public init(_ kind: Kind, isWrite: Bool = false, attempts: [Attempt] = [], elapsed: Interval = .zero) {
        self.kind = kind
        self.isWrite = isWrite
        self.attempts = attempts
        self.elapsed = elapsed
    }

    /// Whether a write may have been applied all the same.
    public var outcomeIsUnknown: Bool {
        switch kind {
        case .outcomeUnknown: true
        case .cancelled(let isCertain): !isCertain
        default: false
        }
    }

    /// In one line.
    public var brief: String {
        switch kind {
        case .rejected(let status): return Self.text(status)
        case .noAnswer:
            if attempts.count == 1, attempts[0].count == 1 { return attempts[0].reason }
            return isWrite ? "no answer within \(span); nothing was changed" : "no answer within \(span)"
        case .outcomeUnknown(let status):
            return "the outcome is unknown: it may or may not have been done (\(Self.text(status)))"
        case .sessionExpired(let status): return Self.text(status)
        case .cancelled(true): return isWrite ? "cancelled; nothing was changed" : "cancelled"
        case .cancelled(false): return "cancelled: it may or may not have been done"
        case .badAnswer(let why): return "the answer could not be read: \(why)"
        case .noSuchMember(let name, let known):
            return "there is no member '\(name)'" + (known.isEmpty ? "" : "; there are \(known.joined(separator: ", "))")
        case .sameName(let name):
            return "the new member is called '\(name)' too: start it with an empty data directory under another name"
        }
    }

    /// With what happened, member by member.
    public var description: String {
        guard !attempts.isEmpty else { return brief }
        switch kind {
        case .rejected, .sessionExpired, .badAnswer, .noSuchMember, .sameName: return brief
        case .noAnswer where attempts.count == 1 && attempts[0].count == 1:
            return "\(attempts[0].endpoint): \(attempts[0].reason)" + (isWrite ? "; nothing was changed" : "")
        default: break
        }
        return ([brief] + attempts.map { attempt in
            "  \(attempt.endpoint): \(attempt.reason)" + (attempt.count > 1 ? " (\(attempt.count) times)" : "")
        }).joined(separator: "\n")
    }

    private var span: String {
        let ms = (elapsed.nanoseconds + 500_000) / 1_000_000
        return ms % 1000 == 0 ? "\(ms / 1000) s" : ms < 1000 ? "\(ms) ms" : "\(ms / 1000).\(ms % 1000 / 100) s"
    }

    /// A status for people: the code's name says nothing that the message does not, except without one. Whether a
    /// deadline passed here or there first is chance.
    static func text(_ status: Status) -> String {
        status.code == .deadlineExceeded ? "no answer in time" : status.message.isEmpty ? status.code.name : status.message
    }
}

extension [ClientError.Attempt] {
    /// Notes one more vain attempt.
    mutating func note(_ endpoint: Endpoint, _ reason: String) {
        // The endpoint stands before the reason anyhow.
        let repeated = ["cannot connect to \(endpoint): ", "\(endpoint) "].first { reason.hasPrefix($0) } ?? ""
        let reason = String(reason.dropFirst(repeated.count))
        if let place = firstIndex(where: { $0.endpoint == endpoint }) {
            self[place].reason = reason
            self[place].count += 1
        } else {
            append(ClientError.Attempt(endpoint: endpoint, reason: reason, count: 1))
        }
    }
}
