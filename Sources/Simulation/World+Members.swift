@_spi(Sabotage) import Base
import Consensus
import DequeModule
internal import LogFormat
@_spi(Sabotage) import Replica
import Storage

// A member's process: what `Startup` and `Member` do around a replica.
extension World {
    /// Makes a blank disk this member's, as at its first start. The first configuration is known, but to one that joins.
    func format(_ member: SimulatedMember) {
        let identity = Identity(
            member: member.id, name: member.name, cluster: configuration.clusterID,
            configuration: member.isNewcomer ? Bytes() : configuration.encode())
        guard case .done = member.disk.run(Storage.format(identity, limits: plan.storageLimits)) else {
            preconditionFailure("an empty disk cannot be formatted")
        }
    }

    /// Starts the process from what the disk holds. When it cannot, the member stays out.
    func start(_ member: SimulatedMember) {
        guard member.life == .down else { return }
        let recovery: Recovery
        do throws(RecoveryFailure) {
            recovery = try Storage.recover(from: member.disk, limits: plan.storageLimits)
        } catch {
            return refuseStart(member, error)
        }
        guard case .member(let recovered) = recovery else {
            guard plan.replicaLimits.sabotage == .wipedDiskRejoins else {
                return stayOut(member, "its disk is blank: the others know it under an id that it lost")
            }
            format(member)
            member.durable = DurableState()
            return start(member)
        }
        judge(recovered, of: member)
        let (term, lastIndex) = (recovered.hardState.term, recovered.lastIndex)
        let process: SimulatedMember.Process
        do throws(RecoveryFailure) {
            process = try makeReplica(recovered, member)
        } catch {
            return refuseStart(member, error)
        }
        if member.incarnation > 0 { statistics.restarts += 1 }
        hash.fold(now, 1 << 8 | member.number, lastIndex.rawValue)
        note(member.number, turningPoint: true, "starts with term \(term), log through \(lastIndex)")
        member.process = process
        member.life = .running
        member.turn = Turn()
        member.snapshotWork = nil
        member.effects = ReplicaEffects()
        member.isTurnScheduled = false
        member.armedFor = .max
        member.operations = []
        member.laneFree = [now, now, now]
        member.calls = Calls()
        member.lastLeader = nil
        member.last = SimulatedMember.LastSeen()
        member.last.term = term
        member.lastWord = nil
        for other in members where other.number != member.number {
            // What a machine without power left open ends with the first word of its successor.
            breakConnection(connection(of: other.number, to: member.number))
        }
        member.peers = MemberSet()
        connectPeers(of: member, process)
        wake(member)
    }

    private func makeReplica(
        _ recovered: consuming Recovered, _ member: SimulatedMember
    ) throws(RecoveryFailure) -> SimulatedMember.Process {
        var replica = try Replica(
            recovered, from: member.disk, first: recovered.bootstrap ?? Configuration(members: []), seed: member.dice.next(),
            parameters: plan.parameters, storageLimits: plan.storageLimits, limits: plan.replicaLimits,
            now: member.clock.instant(at: now))
        replica.startRecord()
        replica.isWatched = sink != nil
        return SimulatedMember.Process(replica)
    }

    /// The disk is not what it was: right, when a fault made it so.
    private func refuseStart(_ member: SimulatedMember, _ failure: RecoveryFailure) {
        if case .damaged = failure, oracle.mayBeLost.contains(member.number) {
            return stayOut(member, "\(failure)")
        }
        if case .disk = failure, member.exitsWithLoss {
            note(member.number, turningPoint: true, "cannot start: \(failure)")
            return failDisk(member)
        }
        report("recovery", "n\(member.number) cannot start though nothing damaged its disk: \(failure)")
    }

    func stayOut(_ member: SimulatedMember, _ reason: @autoclosure () -> String) {
        member.life = .out
        hash.fold(now, 2 << 8 | member.number, 0)
        note(member.number, turningPoint: true, "stays out: \(reason())")
    }

    // MARK: The loop

    /// Something came in: the loop takes a turn soon.
    func wake(_ member: SimulatedMember) {
        guard !member.isTurnScheduled, member.isUp, !member.isPaused else { return }
        member.isTurnScheduled = true
        let delay = 5_000 + member.dice.next() & 0x3_ffff
        queue.add(.turn, at: now + delay, member: member.number, incarnation: member.incarnation)
    }

    func takeTurn(_ member: SimulatedMember) {
        guard member.isUp, !member.isPaused, let process = member.process else { return }
        let own = member.clock.instant(at: now)
        guard !member.turn.isEmpty || own >= process.replica.deadline else { return arm(member, process) }
        member.turn.now = own
        member.turn.wallMs = member.clock.wallMs(at: now)
        statistics.steps += 1
        process.replica.step(&member.turn, into: &member.effects)
        let glance = process.replica.glance()
        if let law = glance.brokenLaw { return report("invariant", "n\(member.number): \(law)") }
        look(at: member, process, glance)
        if glance.configurationIndex != member.peersIndex || member.hasDepartingPeers {
            connectPeers(of: member, process)
        }
        obey(member, process)
        member.effects.removeAll()
        guard member.isUp else { return }
        arm(member, process)
    }

    private func arm(_ member: SimulatedMember, _ process: SimulatedMember.Process) {
        if !member.turn.isEmpty { wake(member) }
        let deadline = process.replica.deadline
        guard deadline != .never else { return }
        let at = max(member.clock.time(of: deadline), now + 20_000)
        guard at < member.armedFor else { return }
        member.armedFor = at
        queue.add(.timer, at: at, member: member.number, incarnation: member.incarnation)
    }

    /// In the order of `Member.obey`; a crash may come between any two effects.
    private func obey(_ member: SimulatedMember, _ process: SimulatedMember.Process) {
        if let failure = member.effects.failure { return exit(member, failure) }
        for place in member.effects.send.indices {
            guard survives(member) else { return }
            send(member.effects.send[place], from: member)
        }
        for place in member.effects.operations.indices {
            guard survives(member) else { return }
            run(member.effects.operations[place], of: member)
        }
        guard survives(member) else { return }
        let leader = process.replica.leader
        if leader != member.lastLeader {
            if let last = member.lastLeader, last != member.id { giveUpForwards(of: member, to: last) }
            member.lastLeader = leader
        }
        if !member.effects.forwards.isEmpty { passOn(member.effects.forwards, from: member) }
        for place in member.effects.answers.indices {
            guard survives(member) else { return }
            give(member.effects.answers[place], of: member)
        }
        carrySnapshots(of: member)
        if sink != nil {
            for event in member.effects.events {
                note(member.number, turningPoint: event.isTurningPoint, event.text { "n\($0.rawValue)" })
            }
        }
    }

    /// Counts an effect; false when the process dies before it.
    private func survives(_ member: SimulatedMember) -> Bool {
        guard let left = member.crashAfterEffects else { return true }
        guard left > 0 else {
            guard let planned = member.plannedCrash else { return false }
            if planned.isLoss { wipe(member) } else { crash(member, planned.power, down: planned.down) }
            return false
        }
        member.crashAfterEffects = left - 1
        return true
    }

    private func give(_ answer: Answer, of member: SimulatedMember) {
        switch member.calls.take(answer.id) {
        case .client(let operation): give(answer.result, to: operation, of: member)
        case .forwarded(let batch, let proposal): self.answer(batch, proposal, answer.result)
        case .session(let slot): giveSession(answer.result, to: slot)
        case .errand(let number): give(answer.result, toErrand: number)
        case .nobody: break
        case nil: report("answers", "n\(member.number) answered a request twice, or one that nobody made")
        }
    }

    // MARK: The end of a process

    /// The replica says that it cannot go on: its disk failed. Somebody starts it again a little later.
    private func exit(_ member: SimulatedMember, _ failure: ReplicaFailure) {
        note(member.number, turningPoint: true, "ends: \(failure)")
        if case .storage(.damaged) = failure, oracle.mayBeLost.contains(member.number) {
            end(member, resets: true)
            return queue.add(.start, at: now + member.downTime.nanoseconds, member: member.number, incarnation: member.incarnation)
        }
        guard member.exitsWithLoss else {
            return report("failure", "n\(member.number) stopped though its disk did not fail: \(failure)")
        }
        end(member, resets: true)
        failDisk(member)
    }

    /// After a sync that failed nobody knows what is on the disk; the kernel may have dropped what it could not write.
    /// Somebody looks after the disk and starts the member again.
    private func failDisk(_ member: SimulatedMember) {
        member.disk.crash(.someSectors, &member.diskRandom)
        member.disk.syncsUntilFailure = nil
        member.disk.writesUntilFailure = nil
        member.exitsWithLoss = false
        queue.add(.start, at: now + member.downTime.nanoseconds, member: member.number, incarnation: member.incarnation)
    }

    /// Killed, or without power. What the disk was doing stops where it is.
    func crash(_ member: SimulatedMember, _ power: Fault.PowerLoss?, down: Interval) {
        guard member.isUp else { return }
        hash.fold(now, 3 << 8 | member.number, UInt64(member.incarnation))
        note(member.number, turningPoint: true, power == nil ? "is killed" : "loses its power")
        interruptDisk(member)
        end(member, resets: power == nil)
        switch power {
        case nil: break
        case .everything: member.disk.crash(.everything, &member.diskRandom)
        case .someSectors: member.disk.crash(.someSectors, &member.diskRandom)
        case .atSomeByte: member.disk.crash(.atSomeByte, &member.diskRandom)
        }
        queue.add(.start, at: now + down.nanoseconds, member: member.number, incarnation: member.incarnation)
    }

    /// The process is gone. With `resets` its kernel still speaks, and ends its connections at once.
    func end(_ member: SimulatedMember, resets: Bool) {
        member.life = .down
        member.incarnation += 1
        member.process = nil
        member.crashAfterEffects = nil
        member.plannedCrash = nil
        member.turn = Turn()
        member.isTurnScheduled = false
        member.operations = []
        member.last.role = .follower
        for waiter in member.calls.takeAll() {
            switch waiter {
            case .client(let operation): clientLoses(operation)
            case .errand(let number): errands[number].isAsked = false
            case .forwarded, .session, .nobody: break
            }
        }
        for other in members where other.number != member.number {
            let own = connection(of: member.number, to: other.number)
            if connections[own].isUp {
                connections[own].forwards = []
                breakConnection(own)
            }
            let theirs = connection(of: other.number, to: member.number)
            guard connections[theirs].isUp else { continue }
            if resets {
                breakConnection(theirs)
            } else {
                // A machine without power says nothing: only its silence tells.
                queue.add(
                    .keepalive, at: now + worldRandom.next(below: Interval.keepalive.nanoseconds), number: theirs,
                    incarnation: connections[theirs].epoch)
            }
        }
    }
}

extension Event {
    /// Who leads changes, or what a log holds is taken back.
    fileprivate var isTurningPoint: Bool {
        switch self {
        case .campaign, .becameLeader, .steppedDown, .truncated, .removed, .installed, .transferStarted: true
        default: false
        }
    }
}
