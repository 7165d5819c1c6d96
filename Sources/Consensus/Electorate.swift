import Base

/// What a member's configurations say of votes, worked out once for each change.
struct Electorate: Sendable, Equatable {
    /// Who votes, in the newest configuration of the log (4.1).
    let voters: [MemberID]
    /// How many of them are a majority.
    let quorum: Int
    /// Whether this member is one of them.
    let includesSelf: Bool
    /// Whether this member may campaign: it votes in the newest configuration or in one that this one has not yet
    /// replaced for certain. "A server that is not part of its own latest configuration should still start new
    /// elections, as it might still be needed until the Cnew entry is committed" (4.2.2).
    let mayCampaign: Bool
    /// Whether some learner waits to become a voter (4.2.1).
    let hasNewcomers: Bool
    /// Whether some voter is preferred to another.
    let hasPriorities: Bool

    init(_ configurations: [PlacedConfiguration], self id: MemberID) {
        let newest = configurations[configurations.count - 1].configuration
        voters = newest.voters
        quorum = newest.quorum
        includesSelf = voters.contains(id)
        hasNewcomers = newest.members.contains { $0.standing == .joining }
        hasPriorities = newest.members.contains { $0.isVoter && $0.priority > 0 }
        mayCampaign = configurations.contains { $0.configuration.voters.contains(id) }
    }

    func includes(_ id: MemberID) -> Bool { voters.contains(id) }
}
