import Base
import Consensus
import Replica
import Storage

/// A configuration of somebody's log, as the checkers know it.
struct KnownConfiguration {
    var index: Int
    var configuration: Configuration
    var voters: MemberSet
    /// Voters, and those that become some when they have caught up.
    var futureVoters: MemberSet

    init(index: Int, _ configuration: Configuration) {
        self.index = index
        self.configuration = configuration
        voters = MemberSet()
        futureVoters = MemberSet()
        for member in configuration.members where member.standing != .learner {
            futureVoters.insert(Int(member.id.rawValue))
            if member.isVoter { voters.insert(Int(member.id.rawValue)) }
        }
    }
}

extension SimulatedMember {
    /// The newest one of its log, which is in force for it (4.1).
    var configuration: KnownConfiguration { configurations[configurations.count - 1] }
}

// What must hold of changes of members (dissertation chapter 4), worked out from the logs, not asked of the members.
extension World {
    /// What a start finds: the snapshot's configuration, or the first one, and those in the log behind it.
    func find(_ terms: [UInt64], covered: Int, _ member: SimulatedMember) {
        var base = oracle.configuration(asOf: covered)
        if covered == 0 { base = firstConfiguration(of: member) }
        member.configurations = [base] + oracle.configurations(of: terms, after: covered)
    }

    private func firstConfiguration(of member: SimulatedMember) -> KnownConfiguration {
        KnownConfiguration(index: 0, member.isNewcomer ? Configuration(members: []) : configuration)
    }

    /// "A server always uses the latest configuration in its log, regardless of whether the entry is committed", and "must
    /// be prepared to fall back to the previous configuration in its log" (4.1).
    func followConfigurations(
        _ write: Write, _ glance: Glance, _ member: SimulatedMember, _ process: SimulatedMember.Process
    ) {
        if let from = write.truncateFrom {
            member.configurations.removeAll { $0.index >= from.rawValue && $0.index > 0 }
            if member.configurations.isEmpty { member.configurations = [firstConfiguration(of: member)] }
        }
        if let after = write.restartAfter {
            member.configurations = [oracle.configuration(asOf: Int(after.rawValue))]
        }
        for entry in write.entries where entry.kind == .configuration {
            guard let configuration = entry.configuration else { continue }
            let known = KnownConfiguration(index: Int(entry.index.rawValue), configuration)
            oracle.note(known, term: entry.term.rawValue)
            let isOwn = glance.role == .leader && entry.term == glance.term
            if isOwn { checkChange(known, glance, member, process) }
            member.configurations.append(known)
            if isOwn, let blow = armedBlows.popLast() { strike(member, blow) }
        }
    }

    /// A leader changes the configuration.
    private func checkChange(
        _ next: KnownConfiguration, _ glance: Glance, _ member: SimulatedMember, _ process: SimulatedMember.Process
    ) {
        let last = member.configuration
        statistics.configurations += 1
        note(member.number, turningPoint: true, "changes the configuration by entry \(next.index): \(next.configuration.text)")
        // "A leader may not append a new configuration entry until it has committed an entry from its current term"
        // (Ongaro's correction, raft-dev, July 2015).
        if process.replica.term(at: glance.commitIndex) != glance.term {
            report(
                "membership",
                "n\(member.number) changes the configuration in term \(glance.term), and has committed nothing of it yet")
        }
        // "Not allowed until the previous change is committed", and by one voter at most (4.1).
        if last.index > glance.commitIndex.rawValue {
            report("membership", "n\(member.number) changes the configuration, and that of entry \(last.index) is not committed")
        }
        if next.voters.without(last.voters).count + last.voters.without(next.voters).count > 1 || next.voters.count == 0 {
            report("membership", "n\(member.number) makes voters \(next.voters) of \(last.voters) in one step")
        }
    }

    /// What a member takes for its configuration must be the newest of its log.
    func checkConfiguration(_ glance: Glance, _ member: SimulatedMember, _ process: SimulatedMember.Process) {
        let index = Int(glance.configurationIndex.rawValue)
        let known = member.configuration
        guard index == known.index else {
            return report(
                "configuration", "n\(member.number) goes by the configuration of entry \(index), and its log's newest is entry \(known.index)")
        }
        guard index != member.last.configurationIndex else { return }
        member.last.configurationIndex = index
        let found = process.replica.configuration
        // The first one stands in no log. A newcomer has it from a snapshot of somebody who was there, or not at all.
        if index == 0, member.isNewcomer, found.members.isEmpty || found == configuration { return }
        if found != known.configuration {
            report("configuration", "n\(member.number) has another configuration than its entry \(index) says")
        }
    }

    /// Who campaigns must have a vote in a configuration that may be in force: the newest one that it knows to be committed,
    /// or a later one. "A removed server … should not disrupt the cluster" (4.2.3), and a learner does not campaign (4.2.1).
    func checkCandidate(_ member: SimulatedMember) {
        let committed = Int(member.last.commitIndex.rawValue)
        var place = member.configurations.count - 1
        while place >= 0 {
            if member.configurations[place].voters.contains(member.number) { return }
            if member.configurations[place].index <= committed { break }
            place -= 1
        }
        report("candidates", "n\(member.number) campaigns, and has no vote in any configuration that may be in force")
    }

    /// "A leader that is removed from the configuration steps down once the Cnew entry is committed" (4.2.2), or as soon as it
    /// has handed over, or failed to (3.10): two transfers end within 1.5 s, also by a clock that is slow.
    func checkRetirement(_ glance: Glance, _ member: SimulatedMember) {
        let known = member.configuration
        guard known.index <= glance.commitIndex.rawValue, !known.voters.contains(member.number) else { return }
        if member.last.retiring?.term != glance.term { member.last.retiring = (glance.term, now) }
        guard let retiring = member.last.retiring, now >= retiring.since + 1_500_000_000 else { return }
        report("membership", "n\(member.number) goes on leading, and has committed by entry \(known.index) that it has no vote")
    }

    /// "If a server receives a RequestVote request within the minimum election timeout of hearing from a current leader, it
    /// does not update its term or grant its vote" (4.2.3): whoever is removed cannot disturb those who have a leader.
    func checkPatience(of voter: SimulatedMember, _ grant: Message) {
        guard let heard = voter.last.heard, let process = voter.process, !process.replica.isDiskFull,
            process.replica.term == voter.last.term
        else { return }
        let now = max(voter.clock.instant(at: now), heard)
        guard now - heard < plan.parameters.electionTimeout.lowerBound else { return }
        report(
            "disturbance",
            "n\(voter.number) grants n\(grant.to.rawValue) a pre-vote for term \(grant.term), \((now - heard).shown) after it heard from its leader")
    }

    /// After a step: whether it had a word of the leader that it follows.
    func listen(_ glance: Glance, _ member: SimulatedMember) {
        if glance.term != member.last.term || glance.leader == nil { member.last.heard = nil }
        guard let word = member.lastWord else { return }
        member.lastWord = nil
        // A full disk makes it deaf to most of them (Replica.spareSpace), and it may be full no more when it grants a vote.
        if member.process?.replica.isDiskFull == true { return }
        if word.term == glance.term, word.from == glance.leader { member.last.heard = member.clock.instant(at: now) }
    }

    /// "The leader … sends its log entries to the target server until the target's log matches its own" (3.10), and the target
    /// can be elected. Nothing that was taken may be in doubt when this leader steps down.
    func checkTransfer(_ message: Message, _ member: SimulatedMember) {
        let target = members[Int(message.to.rawValue) - 1]
        guard member.configuration.voters.contains(target.number) else {
            return report("transfer", "n\(member.number) hands over to n\(target.number), which has no vote")
        }
        guard let process = member.process else { return }
        let last = process.replica.glance().lastIndex
        let term = process.replica.term(at: last)?.rawValue ?? DurableState.covered
        guard last == 0 || target.durable.holds(Int(last.rawValue), term) else {
            return report("transfer", "n\(member.number) hands over to n\(target.number), which lacks entry \(last)")
        }
        let committed = process.replica.glance().commitIndex
        guard committed == last else {
            return report("transfer", "n\(member.number) hands over to n\(target.number) with entries in doubt, from \(committed) to \(last)")
        }
    }
}

extension Configuration {
    /// "n1 n2 n3?": a question mark for one that is to vote, a star for a learner.
    var text: String {
        members.map { member in
            let mark = switch member.standing {
            case .voter: ""
            case .joining: "?"
            case .learner: "*"
            }
            return "n\(member.id.rawValue)\(mark)"
        }.joined(separator: " ")
    }
}
