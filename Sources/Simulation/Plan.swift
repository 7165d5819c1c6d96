public import Base
public import Consensus
public import Replica
public import Storage

/// Everything that decides a run: the same plan gives the same run, to the byte, in every process.
///
/// Faults are drawn from the seed before the run begins, and each part of the world has a generator of its own (faults,
/// delays of each link, each client, each member's starts). So a fault can be left out and the rest stays as alike as
/// possible: this is what lets a failing plan be made smaller.
public struct Plan: Sendable {
    public var seed: UInt64
    /// 1, 3, 5 or 7 voters.
    public var members: Int
    /// How long faults may begin.
    public var storm: Interval
    /// What follows: every fault is undone, and within `Plan.liveness` there must be a leader and a successful write.
    public var calm: Interval
    public var groups: FaultGroups
    /// Ascending by time.
    public var faults: [PlannedFault]
    public var workload: Workload
    /// Small on purpose, so that edges are reached.
    public var storageLimits: StorageLimits
    public var replicaLimits: ReplicaLimits
    public var parameters: Parameters
    /// Whether somebody's election within another's lease is reported, before a stale read tells of it.
    public var checksLeases = true

    /// Within this time of the calm's beginning a leader leads and a new write has succeeded.
    public static let liveness = Interval.seconds(5)

    /// Draws everything from `seed`.
    public init(
        seed: UInt64, members: Int? = nil, groups: FaultGroups = .all, storm: Interval = .seconds(120)
    ) {
        self.seed = seed
        self.members = members ?? 5
        self.storm = storm
        calm = .seconds(8)
        self.groups = groups
        var random = SplitMix64(seed: Stream.limits.seed(of: seed))
        workload = Workload()
        storageLimits = .small(&random)
        replicaLimits = .small(&random)
        parameters = .small(&random)
        parameters.keepsBrokenLaws = true
        faults = []
        drawFaults()
    }
}

/// Which kinds of faults a plan may draw.
public struct FaultGroups: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let network = FaultGroups(rawValue: 1)
    public static let process = FaultGroups(rawValue: 2)
    public static let disk = FaultGroups(rawValue: 4)
    /// Members come and go, take snapshots and are sent them, and hand leadership over.
    public static let membership = FaultGroups(rawValue: 8)
    /// What can befall members that stay the same.
    public static let storm: FaultGroups = [.network, .process, .disk]
    public static let all: FaultGroups = [.storm, .membership]
    public static let none: FaultGroups = []
}

/// One fault, and when it begins, counted from the start of the run.
public struct PlannedFault: Sendable, Equatable, CustomStringConvertible {
    public var at: Interval
    public var fault: Fault

    public init(at: Interval, fault: Fault) {
        self.at = at
        self.fault = fault
    }

    public var description: String { "\(at.shown) \(fault)" }
}

/// The generators of a run: one for each part of the world, so that what one part draws changes nothing in another.
enum Stream: UInt64 {
    case limits = 1, faults, network, clients, members, disks, clocks, life

    func seed(of run: UInt64, _ number: Int = 0) -> UInt64 {
        var mixer = SplitMix64(seed: run &* 0x9e6c_63d0_676a_9a99 ^ rawValue << 56 ^ UInt64(number) << 32)
        return mixer.next()
    }
}

extension Interval {
    /// Seconds with as many decimals as are needed, and at least milliseconds: "12.345s".
    var shown: String {
        let micros = nanoseconds / 1_000
        let fraction = String(micros % 1_000_000)
        return "\(micros / 1_000_000).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)s"
    }
}
