import Base
import Consensus
internal import LogFormat
import Replica
import Storage

// Faults begin, and end.
extension World {
    func begin(fault number: Int) {
        let fault = plan.faults[number].fault
        // A storm made smaller may have left out the members that a fault is for.
        guard !isCalm, fault.met.allSatisfy({ $0 <= members.count }) else { return }
        note(0, turningPoint: true, "fault: \(fault)")
        for member in fault.met { coverage.met(fault.kind, standing(of: members[member - 1])) }
        if let victim = fault.victim, !members[victim - 1].isUp { return }
        statistics.faults[Int(fault.kind.rawValue)] += 1
        hash.fold(now, 9 << 8, UInt64(number))
        if let lasting = fault.lasting { queue.add(.faultEnds, at: now + lasting.nanoseconds, number: number) }
        active.append(number)
        switch fault.kind.group {
        case .network: change(fault, number, begins: true)
        case .process: beginProcessFault(fault)
        case .membership: beginLifeFault(fault)
        default: beginDiskFault(fault)
        }
    }

    func end(fault number: Int) {
        guard let place = active.firstIndex(of: number) else { return }
        active.remove(at: place)
        let fault = plan.faults[number].fault
        guard fault.lasting != nil else { return }
        note(0, turningPoint: true, "ends: \(fault)")
        switch fault.kind.group {
        case .network: change(fault, number, begins: false)
        case .process: endProcessFault(fault)
        default: endDiskFault(fault)
        }
    }

    /// The storm is over: what was broken is put right, who is down is started.
    func beginCalm() {
        for number in active { end(fault: number) }
        active = []
        endBlows()
        isCalm = true
        note(0, turningPoint: true, "the calm begins")
        for member in members {
            member.crashAfterEffects = nil
            member.plannedCrash = nil
            member.disk.syncsUntilFailure = nil
            member.disk.writesUntilFailure = nil
            guard member.life == .down else { continue }
            queue.add(.start, at: now + 1_000_000, member: member.number, incarnation: member.incarnation)
        }
    }

    // MARK: The network

    private func change(_ fault: Fault, _ number: Int, begins: Bool) {
        switch fault {
        case .loss(let link, let percent, _): trouble(link, begins, percent, \.loss)
        case .duplicate(let link, let percent, _): trouble(link, begins, percent, \.duplicates)
        case .delay(let link, let most, _): trouble(link, begins, most.nanoseconds, \.delays)
        case .reorder(let link, let most, _): trouble(link, begins, most.nanoseconds, \.reorders)
        case .partition(let side, let held, let lasting):
            for from in 1...capacity {
                for to in 1...capacity where side.contains(from) != side.contains(to) {
                    cut(Link(from: from, to: to), begins, held, lasting)
                }
            }
        case .oneWay(let link, let held, let lasting): cut(link, begins, held, lasting)
        case .isolate(let member, let held, let lasting): isolate(member, begins, held, lasting)
        case .flap(let link, let period, let lasting):
            if begins {
                flapping.append(number)
                queue.add(.flap, at: now + period.nanoseconds, number: number)
                cutBoth(link, true, lasting)
                isFlapDown.append(true)
            } else if let place = flapping.firstIndex(of: number) {
                flapping.remove(at: place)
                if isFlapDown.remove(at: place) { cutBoth(link, false, lasting) }
            }
        case .breakConnection(let link): breakConnection(connection(of: link.from, to: link.to))
        case .breakClients(let member): breakClients(of: members[member - 1])
        default: preconditionFailure("no fault of the network")
        }
    }

    func isolate(_ member: Int, _ begins: Bool, _ held: Bool, _ lasting: Interval) {
        for other in 1...capacity where other != member {
            cut(Link(from: member, to: other), begins, held, lasting)
            cut(Link(from: other, to: member), begins, held, lasting)
        }
    }

    /// A link that flaps comes, or goes.
    func flap(fault number: Int) {
        guard let place = flapping.firstIndex(of: number),
            case .flap(let link, let period, let lasting) = plan.faults[number].fault
        else { return }
        isFlapDown[place].toggle()
        cutBoth(link, isFlapDown[place], lasting)
        queue.add(.flap, at: now + period.nanoseconds, number: number)
    }

    private func cutBoth(_ link: Link, _ begins: Bool, _ lasting: Interval) {
        cut(link, begins, false, lasting)
        cut(Link(from: link.to, to: link.from), begins, false, lasting)
    }

    private func trouble<Value: Equatable>(
        _ link: Link, _ begins: Bool, _ value: Value, _ list: WritableKeyPath<Wire, [Value]>
    ) {
        let wire = connection(of: link.from, to: link.to)
        if begins {
            wires[wire][keyPath: list].append(value)
        } else if let place = wires[wire][keyPath: list].firstIndex(of: value) {
            wires[wire][keyPath: list].remove(at: place)
        }
        wires[wire].settle()
    }

    private func cut(_ link: Link, _ begins: Bool, _ held: Bool, _ lasting: Interval) {
        let wire = connection(of: link.from, to: link.to)
        let change = begins ? 1 : -1
        wires[wire].cuts += change
        if held { wires[wire].holds += change }
        if begins, lasting > .keepalive {
            // Silence on either way ends both connections.
            for number in [wire, connection(of: link.to, to: link.from)] {
                queue.add(
                    .keepalive, at: now + Interval.keepalive.nanoseconds, number: number,
                    incarnation: connections[number].epoch)
            }
        }
        guard wires[wire].cuts == 0 else { return }
        let letters = wires[wire].held
        wires[wire].held = []
        for letter in letters { dispatch(letter, on: wire) }
    }

    private func breakClients(of member: SimulatedMember) {
        for number in clients.pending.indices.suffix(4 * plan.workload.clients)
        where clients.pending[number].isOpen && clients.pending[number].member == member.number {
            clientLoses(number)
        }
    }

    // MARK: Processes

    private func beginProcessFault(_ fault: Fault) {
        switch fault {
        case .crash(let number, let effects, let power, let down):
            plan(crashOf: members[number - 1], effects, power, down)
        case .pause(let number, let lasting): pause(members[number - 1], lasting)
        case .drift(let number, let millionths, _):
            members[number - 1].clock.drift(millionths, from: now)
            rearm(members[number - 1])
        case .leap(let number, let interval):
            members[number - 1].clock.leap(interval)
            // A promise of silence that it gave before ends too early; leases that count on it may outlive it by that much.
            leaptUntil = now + 2 * plan.parameters.electionTimeout.lowerBound.nanoseconds
            rearm(members[number - 1])
        case .setWallClock(let number, let milliseconds):
            members[number - 1].clock.wallOffset += Int64(milliseconds)
        default: preconditionFailure("no fault of a process")
        }
    }

    func pause(_ member: SimulatedMember, _ lasting: Interval) {
        let number = member.number
        member.pauses += 1
        guard lasting > .keepalive else { return }
        for other in members where other.number != number {
            for connection in [connection(of: number, to: other.number), connection(of: other.number, to: number)] {
                queue.add(
                    .keepalive, at: now + Interval.keepalive.nanoseconds, number: connection,
                    incarnation: connections[connection].epoch)
            }
        }
    }

    func resume(_ member: SimulatedMember) {
        member.pauses -= 1
        guard !member.isPaused else { return }
        member.isTurnScheduled = false
        wake(member)
    }

    func plan(crashOf member: SimulatedMember, _ effects: Int, _ power: Fault.PowerLoss?, _ down: Interval) {
        guard effects > 0 else { return crash(member, power, down: down) }
        member.crashAfterEffects = effects
        member.plannedCrash = (power, down, false)
    }

    private func endProcessFault(_ fault: Fault) {
        switch fault {
        case .pause(let number, _): resume(members[number - 1])
        case .drift(let number, _, _):
            members[number - 1].clock.drift(0, from: now)
            rearm(members[number - 1])
        default: break
        }
    }

    /// Its clock changed: what it waits for comes at another time.
    private func rearm(_ member: SimulatedMember) {
        member.armedFor = .max
        wake(member)
    }

    // MARK: Disks

    private func beginDiskFault(_ fault: Fault) {
        switch fault {
        case .crash(let number, let effects, let power, let down):
            if power == .atSomeByte {
                guard mayLose(number) else { return }
                oracle.mayBeLost.insert(number)
            }
            plan(crashOf: members[number - 1], effects, power, down)
        case .syncFails(let number, let after, let down):
            members[number - 1].disk.syncsUntilFailure = after
            members[number - 1].downTime = down
            members[number - 1].exitsWithLoss = true
        case .writeFails(let number, let after, let down):
            members[number - 1].disk.writesUntilFailure = after
            members[number - 1].downTime = down
            members[number - 1].exitsWithLoss = true
        case .full(let number, let room, _):
            members[number - 1].isFull += 1
            members[number - 1].disk.capacity = members[number - 1].disk.used + room
        case .slow(let number, let times, _): members[number - 1].slowness.append(times)
        case .hang(let number, _): members[number - 1].hangs += 1
        case .wipe(let number):
            guard mayLose(number) else { return }
            wipe(members[number - 1])
        case .bitFlip(let number, let place, let down):
            guard mayLose(number) else { return }
            oracle.mayBeLost.insert(number)
            crash(members[number - 1], nil, down: down)
            flipBits(of: members[number - 1], place)
        default: preconditionFailure("no fault of a disk")
        }
    }

    func wipe(_ member: SimulatedMember) {
        oracle.mayBeLost.insert(member.number)
        crash(member, nil, down: .milliseconds(500))
        member.disk.wipe()
        // The new one has no faults planned.
        member.disk.syncsUntilFailure = nil
        member.disk.writesUntilFailure = nil
        member.disk.capacity = .max
    }

    private func endDiskFault(_ fault: Fault) {
        switch fault {
        case .full(let number, _, _):
            members[number - 1].isFull -= 1
            if members[number - 1].isFull == 0 { members[number - 1].disk.capacity = .max }
        case .slow(let number, let times, _):
            if let place = members[number - 1].slowness.firstIndex(of: times) {
                members[number - 1].slowness.remove(at: place)
            }
        case .hang(let number, _):
            members[number - 1].hangs -= 1
            if members[number - 1].hangs == 0 { releaseDisk(members[number - 1]) }
        default: break
        }
    }

    private func flipBits(of member: SimulatedMember, _ place: Fault.FlipPlace) {
        let segments = member.disk.segments
        let file: DiskFile
        switch place {
        case .state: file = .state
        case .middle: file = .segment(segments[Int(member.diskRandom.next(below: UInt64(segments.count)))])
        case .end: file = .segment(segments[max(0, segments.count - 2)])
        }
        member.disk.damage(file) { bytes in
            var range = 0..<bytes.count
            if place != .state, let last = lastWritten(bytes) {
                // In a frame, not in the zeros behind it.
                range = place == .end ? max(Format.framesStart, last - 512)..<last + 1 : Format.framesStart..<last + 1
            } else if place == .state {
                range = 0..<64
            }
            guard !range.isEmpty else { return }
            for _ in 0..<1 + member.diskRandom.next(below: 3) {
                let offset = range.lowerBound + Int(member.diskRandom.next(below: UInt64(range.count)))
                bytes[offset] ^= 1 << UInt8(member.diskRandom.next(below: 8))
            }
        }
    }

    /// The last byte of the frames that is not zero.
    private func lastWritten(_ bytes: UnsafeMutableRawBufferPointer) -> Int? {
        var offset = bytes.count - 1
        while offset >= Format.framesStart {
            if bytes[offset] != 0 { return offset }
            offset -= 1
        }
        return nil
    }
}

extension Fault {
    /// The member that it is about; nil for faults of the network.
    var victim: Int? {
        switch self {
        case .loss, .delay, .duplicate, .reorder, .partition, .oneWay, .isolate, .flap, .breakConnection: nil
        case .addServer, .removeServer, .setVoting, .strikeChange, .transfer: nil
        case .breakClients(let member), .crash(let member, _, _, _), .pause(let member, _), .drift(let member, _, _),
            .leap(let member, _), .setWallClock(let member, _), .syncFails(let member, _, _),
            .writeFails(let member, _, _), .full(let member, _, _), .slow(let member, _, _), .hang(let member, _),
            .wipe(let member), .bitFlip(let member, _, _), .replace(let member, _), .snapshot(let member, _),
            .fallBehind(let member, _, _), .rot(let member, _):
            member
        }
    }

    /// How long it lasts; nil for one that is done as it begins.
    var lasting: Interval? {
        switch self {
        case .loss(_, _, let time), .delay(_, _, let time), .duplicate(_, _, let time), .reorder(_, _, let time),
            .partition(_, _, let time), .oneWay(_, _, let time), .isolate(_, _, let time), .flap(_, _, let time),
            .pause(_, let time), .drift(_, _, let time), .full(_, _, let time), .slow(_, _, let time),
            .hang(_, let time):
            time
        case .breakConnection, .breakClients, .crash, .leap, .setWallClock, .syncFails, .writeFails, .wipe, .bitFlip: nil
        case .addServer, .removeServer, .setVoting, .replace, .strikeChange, .transfer, .snapshot, .fallBehind, .rot: nil
        }
    }
}
