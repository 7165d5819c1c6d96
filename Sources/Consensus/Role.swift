/// What a member is in its term (dissertation figure 3.3, and 9.6 for the pre-candidate). Whether it may vote is not
/// a role: the configuration says so.
public enum Role: UInt8, Sendable, Equatable {
    case follower
    /// Asks whether it would be elected, before it raises its term.
    case preCandidate
    case candidate
    case leader
}
