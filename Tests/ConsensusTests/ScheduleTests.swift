import Base
import Testing

@testable import Consensus

/// Random schedules: members crash and restart, the network loses, doubles and reorders, disks lag, clocks drift.
/// Safety in the storm, then progress in the calm.
@Suite struct ScheduleTests {
    @Test("three members survive any schedule", arguments: 1...24)
    func three(seed: Int) { storm(Storm(voters: 3, seed: UInt64(seed)), steps: 10_000) }

    @Test("five members survive any schedule", arguments: 101...108)
    func five(seed: Int) { storm(Storm(voters: 5, seed: UInt64(seed)), steps: 10_000) }

    @Test("one and two members survive any schedule", arguments: 201...208)
    func few(seed: Int) { storm(Storm(voters: 1 + seed % 2, seed: UInt64(seed)), steps: 5_000) }

    @Test("members come and go under any schedule", arguments: 301...316)
    func membership(seed: Int) {
        storm(Storm(voters: 3, others: 2, changesMembers: true, seed: UInt64(seed)), steps: 10_000)
    }

    @Test("snapshots take the place of logs under any schedule", arguments: 501...516)
    func snapshots(seed: Int) {
        let changesMembers = seed % 2 == 0
        let storm = Storm(
            voters: 3, others: changesMembers ? 2 : 0, changesMembers: changesMembers, takesSnapshots: true,
            seed: UInt64(seed))
        self.storm(storm, steps: 10_000)
    }

    /// A schedule that never gets into trouble proves nothing: together they must meet everything they are for.
    @Test("the schedules meet every kind of trouble")
    func coverage() {
        var met: [String: Int] = [:]
        var committed = 0
        for seed in 401...412 {
            let storm = Storm(voters: 3, others: seed % 3, changesMembers: true, takesSnapshots: true, seed: UInt64(seed))
            storm.cluster.observer = { member in
                for event in member.effects.events { met[event.kind, default: 0] += 1 }
                met["load", default: 0] += member.effects.loads.count
                for answer in member.effects.reads {
                    if case .ready = answer.outcome {
                        met[member.raft.role == .leader ? "leader's read" : "follower's read", default: 0] += 1
                    } else {
                        met["read without an answer", default: 0] += 1
                    }
                }
            }
            storm.rage(steps: 10_000)
            committed += storm.cluster.oracle.committed.count
            #expect(storm.cluster.oracle.breaches.first == nil, "seed \(seed)")
        }
        for kind in Event.kindsToMeet + ["load", "leader's read", "follower's read", "read without an answer"] {
            #expect(met[kind, default: 0] > 0, "no schedule met: \(kind)")
        }
        #expect(committed > 12 * 350, "\(committed) entries were committed in all")
    }

    private func storm(_ storm: Storm, steps: Int) {
        storm.rage(steps: steps)
        #expect(storm.cluster.oracle.breaches.first == nil, "seed \(storm.seed)")
        storm.calm()
        #expect(storm.cluster.oracle.breaches.first == nil, "seed \(storm.seed), in the calm")
    }
}

extension Event {
    /// What happened, without whom and where.
    fileprivate var kind: String {
        switch self {
        case .steppedDown(_, let reason): "stepped down: \(reason)"
        case .transferEnded(let outcome): "transfer: \(outcome)"
        case .voteRefused(_, _, let preVote, let reason): "refused \(preVote ? "pre-vote" : "vote"): \(reason)"
        case .ignored(_, _, let reason): "ignored: \(reason)"
        default: String("\(Mirror(reflecting: self).children.first?.label ?? "sleptThroughDeadline")")
        }
    }

    fileprivate static let kindsToMeet = [
        "stepped down: higherTerm", "stepped down: noQuorum", "stepped down: removed",
        "transfer: done", "transfer: refused", "transfer: timedOut",
        "refused pre-vote: staleTerm", "refused pre-vote: hasLeader", "refused pre-vote: logBehind",
        "refused vote: alreadyVoted", "refused vote: logBehind",
        "ignored: staleTerm", "ignored: notExpected", "ignored: hasLeader", "ignored: notAMember",
        "sleptThroughDeadline", "truncated", "conflict", "probing", "replicating", "committed",
        "configurationAdopted", "configurationRolledBack", "readRoundConfirmed",
        "caughtUp", "promoting", "removed", "tookLeave",
        "compacted", "sendingSnapshot", "installed",
    ]
}
