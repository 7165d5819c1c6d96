@_spi(Sabotage) import Base

/// The Raft consensus algorithm (Ongaro, "Consensus: Bridging Theory and Practice", 2014) as a machine without
/// time, chance or I/O of its own: `step` takes one turn's `Input` and gives its `Effects`. The same inputs give the
/// same effects.
///
/// It cannot be copied: two copies of a voter could vote twice. `view` shows a copy of what may be seen.
///
/// We assume: the disk does writes in order and keeps what it reported durable; messages may be lost, doubled, held
/// up and reordered, but not forged; clocks need not agree, but tell the length of an election timeout roughly. Then
/// committed entries are never lost or changed, whatever fails; and while a quorum of voters can talk to each other
/// within an election timeout there is a leader.
public struct Raft: ~Copyable {
    // Who it is. Never changes.
    public let id: MemberID
    public let cluster: ClusterID
    public let group: UInt64
    public let parameters: Parameters

    // Durable before anything that depends on it leaves (figure 3.1, 3.8).
    var hardState: HardState
    var log: LogShape
    var tail: EntryTail
    /// Invariant: never empty; ascending by index; the last one is in force (4.1).
    var configurations: [PlacedConfiguration] {
        didSet { electorate = Electorate(configurations, self: id) }
    }
    var electorate: Electorate
    var belonging: Belonging

    // The same on every role.
    var now: Instant
    var wallMs: UInt64 = 0
    var generator: SplitMix64
    public internal(set) var role = Role.follower
    /// Who leads this term, when known.
    public internal(set) var leader: MemberID?
    /// Invariant: never falls, never beyond the log.
    public internal(set) var commitIndex: Index
    public internal(set) var appliedIndex: Index
    /// The largest time of any entry that was ever appended here.
    var lastTimeMs: UInt64

    // What the disk was told, and what this step will tell it.
    var durability: Durability
    var hardStateChanged = false
    var truncateFrom: Index?
    var restartAfter: Index?
    /// The newest snapshot on this member's disk. Invariant: none is missing where the log does not begin at 1; it covers
    /// all that stands before the log, and is applied.
    public internal(set) var snapshot: SnapshotPoint?

    var following = Following()
    var ballot = Ballot()
    var electionDeadline = Instant.never
    /// Until when this member votes for nobody unasked by its leader, whom it has heard. Never falls (4.2.3, 6.4.1).
    var promisedUntil: Instant
    /// Whether a step that comes too late may still wait once more before it blames the leader.
    var mayOversleep = true
    var leading = Leading()
    /// What a leader knows of the others, in order of their ids; empty on other roles.
    var peers: [Progress] = []
    /// The newest request for entries from the disk. Not of one leadership: an answer may outlive it.
    var lastLoad: LoadToken = 0
    /// The newest transfer of a snapshot, likewise.
    var lastSnapshotSend = SnapshotToken(0)
    var reads: ReadQueue

    /// The first invariant that was found broken, when `Parameters.keepsBrokenLaws`: nothing this member says counts any
    /// more.
    package internal(set) var brokenLaw: StaticString?

    public init(_ restored: consuming RestoredState, parameters: Parameters = Parameters()) {
        precondition(parameters.areSensible, "parameters that contradict each other")
        precondition(restored.log.isValid, "the shape of the restored log is not one of a log")
        precondition(!restored.configurations.isEmpty, "a member needs a first configuration, be it empty")
        precondition(restored.log.isEmpty || !restored.tail.isEmpty, "the log's last entry is missing")
        id = restored.identity
        cluster = restored.cluster
        group = restored.group
        self.parameters = parameters
        hardState = restored.hardState
        log = restored.log
        snapshot = restored.snapshot
        lastTimeMs = max(restored.tail.last?.timeMs ?? 0, restored.snapshot?.timeMs ?? 0)
        tail = EntryTail(restored.tail, nextIndex: restored.log.lastIndex.next)
        configurations = restored.configurations
        electorate = Electorate(restored.configurations, self: restored.identity)
        let isNamed = restored.configurations.contains { $0.configuration[restored.identity] != nil }
        belonging = isNamed ? .member : .stranger
        now = restored.now
        promisedUntil = Self.promise(of: restored, parameters)
        generator = SplitMix64(seed: restored.seed)
        commitIndex = max(restored.appliedIndex, restored.log.baseIndex)
        appliedIndex = commitIndex
        durability = Durability(lastIndex: restored.log.lastIndex)
        reads = ReadQueue(firstRequest: generator.next())
        precondition(commitIndex <= log.lastIndex, "the state machine is ahead of the log")
        following.startTerm(committed: commitIndex)
        resetElectionTimer()
        // Nobody else could lead: there is nothing to wait for.
        if electorate.voters == [id] { electionDeadline = now }
        do { try checkState() } catch { broke(error) }
    }

    /// One turn of the member's loop. O(what is in `input` + members); nothing in it depends on the log's length.
    public mutating func step(_ input: inout Input, into effects: inout Effects) {
        effects.removeAll()
        let before = Checkpoint(self)
        now = max(now, input.now)
        wallMs = input.wallMs
        if let token = input.durable { completeWrites(through: token, into: &effects) }
        for loaded in input.loaded { receive(loaded, into: &effects) }
        if let index = input.applied { appliedIndex = max(appliedIndex, min(index, commitIndex)) }
        if let point = input.tookSnapshot { tookSnapshot(point) }
        if let installed = input.installed { install(installed, into: &effects) }
        for sent in input.snapshotsSent { receive(sent, into: &effects) }
        if let index = input.compactThrough { compact(through: index, into: &effects) }
        for message in input.messages { receive(message, into: &effects) }
        for peer in input.unreachable { lostStream(to: peer, into: &effects) }
        advanceCommit(into: &effects)
        if input.electionTimerExpires { electionDeadline = min(electionDeadline, now) }
        fireTimers(into: &effects)
        promoteNewcomers(into: &effects)
        if !input.proposals.isEmpty { propose(input.proposals, into: &effects) }
        if let configuration = input.configuration {
            effects.membership = change(to: configuration, into: &effects)
        }
        if !input.reads.isEmpty { take(input.reads, into: &effects) }
        if input.wantsLease, role == .leader { leading.leaseWantedUntil = now + parameters.leaseDemand }
        if let target = input.transferTo { startTransfer(to: target, into: &effects) }
        issueWrite(into: &effects)
        if role == .leader { lead(into: &effects) } else { askForReadIndex(into: &effects) }
        if commitIndex > before.commitIndex { effects.commitIndex = commitIndex }
        if role != before.role { effects.roleChanged = role }
        effects.leaderChanged = leader != before.leader || hardState.term != before.hardState.term
        tail.trim(through: min(appliedIndex, durability.durableIndex), keeping: parameters.tailBytes)
        do {
            try checkStep(since: before)
            try checkState()
        } catch {
            broke(error)
        }
    }

    var sabotage: Sabotage? { parameters.sabotage }

    public var term: Term { hardState.term }
    public var lastIndex: Index { log.lastIndex }
    public var durableIndex: Index { durability.durableIndex }
    /// Whether a crash would find this member in its present term.
    public var isTermDurable: Bool { !hardStateChanged && durability.hardStateIsDurable }

    /// The newest configuration of the log, committed or not: "a server always uses the latest configuration in its
    /// log" (4.1).
    public var configuration: Configuration { configurations[configurations.count - 1].configuration }
    /// The index of its entry; zero for the one that the cluster started with.
    public var configurationIndex: Index { configurations[configurations.count - 1].index }

    /// Members that were removed and that this leader still speaks to, so that they hear of it.
    public var departing: [MemberID] { peers.filter { $0.farewell != nil }.map(\.id) }

    /// Whether a committed configuration has taken this member out, and none has taken it in again.
    public var isRemoved: Bool { belonging == .removed }

    /// The entries from `from` through `through`, less those that exceed `maxBytes` packed bytes (but at least one),
    /// when the tail in memory holds the first; nil when it has to be read from disk.
    public func entries(from: Index, through: Index, maxBytes: Int) -> [Entry]? {
        guard from <= through, tail.holds(from), tail.holds(through) else { return nil }
        return tail.slice(from: from, through: tail.lastIndex(from: from, through: through, maxBytes: maxBytes))
    }

    /// How long ago this member heard from a leader; zero on a leader, nil when it has heard from none since it started.
    public func leaderHeard(before instant: Instant) -> Interval? {
        if role == .leader { return .zero }
        return following.lastContact == .zero ? nil : instant - following.lastContact
    }

    /// The first index that the tail in memory holds.
    public var firstIndexInMemory: Index { tail.firstIndex }

    /// The first index of the log; what stands before it a snapshot covers.
    public var firstIndex: Index { log.firstIndex }

    /// The term of the entry at `index`; nil when it is not in the log.
    public func term(at index: Index) -> Term? { log.term(at: index) }

    /// When `step` must be called even if nothing happens.
    public var deadline: Instant {
        let own: Instant
        switch role {
        case .leader: own = leading.deadline(alone: peers.isEmpty)
        case .follower, .preCandidate, .candidate: own = mayCampaign ? electionDeadline : .never
        }
        return min(own, reads.deadline(patience: parameters.readPatience))
    }

    public var view: View {
        View(
            id: id, role: role, term: term, votedFor: hardState.votedFor, leader: leader, firstIndex: log.firstIndex,
            snapshotIndex: snapshot?.index ?? 0, lastIndex: lastIndex, lastTerm: log.lastTerm, commitIndex: commitIndex, durableIndex: durableIndex, appliedIndex: appliedIndex,
            configuration: configuration, configurationIndex: configurations[configurations.count - 1].index,
            transferTarget: leading.transfer?.target,
            peers: peers.filter { $0.farewell == nil }.map {
                View.Peer(
                    id: $0.id, match: $0.match, next: $0.next, mode: $0.mode, inflightMessages: $0.inflight.count,
                    lastContact: $0.lastContact, catchUpRound: $0.catchUp?.round, catchUpTarget: $0.catchUp?.target)
            },
            departing: departing, isRemoved: isRemoved)
    }
}
