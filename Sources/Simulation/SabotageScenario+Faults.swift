@_spi(Sabotage) import Base

// Bugs that need a meeting of faults which a storm drawn at random seldom brings about.
extension Sabotage {
    /// The faults of its scenario among five members; nil when any storm finds it.
    func faults(seed: UInt64, until end: Interval) -> [PlannedFault]? {
        var dice = SplitMix64(seed: Stream.faults.seed(of: seed))
        switch self {
        case .staleLeaderUnanswered: return pausesWithSlowDisks(&dice, end)
        case .voteByLength: return longMinorities(&dice, end)
        case .leaseOnArrival: return lateAnswers(&dice, end)
        case .leaseOutlivesTransfer: return deafMembers(&dice, end)
        case .promiseForgotten: return hurriedVoters(&dice, end)
        case .hungDiskLeads: return hangingDisks(&dice, end)
        case .learnerRefusesVotes: return missedPromotion(&dice)
        case .olderSnapshotInstalled: return overtakenSnapshots(&dice, end)
        default: return nil
        }
    }

    /// One disk after another hangs for long.
    private func hangingDisks(_ dice: inout SplitMix64, _ end: Interval) -> [PlannedFault] {
        var faults: [PlannedFault] = []
        var at: UInt64 = 1_000
        while at + 6_000 < end.nanoseconds / 1_000_000 {
            let member = 1 + Int(dice.next(below: 5))
            faults.append(PlannedFault(at: .milliseconds(at), fault: .hang(member, lasting: .milliseconds(5_000))))
            at += 6_000
        }
        return faults
    }

    /// What its clients ask for, where that is not what they ask in any storm.
    func adjust(_ workload: inout Workload) {
        switch self {
        case .leaseOutlivesTransfer: workload.transferEvery = 20
        case .promiseForgotten:
            // Who lacks a write is elected by nobody who has it.
            workload.rate = 16
            workload.reads = 95
        default: break
        }
    }

    /// What one member is told comes late: when it hands over, others know it before it does.
    private func deafMembers(_ dice: inout SplitMix64, _ end: Interval) -> [PlannedFault] {
        var faults: [PlannedFault] = []
        var at: UInt64 = 1_000
        while at + 3_000 < end.nanoseconds / 1_000_000 {
            let member = 1 + Int(dice.next(below: 5))
            for other in 1...5 where other != member {
                let link = Link(from: other, to: member)
                faults.append(
                    PlannedFault(
                        at: .milliseconds(at), fault: .delay(link, upTo: .milliseconds(150), lasting: .milliseconds(2_900))))
            }
            at += 3_000
        }
        return faults
    }

    /// A minority is cut off until it wants to vote; then the others are parted in their turn, and the one who is now with the
    /// minority has just been started again.
    private func hurriedVoters(_ dice: inout SplitMix64, _ end: Interval) -> [PlannedFault] {
        var faults: [PlannedFault] = []
        var at: UInt64 = 1_000
        while at + 2_500 < end.nanoseconds / 1_000_000 {
            let first = Int(dice.next(below: 5))
            let ring = (0..<5).map { 1 + (first + $0) % 5 }
            let parted = [(ring[..<2], at, 700 as UInt64), (ring[3...], at + 700, 600)]
            for (side, begin, lasting) in parted {
                faults.append(
                    PlannedFault(
                        at: .milliseconds(begin),
                        fault: .partition(side: MemberSet(Array(side)), held: false, lasting: .milliseconds(lasting))))
            }
            faults.append(
                PlannedFault(
                    at: .milliseconds(at + 700),
                    fault: .crash(ring[2], afterEffects: 0, power: nil, down: .milliseconds(10))))
            at += 2_500
        }
        return faults
    }

    /// A leader stands still until somebody campaigns, and goes on while the candidate's disk still writes its vote: the
    /// candidate is then ahead of a cluster that has a leader.
    private func pausesWithSlowDisks(_ dice: inout SplitMix64, _ end: Interval) -> [PlannedFault] {
        var faults = (1...5).map {
            PlannedFault(at: .milliseconds(1_000), fault: .slow($0, times: 500, lasting: end))
        }
        var at: UInt64 = 1_200
        while at + 700 < end.nanoseconds / 1_000_000 {
            let member = 1 + Int(dice.next(below: 5))
            let lasting = Interval.milliseconds(300 + dice.next(below: 250))
            faults.append(PlannedFault(at: .milliseconds(at), fault: .pause(member, lasting: lasting)))
            at += 700
        }
        return faults
    }

    /// Two members are cut off; when their leader goes on taking writes its log is the longest. Then the others, who have
    /// committed in a later term, all start anew, and the two are back.
    private func longMinorities(_ dice: inout SplitMix64, _ end: Interval) -> [PlannedFault] {
        var faults: [PlannedFault] = []
        var at: UInt64 = 1_000
        while at + 2_000 < end.nanoseconds / 1_000_000 {
            let first = 1 + Int(dice.next(below: 5))
            let side = MemberSet([first, first % 5 + 1])
            let lasting = 500 + dice.next(below: 400)
            faults.append(
                PlannedFault(
                    at: .milliseconds(at), fault: .partition(side: side, held: false, lasting: .milliseconds(lasting))))
            for member in 1...5 where !side.contains(member) {
                faults.append(
                    PlannedFault(
                        at: .milliseconds(at + lasting),
                        fault: .crash(member, afterEffects: 0, power: nil, down: .milliseconds(50))))
            }
            at += 2_000
        }
        return faults
    }

    /// What a member is told comes late, then nobody hears it any more: if it leads, answers to what it asked long ago
    /// reach it while others have a new leader.
    private func lateAnswers(_ dice: inout SplitMix64, _ end: Interval) -> [PlannedFault] {
        var faults: [PlannedFault] = []
        var at: UInt64 = 1_000
        while at + 2_000 < end.nanoseconds / 1_000_000 {
            let member = 1 + Int(dice.next(below: 5))
            for other in 1...5 where other != member {
                faults.append(
                    PlannedFault(
                        at: .milliseconds(at),
                        fault: .delay(Link(from: other, to: member), upTo: .milliseconds(800), lasting: .milliseconds(1_600))))
            }
            for other in 1...5 where other != member {
                faults.append(
                    PlannedFault(
                        at: .milliseconds(at + 300),
                        fault: .oneWay(Link(from: member, to: other), held: false, lasting: .milliseconds(1_200))))
            }
            at += 2_000
        }
        return faults
    }

    /// The leader loses its disk as it makes a voter of a newcomer, which has not heard of it: without the newcomer's vote
    /// there is no majority.
    private func missedPromotion(_ dice: inout SplitMix64) -> [PlannedFault] {
        let at = Interval.milliseconds(1_500 + dice.next(below: 1_000))
        // Armed in the order of their use, the last one first.
        return [
            PlannedFault(at: at, fault: .strikeChange(.lose(afterEffects: 1 + Int(dice.next(below: 3))))),
            PlannedFault(at: at, fault: .strikeChange(.pause(.milliseconds(1)))),
            PlannedFault(at: at, fault: .addServer(4, learner: false)),
        ]
    }

    /// A member needs a snapshot, and its disk hangs when all of it is in; its leader dies, and another one, whose log reaches
    /// back far enough, sends entries meanwhile that go beyond it.
    private func overtakenSnapshots(_ dice: inout SplitMix64, _ end: Interval) -> [PlannedFault] {
        var faults: [PlannedFault] = []
        var at: UInt64 = 1_000
        func add(_ delay: UInt64, _ fault: Fault) { faults.append(PlannedFault(at: .milliseconds(at + delay), fault: fault)) }
        while at + 5_000 < end.nanoseconds / 1_000_000 {
            let behind = 1 + Int(dice.next(below: 5))
            let leader = (behind + Int(dice.next(below: 4))) % 5 + 1
            add(0, .isolate(behind, held: false, lasting: .milliseconds(1_200)))
            add(900, .snapshot(leader, killed: nil))
            add(1_190, .hang(behind, lasting: .milliseconds(1_500 + dice.next(below: 1_000))))
            add(1_300 + dice.next(below: 400), .crash(leader, afterEffects: 0, power: nil, down: .milliseconds(400)))
            at += 5_000
        }
        return faults
    }
}
