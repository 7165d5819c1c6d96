import Base

extension Fault {
    /// The member that it brings in; nil for most.
    var newcomer: Int? {
        switch self {
        case .addServer(let member, _), .replace(_, let member): member
        default: nil
        }
    }
}

extension Plan {
    /// How many members there are in all, those included that come later: numbers go up to this one.
    var capacity: Int { faults.reduce(members) { max($0, $1.fault.newcomer ?? 0) } }
}

/// One drawing of what happens in a cluster's life: changes of members, snapshots, leadership handed over. It has dice of
/// its own, so that the other faults stay what they are.
struct LifeDraw {
    private let members: Int
    private var dice: SplitMix64
    /// Who is in the cluster, if all goes as it is drawn: whoever else has faults finds most of their victims here.
    private(set) var seats: [Int]
    private var newcomers = 0

    /// How many members a run brings in.
    private static let maxNewcomers = 8

    init(members: Int, seed: UInt64) {
        self.members = members
        dice = SplitMix64(seed: Stream.life.seed(of: seed))
        seats = Array(1...members)
    }

    /// How long until the next.
    mutating func pause() -> UInt64 { 500_000_000 + dice.next(below: 2_500_000_000) }

    /// What happens now, all at once.
    mutating func faults() -> [Fault] {
        switch dice.next(below: 100) {
        case 0..<18: return struck(seats.count < members + 2 ? addition() : removal())
        case 18..<36: return struck(seats.count > max(1, members / 2 + 1) ? removal() : addition())
        case 36..<44: return struck(replacement())
        case 44..<50: return struck(.setVoting(seat(), dice.next(below: 2) == 0))
        case 50..<64: return [transfer()]
        case 64..<78:
            let isKilled = dice.next(below: 3) == 0
            return [.snapshot(seat(), killed: isKilled ? milliseconds(1, 60) : nil)]
        case 78..<96: return [.fallBehind(seat(), lasting: milliseconds(900, 2_500), end())]
        default: return [.rot(seat(), lasting: milliseconds(200, 3_000))]
        }
    }

    private mutating func seat() -> Int { seats[Int(dice.next(below: UInt64(seats.count)))] }

    private mutating func milliseconds(_ least: UInt64, _ most: UInt64) -> Interval {
        .milliseconds(least + dice.next(below: most - least + 1))
    }

    private mutating func newcomer() -> Int? {
        guard newcomers < Self.maxNewcomers else { return nil }
        newcomers += 1
        return members + newcomers
    }

    // MARK: Changes

    /// Some changes have a leader die, or be cut off, as it makes them.
    private mutating func struck(_ fault: Fault) -> [Fault] {
        dice.next(below: 5) < 2 ? [.strikeChange(blow()), fault] : [fault]
    }

    private mutating func addition() -> Fault {
        guard let newcomer = newcomer() else { return .setVoting(seat(), true) }
        seats.append(newcomer)
        return .addServer(newcomer, learner: dice.next(below: 4) == 0)
    }

    private mutating func removal() -> Fault {
        let stopped = dice.next(below: 2) == 0
        guard seats.count > 1, dice.next(below: 3) > 0 else { return .removeServer(nil, stopped: stopped) }
        return .removeServer(seats.remove(at: Int(dice.next(below: UInt64(seats.count)))), stopped: stopped)
    }

    private mutating func replacement() -> Fault {
        guard let newcomer = newcomer() else { return removal() }
        let place = Int(dice.next(below: UInt64(seats.count)))
        let lost = seats[place]
        seats[place] = newcomer
        return .replace(lost, by: newcomer)
    }

    // MARK: Ways in which it goes wrong

    private mutating func power() -> Fault.PowerLoss? {
        switch dice.next(below: 4) {
        case 0: .everything
        case 1: .someSectors
        default: nil
        }
    }

    private mutating func blow() -> Fault.Blow {
        switch dice.next(below: 5) {
        case 0, 1: .cutOff(milliseconds(100, 2_500))
        case 2: .pause(milliseconds(100, 1_500))
        case 3 where dice.next(below: 3) == 0: .lose(afterEffects: Int(dice.next(below: 12)))
        default: .kill(afterEffects: Int(dice.next(below: 12)), power: power())
        }
    }

    private mutating func transfer() -> Fault {
        let target = dice.next(below: 3) == 0 ? nil : seat()
        return .transfer(to: target, dice.next(below: 2) == 0 ? blow() : nil)
    }

    private mutating func end() -> Fault.InstallationEnd? {
        guard dice.next(below: 4) > 0 else { return nil }
        let manner: Fault.InstallationEnd.Manner =
            switch dice.next(below: 4) {
            case 0: .connectionBreaks
            case 1: .senderDies(power())
            case 2: .receiverDiesWithIt(power(), afterEffects: Int(dice.next(below: 4)))
            default: .receiverDies(power(), afterEffects: Int(dice.next(below: 6)))
            }
        return .init(afterPieces: 1 + Int(dice.next(below: 30)), manner: manner)
    }
}
