import Base

/// What must hold in every state, and from each state to the next. They hold in release too, and
/// cost O(members) a step. `checkEverything` looks at the whole log and is for tests and the simulator.
extension Raft {
    /// What `checkStep` compares a state with.
    struct Checkpoint {
        let role: Role
        let hardState: HardState
        let leader: MemberID?
        let commitIndex: Index
        let lastIndex: Index
        let issued: WriteToken

        init(_ raft: borrowing Raft) {
            role = raft.role
            hardState = raft.hardState
            leader = raft.leader
            commitIndex = raft.commitIndex
            lastIndex = raft.log.lastIndex
            issued = raft.durability.issued
        }
    }

    /// An invariant that does not hold.
    struct BrokenLaw: Error {
        let law: StaticString
    }

    /// The state is not to be trusted: the process ends here, but in a simulator, which wants to tell of it.
    mutating func broke(_ broken: BrokenLaw) {
        guard parameters.keepsBrokenLaws else { preconditionFailure("\(broken.law)") }
        if brokenLaw == nil { brokenLaw = broken.law }
    }

    @inline(__always)
    private func law(_ holds: Bool, _ law: StaticString) throws(BrokenLaw) {
        guard holds else { throw BrokenLaw(law: law) }
    }

    /// The laws of a transition.
    func checkStep(since before: Checkpoint) throws(BrokenLaw) {
        try law(term >= before.hardState.term, "the term fell")
        try law(commitIndex >= before.commitIndex, "the commit index fell")
        try law(log.lastIndex >= before.commitIndex, "a committed entry was cut off")
        try law(
            durability.issued == before.issued || durability.issued == before.issued.next,
            "more than one write in a step")
        if term == before.hardState.term {
            // "Each server will vote for at most one candidate in a given term" (3.4).
            try law(
                before.hardState.votedFor == nil || before.hardState.votedFor == hardState.votedFor,
                "a second vote in a term")
            try law(
                leader == nil || before.leader == nil || leader == before.leader, "two leaders in a term")
        }
        if role == .leader {
            try law(term == before.hardState.term, "a leader in a term whose vote is not yet durable")
            // "Leader append-only: a leader never overwrites or deletes entries in its log" (figure 3.2).
            try law(before.role != .leader || log.lastIndex >= before.lastIndex, "a leader's log shrank")
            try law(before.role == .leader || before.role == .candidate, "a leader without an election")
        }
    }

    /// The laws of a state.
    func checkState() throws(BrokenLaw) {
        try law(appliedIndex <= commitIndex && commitIndex <= log.lastIndex, "applied <= committed <= last")
        try law(
            durability.durableIndex <= durability.writtenIndex && durability.writtenIndex == log.lastIndex,
            "durable <= written = last, between steps")
        try law(tail.nextIndex == log.lastIndex.next, "the tail does not end where the log does")
        try law(
            log.baseIndex <= snapshot?.index ?? 0 && snapshot?.index ?? 0 <= appliedIndex,
            "log begins <= snapshot <= applied")
        try law(!hardStateChanged && truncateFrom == nil && restartAfter == nil, "a change that the disk was not told")
        try law(log.lastTerm <= term, "an entry of a later term than its member")
        try law(following.acknowledged <= durability.durableIndex, "acknowledged too much")
        switch role {
        case .leader:
            try law(leader == id && durability.hardStateIsDurable && hardState.votedFor == id, "who leads voted")
            try law(log.lastTerm == term, "a leader without an entry of its term")
            for peer in peers { try check(peer) }
        case .candidate:
            try law(hardState.votedFor == id && leader == nil, "a candidate votes for itself")
        case .preCandidate:
            try law(leader == nil, "a pre-candidate knows no leader")
        case .follower:
            try law(leader != id, "a follower does not lead")
        }
        try law(role == .leader || (peers.isEmpty && leading.transfer == nil), "only a leader keeps progress")
    }

    private func check(_ peer: Progress) throws(BrokenLaw) {
        try law(peer.match < peer.next && peer.next <= log.lastIndex.next, "match < next <= last + 1")
        try law(peer.inflight.count <= parameters.maxInflightMessages, "too much on its way")
        try law(peer.round <= leading.round, "an answer to a round that was not asked")
        try law(peer.mode == .replicate || (peer.inflight.count == 0 && peer.load == nil), "a probe is alone")
        try law((peer.mode == .snapshot) == (peer.transfer != nil), "a snapshot is on its way, or not")
    }

    /// Everything that can be checked on one member, O(log in memory).
    public func checkEverything() {
        do { try checkState() } catch { preconditionFailure("\(error.law)") }
        precondition(log.isValid, "the shape of the log")
        var index = tail.firstIndex
        var bytes = 0
        while index < tail.nextIndex {
            let entry = tail[index]
            precondition(entry.index == index && log.term(at: index) == entry.term, "an entry out of its place")
            bytes += entry.packed.count
            if let configuration = entry.configuration, index > configurations[0].index {
                precondition(
                    configurations.contains { $0.index == index && $0.configuration == configuration },
                    "a configuration of the log is not known")
            }
            index = index.next
        }
        precondition(tail.byteCount == bytes, "the tail counts its bytes wrong")
        precondition(
            zip(configurations, configurations.dropFirst()).allSatisfy { $0.index < $1.index }
                && configurations.dropFirst().allSatisfy { $0.index > commitIndex && $0.index <= log.lastIndex },
            "configurations in order, all but the first uncommitted")
        if role == .leader {
            precondition(
                peers.filter { $0.farewell == nil }.map(\.id) == configuration.members.map(\.id).filter { $0 != id },
                "progress of other members")
            precondition(
                peers.allSatisfy { $0.farewell == nil || configuration[$0.id] == nil }, "leave taken of a member")
            precondition(
                peers.allSatisfy { ($0.catchUp != nil) == (configuration[$0.id]?.standing == .joining) },
                "who catches up is to be a voter")
        }
    }
}
