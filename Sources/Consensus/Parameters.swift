@_spi(Sabotage) import Base

/// What may differ from one deployment to another: times and limits. None of it decides what an entry does.
public struct Parameters: Sendable, Equatable {
    /// How often a leader speaks to a follower that it has nothing else to tell.
    public var heartbeatInterval: Interval = .milliseconds(50)

    /// A follower that hears from no leader for a time drawn from this range campaigns (dissertation 3.4, 9.3). The
    /// lower end is also how long a member that heard from a leader refuses votes (4.2.3), the upper one how long
    /// a leader leads without hearing from a quorum (6.2), and how long it waits for a transfer (3.10).
    public var electionTimeout: ClosedRange<Interval> = .milliseconds(200) ... .milliseconds(400)

    /// One AppendEntries carries entries up to this many packed bytes, or a single larger one.
    public var maxBatchBytes = 512 << 10

    /// How many of them one follower is sent in one step: to send the whole window at once, to one that comes back after a
    /// while, would keep the leader from hearing anybody for as long. Every answer lets two more follow, so that the window
    /// still fills in a few round trips.
    public var maxBatchesPerStep = 2

    /// What a probe carries at most (or a single larger entry): it is sent on a guess, so it is small.
    public var maxProbeBytes = 64 << 10

    /// How many AppendEntries with entries may be on their way to one follower.
    public var maxInflightMessages = 64

    /// How many packed bytes of entries may be on their way to one follower; the one that reaches it is still sent.
    public var maxInflightBytes = 8 << 20

    /// With this many AppendEntries with entries on their way to a follower, the next waits until it is a full
    /// batch or until one of them is answered: small pieces cost more than they win. At `maxInflightMessages`
    /// every piece goes at once.
    public var maxPartialBatches = 1

    /// What the tail in memory keeps of entries that are durable and applied, for followers a little behind.
    /// What is not yet durable or not yet applied is kept beyond it.
    public var tailBytes = 8 << 20

    /// A leader refuses proposals while this many packed bytes wait for their commit.
    public var maxUncommittedBytes = 64 << 20

    /// How many reads may wait for an index on one member; more are refused.
    public var maxWaitingReads = 1 << 17

    /// How long a follower waits for the answer to its ReadIndex before it asks anew.
    public var readRetryInterval: Interval = .milliseconds(100)

    /// How long a read may wait for its index before it is answered `noLeader`.
    public var readPatience: Interval = .seconds(2)

    /// How long a leader's disk may finish nothing, while a follower's has, before it hands over.
    public var diskPatience: Interval = .seconds(1)

    /// How long a leader goes on speaking to a member that was removed, so that it hears of it.
    public var farewellPatience: Interval = .seconds(10)

    /// How many members that were removed a leader speaks to at most; the longest gone is left to itself.
    public var maxFarewells = 8

    /// How long a leader leads at least before it looks for a voter with a higher priority, and how long it waits after
    /// such a one failed to take over: each time twice as long as the time before.
    public var priorityInterval: Interval = .seconds(2)

    /// How many members are sent a snapshot at a time; others wait for their turn.
    public var maxSnapshotTransfers = 2

    /// A bug to be planted; nil outside the simulator and tests.
    @_spi(Sabotage) public var sabotage: Sabotage?

    /// Whether a broken invariant is kept in `Raft.brokenLaw`, for a simulator to report. A server ends its process.
    package var keepsBrokenLaws = false

    /// By how much of an election timeout, in thousandths, two members' clocks may differ over its length. Only reads
    /// by lease rely on it (6.4.1).
    public var maxClockDrift: UInt64 = 100

    /// How long after the last read by lease a leader goes on extending its lease with each heartbeat.
    public var leaseDemand: Interval = .seconds(10)

    public init() {}

    /// How long after the start of a round that a quorum answered nobody else can be elected.
    var leaseDuration: Interval {
        Interval(nanoseconds: electionTimeout.lowerBound.nanoseconds / 1000 * (1000 - maxClockDrift))
    }

    /// Whether the values make sense together: several heartbeats fit into the shortest election timeout, and every
    /// limit lets at least one thing through.
    public var areSensible: Bool {
        heartbeatInterval > .zero
            && heartbeatInterval.nanoseconds * 2 <= electionTimeout.lowerBound.nanoseconds
            && maxBatchBytes > 0 && maxBatchesPerStep > 0 && maxProbeBytes > 0
            && maxInflightMessages > 0 && maxInflightBytes > 0 && maxPartialBatches > 0
            && maxSnapshotTransfers > 0 && tailBytes >= 0 && maxUncommittedBytes > 0 && maxWaitingReads > 0
            && maxClockDrift < 1000 && diskPatience > .zero
            && readRetryInterval > .zero && readPatience >= readRetryInterval
    }
}
