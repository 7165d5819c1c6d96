import Base
import Consensus
import Replica

/// Whose vote, or pre-vote, a candidate got: one key of `Oracle.ballots`.
struct Ballot: Hashable {
    var term: UInt64
    var candidate: Int
    var preVote: Bool
}

// What elections rest on: each term was campaigned in, each campaign had the pre-votes of a quorum, each leader its votes.
extension World {
    /// A grant leaves its voter.
    func count(_ message: Message, preVote: Bool) {
        let ballot = Ballot(term: message.term.rawValue, candidate: Int(message.to.rawValue), preVote: preVote)
        oracle.ballots[ballot, default: MemberSet()].insert(Int(message.from.rawValue))
    }

    /// How many of the voters of its newest configuration are for a candidate, itself included: a learner never counts.
    private func grants(_ ballot: Ballot, _ voters: MemberSet) -> Int {
        var granted = oracle.ballots[ballot] ?? MemberSet()
        granted.insert(ballot.candidate)
        return voters.count(of: granted)
    }

    /// "To begin an election, a follower increments its current term and transitions to candidate state" (3.4): nothing
    /// else makes a term.
    func checkTerm(_ glance: Glance, _ member: SimulatedMember) {
        let term = glance.term.rawValue
        if glance.role == .candidate {
            oracle.highestCampaign = max(oracle.highestCampaign, term)
            if member.campaigns.count == 8 { member.campaigns.removeFirst() }
            member.campaigns.append((term, member.configuration.voters))
        }
        if term > oracle.highestCampaign {
            report("terms", "n\(member.number) enters term \(term), and nobody campaigned for it")
        }
    }

    /// "A candidate only increments its term if it first learns from a majority of the cluster that they would be willing
    /// to grant the candidate their votes" (9.6). Whoever is handed leadership need not ask. The majority is one of the voters
    /// that it knew then: its question leaves when its term is durable, which on a disk that hangs is much later.
    func checkPreVotes(of member: SimulatedMember, _ term: UInt64) {
        let voters = member.campaigns.last { $0.term == term }?.voters ?? member.configuration.voters
        let count = grants(Ballot(term: term, candidate: member.number, preVote: true), voters)
        guard count <= voters.count / 2 else { return }
        report("pre-votes", "n\(member.number) campaigns in term \(term) with the pre-votes of \(count) of \(voters.count)")
    }

    /// "A candidate wins an election if it receives votes from a majority of the servers" (3.4).
    func checkBallot(of member: SimulatedMember, _ term: UInt64) {
        let voters = member.configuration.voters
        let count = grants(Ballot(term: term, candidate: member.number, preVote: false), voters)
        guard count <= voters.count / 2 else { return }
        report("election-safety", "n\(member.number) leads term \(term) with the votes of \(count) of \(voters.count)")
    }
}
