import Base

/// Counting votes and copies (dissertation 3.4, 3.5): a majority of the voters.
enum Quorum {
    /// The largest value that at least `needed` of `values` reach; nil when there are fewer than `needed`.
    /// Reorders `values`: one for each voter.
    static func reached<Value: Comparable>(by needed: Int, of values: inout [Value]) -> Value? {
        guard needed > 0, values.count >= needed else { return nil }
        values.sort(by: >)
        return values[needed - 1]
    }
}

/// The answers of one election. Each voter counts once, whatever it sends again.
struct Ballot: Sendable, Equatable {
    private(set) var granted: [MemberID] = []
    private(set) var refused: [MemberID] = []

    mutating func count(_ voter: MemberID, granted yes: Bool) {
        guard !granted.contains(voter), !refused.contains(voter) else { return }
        if yes { granted.append(voter) } else { refused.append(voter) }
    }

    /// Whether the voters of `configuration` elected (true), can no longer elect (false), or still may (nil).
    /// Only its voters count, whoever else answered.
    func outcome(in configuration: Configuration) -> Bool? {
        var yes = 0
        var no = 0
        for member in configuration.members where member.isVoter {
            if granted.contains(member.id) { yes += 1 }
            if refused.contains(member.id) { no += 1 }
        }
        let voters = configuration.members.count(where: \.isVoter)
        if voters > 0, yes >= configuration.quorum { return true }
        return voters - no < configuration.quorum ? false : nil
    }
}
