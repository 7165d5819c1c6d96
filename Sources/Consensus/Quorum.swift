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

    /// Whether the voters elected (true), can no longer elect (false), or still may (nil). Only they count, whoever
    /// else answered. `missing`: how many votes fewer than a quorum are taken for one, when that bug is planted.
    func outcome(in electorate: Electorate, missing: Int = 0) -> Bool? {
        let yes = electorate.voters.count { granted.contains($0) }
        let no = electorate.voters.count { refused.contains($0) }
        if !electorate.voters.isEmpty, yes >= electorate.quorum - missing { return true }
        return electorate.voters.count - no < electorate.quorum ? false : nil
    }
}
