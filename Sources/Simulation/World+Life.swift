import Base
import Consensus
internal import LogFormat
import Replica
import Storage

/// What a fault of the cluster's life leaves to be done later.
enum Relief {
    /// A member that was cut off is heard again.
    case connect(Int)
    case resume(Int)
    /// All but this one take snapshots.
    case snapshots(besides: Int)
    case kill(Int, power: Fault.PowerLoss?)

    /// Whether the calm cannot begin before it is done.
    var isOwed: Bool {
        switch self {
        case .connect, .resume, .kill: true
        case .snapshots: false
        }
    }
}

// Members come and go, take snapshots and are sent them, and hand leadership over.
extension World {
    func beginLifeFault(_ fault: Fault) {
        switch fault {
        case .addServer(let number, let learner):
            begin(errand: [.start(number), .add(number, learner: learner)])
        case .removeServer(let number, let stopped):
            begin(errand: [.remove(number)] + (stopped ? [.stop(number ?? 0)] : []))
        case .setVoting(let number, let votes): begin(errand: [.setVoting(number, votes)])
        case .replace(let number, let other): replace(members[number - 1], by: members[other - 1])
        case .strikeChange(let blow): armedBlows.append(blow)
        case .transfer(let target, let blow): handOver(to: target, blow)
        case .snapshot(let number, let killed):
            takeSnapshot(members[number - 1])
            if let killed { relieve(.kill(number, power: .someSectors), after: killed) }
        case .fallBehind(let number, let lasting, let end):
            isolate(number, true, false, lasting)
            relieve(.connect(number), after: lasting)
            relieve(.snapshots(besides: number), after: .milliseconds(lasting.milliseconds - 400))
            if let end { installationEnds.append((number, end)) }
        case .rot(let number, let lasting): rot(members[number - 1], lasting)
        default: preconditionFailure("no fault of a cluster's life")
        }
    }

    /// A wiped disk never comes back under its old identity: the member is removed, and another has its name and address.
    private func replace(_ member: SimulatedMember, by other: SimulatedMember) {
        guard mayLose(member.number) else { return }
        other.name = member.name
        other.address = member.address
        wipe(member)
        begin(errand: [.remove(member.number), .start(other.number), .add(other.number, learner: false)])
    }

    private func handOver(to number: Int?, _ blow: Fault.Blow?) {
        guard let leader = members.first(where: { $0.isUp && $0.last.role == .leader }) else { return }
        var target = number
        if target == nil {
            let others = members.filter { $0.isUp && $0.number != leader.number && directory.contains($0.number) }
            target = others.min { $0.durable.count < $1.durable.count }?.number
        }
        guard let target else { return }
        note(leader.number, "is asked to hand over to n\(target)")
        leader.turn.requests.append(
            Request(id: leader.calls.add(.nobody), body: .transferLeadership(to: MemberID(UInt64(target)))))
        wake(leader)
        if let blow { strike(members[target - 1], blow) }
    }

    /// Befalls a member now, and is undone when it has lasted.
    func strike(_ member: SimulatedMember, _ blow: Fault.Blow) {
        guard member.isUp else { return }
        note(member.number, turningPoint: true, "\(blow.words)")
        hash.fold(now, 11 << 8 | member.number, 0)
        switch blow {
        case .cutOff(let lasting):
            isolate(member.number, true, false, lasting)
            relieve(.connect(member.number), after: lasting)
        case .pause(let lasting):
            pause(member, lasting)
            relieve(.resume(member.number), after: lasting)
        case .kill(let effects, let power):
            member.crashAfterEffects = effects
            member.plannedCrash = (power, .milliseconds(50 + operatorDice.next(below: 1_500)), false)
        case .lose(let effects):
            guard mayLose(member.number) else { return }
            oracle.mayBeLost.insert(member.number)
            member.crashAfterEffects = effects
            member.plannedCrash = (nil, .zero, true)
        }
    }

    private func takeSnapshot(_ member: SimulatedMember) {
        guard member.isUp, let process = member.process else { return }
        process.replica.demandSnapshot()
        wake(member)
    }

    /// Only the file changes: what the member has in memory is right.
    private func rot(_ member: SimulatedMember, _ lasting: Interval) {
        guard let file = member.disk.newestSnapshot, mayLose(member.number) else { return }
        oracle.mayBeLost.insert(member.number)
        member.disk.damage(file) { bytes in
            for _ in 0..<1 + member.diskRandom.next(below: 3) {
                let offset = Int(member.diskRandom.next(below: UInt64(bytes.count)))
                bytes[offset] ^= 1 << UInt8(member.diskRandom.next(below: 8))
            }
        }
        relieve(.kill(member.number, power: nil), after: lasting)
    }

    // MARK: Later

    private func relieve(_ relief: Relief, after time: Interval) {
        reliefs.append(relief)
        queue.add(.relief, at: now + time.nanoseconds, number: reliefs.count - 1)
    }

    func relieve(_ number: Int) {
        guard let relief = reliefs[number] else { return }
        reliefs[number] = nil
        switch relief {
        case .connect(let member): isolate(member, false, false, .zero)
        case .resume(let member): resume(members[member - 1])
        case .snapshots(let member): for other in members where other.number != member { takeSnapshot(other) }
        case .kill(let member, let power): crash(members[member - 1], power, down: .milliseconds(300))
        }
    }

    /// The storm is over: what is owed is done at once.
    func endBlows() {
        armedBlows = []
        installationEnds = []
        for number in reliefs.indices {
            if reliefs[number]?.isOwed == true { relieve(number) } else { reliefs[number] = nil }
        }
    }
}
