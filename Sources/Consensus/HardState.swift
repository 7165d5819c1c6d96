import Base

/// What a member must never forget: "currentTerm" and "votedFor" of dissertation figure 3.1. It is durable before
/// any message that depends on it leaves.
public struct HardState: Sendable, Equatable {
    public var term: Term
    /// Whom this member voted for in `term`; nil when it has not voted.
    public var votedFor: MemberID?

    public init(term: Term = 0, votedFor: MemberID? = nil) {
        self.term = term
        self.votedFor = votedFor
    }
}
