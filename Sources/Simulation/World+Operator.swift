import Base
import Consensus
import Replica

/// What an operator has set out to do: one step after the other, each asked for again and again until it is done.
struct Errand {
    enum Step {
        /// A newcomer's process.
        case start(Int)
        case add(Int, learner: Bool)
        /// Nil: whoever leads when it is first asked for.
        case remove(Int?)
        case setVoting(Int, Bool)
        case stop(Int)
        /// In the calm, to any other voter.
        case handOver
    }

    var steps: [Step]
    /// Of the first step.
    var attempts = 0
    /// A request is not answered yet.
    var isAsked = false
    /// What it asks for.
    var change: MemberChange?
    /// Whether that leaves fewer voters.
    var isShrinking = false

    static let maxAttempts = 40

    /// Whether leadership is still to be handed over.
    var isHandOver: Bool { if case .handOver? = steps.first { true } else { false } }
}

extension World {
    func begin(errand steps: [Errand.Step]) {
        errands.append(Errand(steps: steps))
        queue.add(.errand, at: now + 1_000_000, number: errands.count - 1)
    }

    /// Goes on with an errand: what is done is left behind, what is not is asked for once more.
    func advance(errand number: Int) {
        while let step = errands[number].steps.first, isDone(step) {
            errands[number].steps.removeFirst()
            errands[number].attempts = 0
        }
        guard let step = errands[number].steps.first, errands[number].attempts < Errand.maxAttempts,
            !clients.haveStopped
        else { return }
        queue.add(.errand, at: now + 150_000_000 + operatorDice.next(below: 600_000_000), number: number)
        switch step {
        case .start(let member): startNewcomer(members[member - 1])
        case .stop(let member):
            // Removed, but another errand may be adding it again: then it is a voter once more, or will be.
            if mayLose(member) { stop(members[member - 1]) }
        case .handOver: handOverInCalm(errand: number)
        case .add, .setVoting: ask(step, errand: number)
        case .remove(let member):
            if member == nil, let leader = members.first(where: { $0.isUp && $0.last.role == .leader }) {
                errands[number].steps = errands[number].steps.map { $0.resolved(leader.number) }
            } else if member != nil {
                ask(step, errand: number)
            }
        }
    }

    /// As far as the newest committed configuration tells.
    private func isDone(_ step: Errand.Step) -> Bool {
        let configuration = oracle.inForce.configuration
        func standing(_ member: Int) -> Configuration.Standing? { configuration[MemberID(UInt64(member))]?.standing }
        switch step {
        case .start(let member): return members[member - 1].life != .absent
        case .stop(let member): return members[member - 1].life == .out
        case .add(let member, let learner):
            return standing(member) == (learner ? .learner : .voter) || members[member - 1].life == .out
        case .remove(let member?): return standing(member) == nil
        case .remove(nil): return false
        case .setVoting(let member, let votes):
            return standing(member).map { ($0 == .voter) == votes } ?? true
        case .handOver: return oracle.inForce.voters.without(oracle.mayBeLost).count < 2
        }
    }

    // MARK: Asking

    /// Asks whoever takes itself for the leader, be it deposed; now and then somebody else.
    private func ask(_ step: Errand.Step, errand number: Int) {
        errands[number].attempts += 1
        var leaders = members.filter { $0.isUp && $0.last.role == .leader }.map(\.number)
        if leaders.isEmpty || operatorDice.next(below: 8) == 0 { leaders = [anyone(&operatorDice)] }
        let asked = members[leaders[Int(operatorDice.next(below: UInt64(leaders.count)))] - 1]
        guard let process = asked.process, let change = change(of: step, process.replica.configuration),
            !errands[number].isAsked
        else { return }
        do throws(Configuration.ChangeFailure) {
            let next = KnownConfiguration(index: 0, try process.replica.configuration.after(change))
            guard next.futureVoters.count <= plan.members + 2 || isShrinking(step) else { return }
            guard lives(next, without: oracle.mayBeLost) else { return }
            if isShrinking(step) {
                // One at a time, so that what comes of it can be told.
                guard !errands.contains(where: { $0.isAsked && $0.isShrinking }), mayShrink(to: next) else { return }
            }
        } catch {
            // It is asked for all the same: the member must refuse it.
        }
        errands[number].isAsked = true
        errands[number].change = change
        errands[number].isShrinking = isShrinking(step)
        note(asked.number, "is asked to \(step)")
        let patience = Interval.milliseconds(300 + operatorDice.next(below: 1_400))
        asked.turn.requests.append(
            Request(
                id: asked.calls.add(.errand(number)), deadline: asked.clock.instant(at: now) + patience,
                body: .changeMembers(change)))
        wake(asked)
    }

    private func isShrinking(_ step: Errand.Step) -> Bool {
        switch step {
        case .remove, .setVoting(_, false): true
        default: false
        }
    }

    private func change(of step: Errand.Step, _ configuration: Configuration) -> MemberChange? {
        switch step {
        case .add(let number, let learner):
            let member = members[number - 1]
            return .add(.init(id: member.id, name: member.name, address: member.address, isVoter: !learner))
        case .remove(let number?):
            // By its name, if that is still its own: another may have taken it over.
            guard let known = configuration[MemberID(UInt64(number))] else { return nil }
            return .remove(name: known.name)
        case .setVoting(let number, let votes): return .setVoting(votes, name: members[number - 1].name)
        case .start, .stop, .remove(nil), .handOver: return nil
        }
    }

    /// "Leadership transfer … completes" when all is well (3.10): the answer ends the errand.
    private func handOverInCalm(errand number: Int) {
        guard let leader = members.first(where: { $0.isUp && $0.last.role == .leader }), !errands[number].isAsked,
            let target = oracle.inForce.voters.without(oracle.mayBeLost).members.first(where: { $0 != leader.number && members[$0 - 1].isUp })
        else { return }
        errands[number].isAsked = true
        note(leader.number, "is asked to hand over to n\(target)")
        leader.turn.requests.append(
            Request(id: leader.calls.add(.errand(number)), body: .transferLeadership(to: MemberID(UInt64(target)))))
        wake(leader)
    }

    /// An operator's answer.
    func give(_ result: Answer.Result, toErrand number: Int) {
        errands[number].isAsked = false
        if case .leadershipTransferred = result, errands[number].isHandOver { errands[number].steps = [] }
    }

    // MARK: What a cluster can bear

    /// Whether more than half of its voters, and of those that it is to have, are not lost for good.
    private func lives(_ known: KnownConfiguration, without lost: MemberSet) -> Bool {
        [known.voters, known.futureVoters].allSatisfy { 2 * $0.without(lost).count > $0.count }
    }

    private func mayShrink(to next: KnownConfiguration) -> Bool {
        next.voters.count >= (plan.members + 1) / 2
    }

    /// Whether the cluster can do without this member for good, whatever becomes of the changes that are under way.
    func mayLose(_ number: Int) -> Bool {
        var lost = oracle.mayBeLost
        lost.insert(number)
        let inForce = oracle.inForce
        var possible = [inForce]
        for member in members { possible += member.configurations.filter { $0.index > inForce.index } }
        let changes = errands.filter(\.isAsked).compactMap(\.change)
        for known in possible {
            guard lives(known, without: lost) else { return false }
            for change in changes {
                do throws(Configuration.ChangeFailure) {
                    let next = KnownConfiguration(index: 0, try known.configuration.after(change))
                    guard lives(next, without: lost) else { return false }
                } catch {
                    // There is no such change from there.
                }
            }
        }
        return true
    }

    // MARK: Processes and clients

    private func startNewcomer(_ member: SimulatedMember) {
        format(member)
        member.life = .down
        member.configurations = [KnownConfiguration(index: 0, Configuration(members: []))]
        queue.add(.start, at: now + 1_000_000, member: member.number, incarnation: member.incarnation)
    }

    /// For good.
    private func stop(_ member: SimulatedMember) {
        oracle.mayBeLost.insert(member.number)
        guard member.isUp else {
            member.life = .out
            return
        }
        crash(member, nil, down: .zero)
        member.life = .out
        note(member.number, turningPoint: true, "is stopped for good")
    }

    /// A configuration is committed: clients hear who is there.
    func publish(_ known: KnownConfiguration) {
        directory = known.configuration.members.map { Int($0.id.rawValue) }
    }

    /// One of the members that clients know.
    func anyone(_ dice: inout SplitMix64) -> Int { directory[Int(dice.next(below: UInt64(directory.count)))] }
}

extension Errand.Step: CustomStringConvertible {
    var description: String {
        switch self {
        case .start(let member): "start n\(member)"
        case .add(let member, let learner): "add n\(member) as a \(learner ? "learner" : "voter")"
        case .remove(let member): "remove \(member.map { "n\($0)" } ?? "the leader")"
        case .setVoting(let member, let votes): "make n\(member) a \(votes ? "voter" : "learner")"
        case .stop(let member): "stop n\(member)"
        case .handOver: "hand over"
        }
    }

    /// With the leader's number in the place of nobody's.
    fileprivate func resolved(_ leader: Int) -> Errand.Step {
        switch self {
        case .remove(nil): .remove(leader)
        case .stop(0): .stop(leader)
        default: self
        }
    }
}
