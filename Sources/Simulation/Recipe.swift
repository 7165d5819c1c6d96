public import Base
import Keyspace
import Replica

/// A run as somebody asks for it: small, and enough to make its plan again in any process.
public struct Recipe: Sendable, Equatable {
    public var seed: UInt64
    /// Nil: as the planted bug's scenario needs, else 5.
    public var members: Int?
    /// Nil: all, or as the planted bug's scenario needs.
    public var groups: FaultGroups?
    /// Nil: as the planted bug's scenario needs, else 120 seconds.
    public var storm: Interval?
    public var bug: PlantableBug?
    /// The bug's scenario is run, and the bug is not there.
    public var isUprooted = false
    /// Clients do nothing but append (`Workload.appends`).
    public var isOfAppends = false
    /// Of the plan's faults only these, by number from 1, ascending. Nil: all. The numbers stay what they are when the
    /// storm is made shorter.
    public var onlyFaults: [Int]?

    public init(
        seed: UInt64, members: Int? = nil, groups: FaultGroups? = nil, storm: Interval? = nil, bug: PlantableBug? = nil,
        onlyFaults: [Int]? = nil
    ) {
        self.seed = seed
        self.members = members
        self.groups = groups
        self.storm = storm
        self.bug = bug
        self.onlyFaults = onlyFaults
    }

    public var plan: Plan {
        var plan = wholePlan
        if isOfAppends {
            plan.workload = .appends
            plan.replicaLimits.keyspace.valueSize = 64 << 10
        }
        if let onlyFaults {
            plan.faults = onlyFaults.filter { $0 >= 1 && $0 <= plan.faults.count }.map { plan.faults[$0 - 1] }
        }
        return plan
    }

    /// With all its faults.
    private var wholePlan: Plan {
        if let bug {
            guard var plan = Plan(seed: seed, members: members, groups: groups, storm: storm, sabotageNamed: bug.name) else {
                preconditionFailure("each bug of the list can be planted")
            }
            if isUprooted { plan.uproot() }
            return plan
        }
        return Plan(seed: seed, members: members, groups: groups ?? .all, storm: storm ?? .seconds(120))
    }

    /// The numbers of the faults that its plan has, from 1.
    public var faultNumbers: [Int] {
        let all = 1...max(1, wholePlan.faults.count)
        if let onlyFaults { return onlyFaults.filter(all.contains) }
        return wholePlan.faults.isEmpty ? [] : Array(all)
    }
}
