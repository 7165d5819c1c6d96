import Base
import Consensus
import Replica

/// Which fault met which members: how often each kind found one in each standing.
public struct Coverage: Sendable, Equatable {
    /// What a member was doing when a fault met it. Where several hold, the first.
    public enum Standing: UInt8, Sendable, CaseIterable {
        /// No process, or one that stays out for good.
        case down
        /// Stopped by another fault, with the process there.
        case paused
        /// A snapshot of another member comes in.
        case installing
        case leader
        /// Leads, and has not yet committed an entry of its own term: what it may commit is not settled (3.6.2).
        case newLeader
        case candidate
        case preCandidate
        /// Has the log and no vote.
        case learner
        /// Started again: it has a log, and has not yet heard what of it is committed.
        case recovering
        /// Its keyspace is being written, or a file of its own read.
        case snapshotting
        /// Knows no leader of its term.
        case leaderless
        /// Follows, and lacks entries that are committed.
        case behind
        case follower
    }

    private var meetings = [Int](repeating: 0, count: Fault.Kind.allCases.count * Standing.allCases.count)

    public init() {}

    private static func place(_ fault: Fault.Kind, _ standing: Standing) -> Int {
        Int(fault.rawValue) * Standing.allCases.count + Int(standing.rawValue)
    }

    mutating func met(_ fault: Fault.Kind, _ standing: Standing) {
        meetings[Self.place(fault, standing)] += 1
    }

    public func count(of fault: Fault.Kind, meeting standing: Standing) -> Int {
        meetings[Self.place(fault, standing)]
    }

    /// What several runs met.
    public mutating func add(_ other: Coverage) {
        for place in meetings.indices { meetings[place] += other.meetings[place] }
    }
}

extension World {
    func standing(of member: SimulatedMember) -> Coverage.Standing {
        guard member.isUp, let process = member.process else { return .down }
        if member.isPaused { return .paused }
        if process.replica.isInstalling { return .installing }
        let glance = process.replica.glance()
        switch glance.role {
        case .leader: return process.replica.term(at: glance.commitIndex) == glance.term ? .leader : .newLeader
        case .candidate: return .candidate
        case .preCandidate: return .preCandidate
        case .follower: break
        }
        if !process.replica.isVoter { return .learner }
        if glance.commitIndex <= glance.baseIndex, glance.commitIndex < glance.lastIndex { return .recovering }
        if member.snapshotWork != nil { return .snapshotting }
        if glance.leader == nil { return .leaderless }
        return Int(glance.lastIndex.rawValue) < oracle.committed.count ? .behind : .follower
    }
}

extension Fault {
    /// Whom it meets: of a link both ends, of a partition one side.
    var met: [Int] {
        switch self {
        case .loss(let link, _, _), .delay(let link, _, _), .duplicate(let link, _, _), .reorder(let link, _, _),
            .oneWay(let link, _, _), .flap(let link, _, _), .breakConnection(let link):
            [link.from, link.to]
        case .partition(let side, _, _): side.members
        case .isolate(let member, _, _): [member]
        case .setVoting(let member, _): [member]
        case .transfer(let member?, _), .removeServer(let member?, _): [member]
        default: victim.map { [$0] } ?? []
        }
    }
}
