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

    private func grants(_ ballot: Ballot) -> Int { 1 + (oracle.ballots[ballot]?.count ?? 0) }

    /// "To begin an election, a follower increments its current term and transitions to candidate state" (3.4): nothing
    /// else makes a term.
    func checkTerm(_ glance: Glance, _ member: SimulatedMember) {
        let term = glance.term.rawValue
        if glance.role == .candidate { oracle.highestCampaign = max(oracle.highestCampaign, term) }
        if term > oracle.highestCampaign {
            report("terms", "n\(member.number) enters term \(term), and nobody campaigned for it")
        }
    }

    /// "A candidate only increments its term if it first learns from a majority of the cluster that they would be willing
    /// to grant the candidate their votes" (9.6). Whoever is handed leadership need not ask.
    func checkPreVotes(of member: SimulatedMember, _ term: UInt64) {
        let count = grants(Ballot(term: term, candidate: member.number, preVote: true))
        guard count <= plan.members / 2 else { return }
        report("pre-votes", "n\(member.number) campaigns in term \(term) with the pre-votes of \(count) of \(plan.members)")
    }

    /// "A candidate wins an election if it receives votes from a majority of the servers" (3.4).
    func checkBallot(of member: SimulatedMember, _ term: UInt64) {
        let count = grants(Ballot(term: term, candidate: member.number, preVote: false))
        guard count <= plan.members / 2 else { return }
        report("election-safety", "n\(member.number) leads term \(term) with the votes of \(count) of \(plan.members)")
    }
}
