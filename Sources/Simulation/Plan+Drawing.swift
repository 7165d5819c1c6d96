import Base

extension Plan {
    /// Draws the faults of the storm: somewhat more than one a second, of the groups that are wanted.
    mutating func drawFaults() {
        faults = []
        guard groups != .none else { return }
        var draw = Draw(members: members, dice: SplitMix64(seed: Stream.faults.seed(of: seed)))
        var life = LifeDraw(members: members, seed: seed)
        var at: UInt64 = 500_000_000
        var lifeAt = groups.contains(.membership) ? 500_000_000 + life.pause() : .max
        while min(at, lifeAt) < storm.nanoseconds {
            if lifeAt <= at {
                faults += life.faults().map { PlannedFault(at: Interval(nanoseconds: lifeAt), fault: $0) }
                draw.seats = life.seats
                lifeAt += life.pause()
                continue
            }
            if let fault = draw.fault(of: groups) {
                faults.append(PlannedFault(at: Interval(nanoseconds: at), fault: fault))
            }
            at += 100_000_000 + draw.dice.next(below: 1_200_000_000)
        }
    }
}

/// One drawing of faults.
private struct Draw {
    private let members: Int
    var dice: SplitMix64
    /// Whom faults meet: who is in the cluster, as far as the plan can tell.
    var seats: [Int]
    /// The members whose disks may be lost for good: fewer than half, so that the others live on.
    let victims: [Int]
    var wiped = MemberSet()

    init(members: Int, dice: SplitMix64) {
        self.members = members
        self.dice = dice
        var all = Array(1...members)
        seats = all
        for place in all.indices.dropLast() {
            all.swapAt(place, place + Int(self.dice.next(below: UInt64(all.count - place))))
        }
        victims = Array(all.prefix((members - 1) / 2))
    }

    mutating func fault(of groups: FaultGroups) -> Fault? {
        var choices: [FaultGroups] = []
        if groups.contains(.network), seats.count > 1 { choices += [.network, .network] }
        if groups.contains(.process) { choices.append(.process) }
        if groups.contains(.disk) { choices.append(.disk) }
        guard !choices.isEmpty else { return nil }
        switch choices[Int(dice.next(below: UInt64(choices.count)))] {
        case .network: return networkFault()
        case .process: return processFault()
        default: return diskFault()
        }
    }

    private mutating func member() -> Int { seats[Int(dice.next(below: UInt64(seats.count)))] }

    private mutating func link() -> Link {
        let from = Int(dice.next(below: UInt64(seats.count)))
        let to = (from + 1 + Int(dice.next(below: UInt64(seats.count - 1)))) % seats.count
        return Link(from: seats[from], to: seats[to])
    }

    private mutating func milliseconds(_ least: UInt64, _ most: UInt64) -> Interval {
        .milliseconds(least + dice.next(below: most - least + 1))
    }

    /// Mostly short, now and then long enough for everyone to notice.
    private mutating func span() -> Interval {
        dice.next(below: 10) == 0 ? milliseconds(2_000, 6_000) : milliseconds(50, 1_500)
    }

    private mutating func networkFault() -> Fault {
        switch dice.next(below: 12) {
        case 0: return .loss(link(), percent: 5 + Int(dice.next(below: 60)), lasting: span())
        case 1: return .delay(link(), upTo: milliseconds(1, 400), lasting: span())
        case 2: return .duplicate(link(), percent: 10 + Int(dice.next(below: 80)), lasting: span())
        case 3: return .reorder(link(), upTo: milliseconds(1, 200), lasting: span())
        case 4, 5:
            var side = MemberSet()
            for _ in 0..<1 + dice.next(below: UInt64(max(1, seats.count / 2))) { side.insert(member()) }
            return .partition(side: side, held: dice.next(below: 2) == 0, lasting: span())
        case 6: return .oneWay(link(), held: dice.next(below: 2) == 0, lasting: span())
        case 7: return .isolate(member(), held: dice.next(below: 2) == 0, lasting: span())
        case 8: return .flap(link(), period: milliseconds(20, 400), lasting: span())
        case 9, 10: return .breakConnection(link())
        default: return .breakClients(member())
        }
    }

    private mutating func processFault() -> Fault {
        switch dice.next(below: 12) {
        case 0...3:
            return .crash(member(), afterEffects: Int(dice.next(below: 8)), power: nil, down: milliseconds(50, 2_000))
        case 4...6: return .pause(member(), lasting: span())
        case 7, 8:
            let size = 1 + Int(dice.next(below: 100_000))
            return .drift(member(), millionths: dice.next(below: 2) == 0 ? size : -size, lasting: span())
        case 9, 10: return .leap(member(), milliseconds(10, 2_000))
        default: return .setWallClock(member(), milliseconds: Int(dice.next(below: 20_000_000)) - 10_000_000)
        }
    }

    private mutating func diskFault() -> Fault {
        switch dice.next(below: 40) {
        case 0..<12:
            let loss: Fault.PowerLoss = dice.next(below: 3) == 0 ? .everything : .someSectors
            return .crash(member(), afterEffects: Int(dice.next(below: 8)), power: loss, down: milliseconds(100, 2_000))
        case 12..<16: return .syncFails(member(), afterSyncs: Int(dice.next(below: 10)), down: milliseconds(300, 2_000))
        case 16..<19: return .writeFails(member(), afterWrites: Int(dice.next(below: 10)), down: milliseconds(300, 2_000))
        case 19..<26: return .full(member(), room: Int(dice.next(below: 30_000)), lasting: milliseconds(500, 6_000))
        case 26..<32: return .slow(member(), times: 5 + Int(dice.next(below: 200)), lasting: span())
        case 32..<38: return .hang(member(), lasting: span())
        case 38:
            guard let victim = victims.randomly(&dice) else { return .hang(member(), lasting: span()) }
            return .crash(victim, afterEffects: Int(dice.next(below: 8)), power: .atSomeByte, down: milliseconds(100, 2_000))
        default: return lastingDamage()
        }
    }

    private mutating func lastingDamage() -> Fault {
        guard let victim = victims.randomly(&dice), dice.next(below: 2) == 0 else {
            return .slow(member(), times: 20, lasting: span())
        }
        if dice.next(below: 3) == 0 { return .wipe(victim) }
        let place = Fault.FlipPlace.allCases[Int(dice.next(below: 3))]
        return .bitFlip(victim, place, down: milliseconds(100, 1_000))
    }
}

extension Array {
    fileprivate func randomly(_ random: inout SplitMix64) -> Element? {
        isEmpty ? nil : self[Int(random.next(below: UInt64(count)))]
    }
}
