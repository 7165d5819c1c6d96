@_spi(Sabotage) public import Base
@_spi(Sabotage) import Consensus
@_spi(Sabotage) import Replica
@_spi(Sabotage) import Storage

/// A bug that can be planted, as users see it.
public struct PlantableBug: Sendable, Equatable {
    /// What `simulate --sabotage` takes.
    public let name: String
    /// Its line in the list of pitfalls.
    public let pitfall: Int
    /// What it breaks, in a line.
    public let breaks: String
    /// Who had it, or who warns of it.
    public let source: String

    public static let all = Sabotage.allCases.map {
        PlantableBug(name: $0.rawValue, pitfall: $0.pitfall, breaks: $0.breaks, source: $0.source)
    }
}

extension Plan {
    /// Draws everything from `seed`, with a bug planted in every member. What is not named is as that bug's scenario needs.
    @_spi(Sabotage)
    public init(
        seed: UInt64, members: Int? = nil, groups: FaultGroups? = nil, storm: Interval? = nil, sabotage: Sabotage
    ) {
        let members = members ?? sabotage.members
        self.init(seed: seed, members: members, groups: groups ?? sabotage.groups, storm: storm ?? sabotage.storm)
        if groups == nil, members == sabotage.members, let own = sabotage.faults(seed: seed, until: self.storm) {
            faults = own
            sabotage.adjust(&workload)
        }
        if sabotage == .olderSnapshotInstalled {
            // Only who is asked to takes a snapshot, it leaves nothing before it, and all of it may wait for a disk.
            replicaLimits.snapshotLogBytes = 1 << 40
            replicaLimits.keptEntries = 0
            replicaLimits.snapshotBacklogBytes = 1 << 20
            workload.transferEvery = 0
        }
        plant(sabotage)
    }

    /// The same by the bug's name; nil when there is none of that name.
    public init?(
        seed: UInt64, members: Int? = nil, groups: FaultGroups? = nil, storm: Interval? = nil, sabotageNamed name: String
    ) {
        guard let sabotage = Sabotage(rawValue: name) else { return nil }
        self.init(seed: seed, members: members, groups: groups, storm: storm, sabotage: sabotage)
    }

    /// The same scenario without the bug.
    @_spi(Sabotage)
    public mutating func uproot() {
        parameters.sabotage = nil
        storageLimits.sabotage = nil
        replicaLimits.sabotage = nil
    }

    private mutating func plant(_ sabotage: Sabotage) {
        parameters.sabotage = sabotage
        storageLimits.sabotage = sabotage
        replicaLimits.sabotage = sabotage
    }
}

extension Sabotage {
    /// How many members its scenario has.
    fileprivate var members: Int {
        switch self {
        case .singleNotDurable: 1
        case .learnerRefusesVotes: 3
        default: 5
        }
    }

    /// What befalls them: changes of members only where the bug is in these.
    fileprivate var groups: FaultGroups { isOfMembership ? .all : .storm }

    private var isOfMembership: Bool {
        switch self {
        case .changeBeforeOwnCommit, .changesOverlap, .transferAsksFirst, .removedCampaigns, .leaderNotProtected,
            .transferToLearner, .transferToLaggard, .transferInDoubt, .learnerRefusesVotes, .learnerCounts, .removedLeaderCountsItself,
            .removedLeaderStays, .configurationNotRolledBack, .snapshotDropsLog, .olderSnapshotInstalled, .gapAfterRestart,
            .snapshotNotSynced, .snapshotNotCut, .logCutBeforeSnapshot, .segmentsFromTheEnd, .answersNotInSnapshot,
            .staleConfigurationInSnapshot, .wipedDiskRejoins:
            true
        default: false
        }
    }

    /// How long its storm is.
    fileprivate var storm: Interval {
        switch self {
        case .staleLeaderUnanswered: .seconds(7)
        case .learnerRefusesVotes: .seconds(6)
        default: .seconds(120)
        }
    }
}
