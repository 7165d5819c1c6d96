import Base

/// What came of one entry, or of a command that only reads.
public struct Outcome: Hashable, Sendable {
    /// The keyspace's revision after the entry: for a write that succeeded, the write's own.
    public var revision: UInt64
    public var result: Result

    public enum Result: Hashable, Sendable {
        /// Nobody asked, or the entry is no command.
        case none
        case single(OperationResult)
        case transaction([OperationResult])
        /// A session was opened; this is its id.
        case session(UInt64)
        /// Nothing was applied.
        case failed(OperationFailure)
    }

    public init(revision: UInt64, result: Result) {
        self.revision = revision
        self.result = result
    }

    /// The most that one command may give back, in bytes (values and keys, and a little for each). A command that
    /// would give more fails instead, in every member alike; a longer answer is asked for in parts.
    public static let resultCeiling = 16 << 20
    /// The most keys that one `keys` operation may give back, for the same reason; `KeyScan` has no such ceiling.
    public static let keysCeiling = 10_000
}

/// Why a command failed when it was applied. It depends on the state and the command alone, so that every member
/// comes to the same.
public struct OperationFailure: Error, Hashable, Sendable {
    /// Which operation of a transaction, from 0; 0 for a single one.
    public var operation: Int
    public var reason: Reason

    public enum Reason: Hashable, Sendable {
        /// An item cannot be appended to data, nor bytes to a list.
        case wrongKind(key: Bytes, holds: Value.Kind)
        /// The key and its value together would grow over `Value.sizeCeiling`.
        case valueTooLarge(key: Bytes)
        /// The answers together would be over `Outcome.resultCeiling`, or the keys more than `Outcome.keysCeiling`.
        case resultTooLarge
        /// The session does not exist (any more). An earlier attempt may have been applied while it did; this one was
        /// not, nor can any later one be.
        case sessionExpired(session: UInt64)
        /// The request is `window` or more behind the newest of its session: whether it was applied is forgotten.
        case sequenceForgotten(sequence: UInt64)
        /// The request was applied before, and its answer had to make room for newer ones.
        case answerForgotten(sequence: UInt64)
    }

    public init(operation: Int, reason: Reason) {
        self.operation = operation
        self.reason = reason
    }

    /// As a gRPC status: its code, and a message that a person can act on.
    public func refusal(inTransaction: Bool) -> Refusal {
        let place = inTransaction ? "operation \(operation + 1): " : ""
        let nothing = inTransaction ? "; nothing was applied" : ""
        switch reason {
        case .wrongKind(let key, holds: .data):
            return Refusal(.failedPrecondition, "\(place)key \(key.brief) holds bytes, not a list\(nothing)")
        case .wrongKind(let key, holds: .list):
            return Refusal(.failedPrecondition, "\(place)key \(key.brief) holds a list, not bytes\(nothing)")
        case .valueTooLarge(let key):
            return Refusal(
                .resourceExhausted,
                "\(place)the value of \(key.brief) would be over \(Value.sizeCeiling) bytes\(nothing)")
        case .resultTooLarge:
            return Refusal(
                .resourceExhausted,
                "\(place)the results would be over \(Outcome.resultCeiling) bytes or \(Outcome.keysCeiling) keys"
                    + "\(nothing); ask for less at a time")
        case .sessionExpired(let session):
            return Refusal(
                .failedPrecondition,
                "session expired: \(session) is unknown or was not used for too long; an earlier attempt of this "
                    + "request may have been applied, this one was not; open another session")
        case .sequenceForgotten(let sequence):
            return Refusal(
                .failedPrecondition,
                "sequence \(sequence) is too far behind the newest of its session: whether it was applied is forgotten")
        case .answerForgotten(let sequence):
            return Refusal(
                .failedPrecondition,
                "sequence \(sequence) was applied before, once; its answer was too large to be kept")
        }
    }
}

extension Bytes {
    /// For messages: a long key is cut.
    var brief: String { count <= 100 ? "\"\(self)\"" : "\"\(self[0..<100])…\" (\(count) bytes)" }
}
