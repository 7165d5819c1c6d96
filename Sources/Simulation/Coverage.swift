public import Consensus

/// Which fault met which role, how often.
public struct Coverage: Sendable, Equatable {
    /// By kind of fault, then by role: follower, pre-candidate, candidate, leader, down.
    public private(set) var meetings = [[Int]](
        repeating: [Int](repeating: 0, count: 5), count: Fault.Kind.allCases.count)

    public init() {}

    public mutating func add(_ other: Coverage) {
        for kind in meetings.indices {
            for role in meetings[kind].indices { meetings[kind][role] += other.meetings[kind][role] }
        }
    }

    /// `role`: nil when the member was down.
    public mutating func met(_ fault: Fault.Kind, role: Role?) {
        let column =
            switch role {
            case .follower: 0
            case .preCandidate: 1
            case .candidate: 2
            case .leader: 3
            case nil: 4
            }
        meetings[Int(fault.rawValue)][column] += 1
    }
}
