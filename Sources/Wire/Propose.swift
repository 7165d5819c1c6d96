import Base

extension Wire {
    /// A follower's batch of writes.
    public struct ProposeRequest: Equatable, Sendable {
        public var header: Header
        public var proposals: [Proposal]

        public init(header: Header, proposals: [Proposal]) {
            self.header = header
            self.proposals = proposals
        }
    }

    /// One client's write, ready for the log.
    public struct Proposal: Equatable, Sendable {
        /// Chosen by the follower; its outcome bears the same.
        public var id: UInt64
        public var requestID: RequestID?
        /// What is left of the client's time; nil when it set no deadline. On the wire in whole milliseconds, rounded
        /// up, at least 1.
        public var deadlineLeft: Interval?
        /// `Entry.version` for `command`.
        public var version: UInt64
        /// The client's address, for logs.
        public var caller: String
        /// The client's W3C trace context; empty without one.
        public var traceparent: String
        /// `Entry.data`; when it was decoded, with `Entry.headroom` in front, unclaimed.
        public var command: Bytes
        /// What the entry is to be.
        public var kind: Entry.Kind

        public init(
            id: UInt64, requestID: RequestID? = nil, deadlineLeft: Interval? = nil, version: UInt64, caller: String = "",
            traceparent: String = "", command: Bytes, kind: Entry.Kind = .command
        ) {
            self.id = id
            self.requestID = requestID
            self.deadlineLeft = deadlineLeft
            self.version = version
            self.caller = caller
            self.traceparent = traceparent
            self.command = command
            self.kind = kind
        }
    }

    public struct ProposeResponse: Equatable, Sendable {
        public var header: Header
        public var outcomes: [ProposalOutcome]

        public init(header: Header, outcomes: [ProposalOutcome]) {
            self.header = header
            self.outcomes = outcomes
        }
    }

    /// How one proposal ended.
    public struct ProposalOutcome: Equatable, Sendable {
        public enum Result: Equatable, Sendable {
            /// Applied: `Outcome.encode`.
            case applied(Bytes)
            case failed(ProposalFailure)
        }

        public var id: UInt64
        public var result: Result

        public init(id: UInt64, result: Result) {
            self.id = id
            self.result = result
        }
    }

    /// What the client is told.
    public struct ProposalFailure: Equatable, Sendable {
        /// A gRPC status code, never 0.
        public var code: UInt32
        public var message: String
        /// Certainly not applied, now or ever.
        public var notApplied: Bool

        public init(code: UInt32, message: String, notApplied: Bool) {
            self.code = code
            self.message = message
            self.notApplied = notApplied
        }
    }
}
