public import Base
import Consensus
import Keyspace
import Replica
import Storage

/// What clients do.
public struct Workload: Sendable, Equatable {
    /// Operations that begin in a second of virtual time, all clients together. When all clients wait for answers,
    /// fewer do.
    public var rate = 55
    /// Clients, each with one operation at a time. One that does not know what became of its write goes on under
    /// another number: the operation may still happen.
    public var clients = 24
    /// Keys that everybody fights for.
    public var hotKeys = 4
    /// Keys that are seldom met.
    public var coldKeys = 200
    /// Before one operation in so many an operator asks the leader to hand over; 0: never.
    public var transferEvery = 300
    /// How long a client waits for an answer, at least and at most.
    public var patience: ClosedRange<Interval> = .milliseconds(400) ... .milliseconds(1_500)
    /// Of a hundred operations so many are reads.
    public var reads = 45
    /// Of a hundred operations so many are transactions.
    public var transactions = 4
    /// Of a hundred reads so many are answered by the member's own state, and only checked to be no older than what
    /// that member showed before.
    public var localReads = 10
    /// And so many are made by lease: linearizable as long as no clock leaps.
    public var leaseReads = 25

    /// Nothing but items that are appended to lists, each asked for again and again, in a session, until it is answered: in the
    /// end each must be there once.
    public var isOfAppends = false

    public init() {}

    /// Many appends a second, by clients that soon lose their patience and ask again.
    public static var appends: Workload {
        var workload = Workload()
        workload.isOfAppends = true
        workload.rate = 600
        workload.clients = 48
        workload.coldKeys = 1_000
        workload.patience = .milliseconds(60) ... .milliseconds(600)
        return workload
    }
}

extension StorageLimits {
    /// Segments of a few dozen frames, small batches, and a disk that is tried again soon.
    static func small(_ random: inout SplitMix64) -> StorageLimits {
        var limits = StorageLimits()
        limits.segmentBytes = [24, 32, 64][Int(random.next(below: 3))] << 10
        limits.leastSegmentBytes = [16 << 10, limits.segmentBytes][Int(random.next(below: 2))]
        limits.segmentsOfState = 1
        limits.maxFrameBytes = [512, 2 << 10, 8 << 10][Int(random.next(below: 3))]
        limits.tailBytes = [0, 2 << 10, 16 << 10][Int(random.next(below: 3))]
        limits.maxPositions = [4, 64, 1024][Int(random.next(below: 3))]
        limits.positionSpacing = 2 << 10
        limits.coveredBytesRead = 8 << 10
        limits.readBytes = [1 << 10, 4 << 10][Int(random.next(below: 2))]
        limits.maxReads = 1 + Int(random.next(below: 3))
        limits.spaceRetry = .milliseconds(300)
        limits.idle = .milliseconds(400)
        limits.snapshotWriteBytes = 1 << 10
        limits.snapshotSyncBytes = 4 << 10
        return limits
    }
}

extension ReplicaLimits {
    static func small(_ random: inout SplitMix64) -> ReplicaLimits {
        var limits = ReplicaLimits()
        limits.maxRequests = [12, 64, 1024][Int(random.next(below: 3))]
        limits.maxRequestBytes = 16 << 10
        limits.leaderWait = .milliseconds(800)
        limits.maxReadRounds = 1 + Int(random.next(below: 2))
        limits.applyBytesPerTurn = [512, 4 << 10, 32 << 10][Int(random.next(below: 3))]
        limits.applyEntriesPerTurn = limits.applyBytesPerTurn >> 8
        limits.proposeBytesPerTurn = [128, 1 << 10, 16 << 10][Int(random.next(below: 3))]
        limits.transferTimeout = .milliseconds(600)
        limits.keyspace.valueSize = 512
        limits.snapshotLogBytes = [48 << 10, 160 << 10, 1 << 40][Int(random.next(below: 3))]
        limits.leastDiskBytes = 0
        limits.leastKeptLogBytes = 16 << 10
        limits.keptEntries = [0, 20, 300][Int(random.next(below: 3))]
        limits.snapshotChunkBytes = [64, 1 << 10][Int(random.next(below: 2))]
        limits.snapshotWorkBytes = [256, 4 << 10][Int(random.next(below: 2))]
        limits.snapshotBacklogBytes = 2 << 10
        limits.snapshotPause = .milliseconds(2)
        limits.turnBytes = 0
        limits.snapshotYield = .milliseconds(200)
        limits.snapshotRetry = .milliseconds(400)
        return limits
    }
}

extension Parameters {
    static func small(_ random: inout SplitMix64) -> Parameters {
        var parameters = Parameters()
        parameters.heartbeatInterval = .milliseconds(100)
        parameters.electionTimeout = .milliseconds(300) ... .milliseconds(600)
        parameters.diskPatience = .milliseconds(700)
        // Each clock may be off by a tenth: 0.9 / 1.1 of a time is more than 0.8 of it.
        parameters.maxClockDrift = 200
        parameters.maxBatchBytes = [128, 1 << 10, 16 << 10][Int(random.next(below: 3))]
        parameters.maxProbeBytes = [1, 512, 4 << 10][Int(random.next(below: 3))]
        parameters.maxBatchesPerStep = parameters.maxBatchBytes == 1 << 10 ? 1 : 3
        parameters.maxInflightMessages = [1, 4, 64][Int(random.next(below: 3))]
        parameters.maxInflightBytes = [256, 4 << 10, 64 << 10][Int(random.next(below: 3))]
        parameters.maxPartialBatches = 1 + Int(random.next(below: 2))
        parameters.tailBytes = [0, 1 << 10, 16 << 10][Int(random.next(below: 3))]
        parameters.maxUncommittedBytes = [2 << 10, 64 << 10][Int(random.next(below: 2))]
        parameters.maxWaitingReads = [4, 64][Int(random.next(below: 2))]
        parameters.readRetryInterval = .milliseconds(100)
        parameters.readPatience = .milliseconds(600)
        return parameters
    }
}
