public import Base
public import Keyspace

/// What clients asked for, when, and what they were told.
public struct History: Sendable {
    public enum Ending: UInt8, Sendable {
        /// Still open, or nobody will ever know: it may take effect at any time after its beginning, or never.
        case unknown
        /// `outcome` is what it did and saw.
        case ok
        /// Certainly not applied.
        case failed
    }

    public struct Operation: Sendable {
        /// One client; one operation at a time.
        public var process: Int
        public var command: Command
        public var start: Instant
        /// Nil unless it ended.
        public var end: Instant?
        public var ending = Ending.unknown
        public var outcome: Outcome?
        /// A read of one member's own state: sees any prefix of the history.
        public var isLocal = false
        /// The member that was asked, from 1.
        public var member: Int
    }

    public private(set) var operations: [Operation] = []

    public init() {}

    /// An operation begins; its number.
    public mutating func invoke(process: Int, _ command: Command, member: Int, isLocal: Bool, at start: Instant) -> Int {
        operations.append(
            Operation(process: process, command: command, start: start, isLocal: isLocal, member: member))
        return operations.count - 1
    }

    public mutating func ok(_ number: Int, _ outcome: Outcome, at end: Instant) {
        operations[number].ending = .ok
        operations[number].outcome = outcome
        operations[number].end = end
    }

    public mutating func fail(_ number: Int, at end: Instant) {
        operations[number].ending = .failed
        operations[number].end = end
    }

    public mutating func unknown(_ number: Int, at end: Instant) {
        operations[number].ending = .unknown
        operations[number].end = end
    }
}
