import Base

/// What a member must find again after a crash beside its log: `currentTerm` and `votedFor` of figure 3.1. Both are
/// durable before any message that depends on them leaves (3.8).
public struct HardState: Sendable, Equatable {
    public var term: Term
    /// Who got this member's vote in `term`; nil when nobody has yet.
    public var votedFor: MemberID?

    public init(term: Term = 0, votedFor: MemberID? = nil) {
        self.term = term
        self.votedFor = votedFor
    }
}
