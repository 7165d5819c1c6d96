import Base

/// Who should lead, where an operator has said so: the priorities in the configuration. They decide no election, which
/// would make elections slower; a leader hands over to a voter that is preferred and up to date (3.10).
extension Raft {
    mutating func preferOthers(into effects: inout Effects) {
        guard electorate.hasPriorities, leading.transfer == nil, now >= leading.priorityDeadline,
            commitIndex >= leading.termStart, configurationIndex <= commitIndex
        else { return }
        let own = configuration[id]?.priority ?? 0
        var best: Configuration.Member?
        for member in configuration.members where member.isVoter && member.priority > best?.priority ?? own {
            guard let place = peer(member.id), peers[place].mode == .replicate, peers[place].match >= commitIndex,
                now - peers[place].lastContact <= parameters.electionTimeout.lowerBound
            else { continue }
            best = member
        }
        guard let target = best?.id else { return }
        // Should it come to nothing, writers are not made to wait again soon.
        leading.priorityDeadline = now + leading.priorityPause
        let longest = Interval.seconds(300)
        leading.priorityPause = min(leading.priorityPause + leading.priorityPause, longest)
        leading.transfer = Leading.Transfer(
            target: target, deadline: now + parameters.electionTimeout.upperBound, isOwn: true)
        effects.note(.transferStarted(to: target))
    }
}
