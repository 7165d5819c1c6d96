import Base
import Keyspace

extension Wire {
    /// `RequestId`: what makes a write apply once (dissertation 6.3).
    public struct RequestID: Equatable, Sendable {
        public var sessionID: UInt64
        public var sequence: UInt64

        public init(sessionID: UInt64, sequence: UInt64) {
            self.sessionID = sessionID
            self.sequence = sequence
        }
    }

    /// How fresh a read is.
    public enum Consistency: UInt32, Equatable, Sendable {
        case linearizable = 0
        case lease = 1
        case local = 2
    }

    /// `ResponseHeader`: how old the answer to a LOCAL read may be.
    public struct ResponseHeader: Equatable, Sendable {
        /// The last entry that the member had applied.
        public var appliedIndex: Index
        /// How long ago it heard from a leader, in milliseconds; 0 on the leader, nil when it has heard from none since it
        /// started.
        public var leaderHeardMs: UInt64?

        public init(appliedIndex: Index, leaderHeardMs: UInt64?) {
            self.appliedIndex = appliedIndex
            self.leaderHeardMs = leaderHeardMs
        }
    }

    /// A Get, Strlen or Keys.
    public struct ReadRequest: Equatable, Sendable {
        public var operation: Operation
        public var consistency: Consistency

        public init(operation: Operation, consistency: Consistency = .linearizable) {
            self.operation = operation
            self.consistency = consistency
        }
    }

    /// A Set, Delete or Append, as it goes into the log.
    public struct WriteRequest: Equatable, Sendable {
        /// `Command.encode` of the one operation, with `Entry.headroom` in front, unclaimed.
        public var command: Bytes
        public var requestID: RequestID?

        public init(command: Bytes, requestID: RequestID? = nil) {
            self.command = command
            self.requestID = requestID
        }
    }

    public struct TransactRequest: Equatable, Sendable {
        public var operations: [Operation]
        public var requestID: RequestID?

        public init(operations: [Operation], requestID: RequestID? = nil) {
            self.operations = operations
            self.requestID = requestID
        }

        /// Not to be logged when `isReadOnly`.
        public var command: Command { .transaction(operations) }
    }
}
