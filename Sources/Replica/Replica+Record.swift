import Base
import Consensus
import Keyspace
import Storage

/// What one step did, beside its effects: what the simulator's checkers compare between members.
package struct StepRecord: Sendable {
    /// What the disk was told.
    package var write: Write?
    /// The entries applied, in order.
    package var applied: [Applied] = []

    package struct Applied: Sendable {
        package var index: Index
        package var term: Term
        /// Of the keyspace after it, and everything before.
        package var digest: UInt64
        package var revision: UInt64
    }

    package init() {}

    mutating func note(_ entry: Entry, _ digest: UInt64?, revision: UInt64) {
        applied.append(Applied(index: entry.index, term: entry.term, digest: digest ?? 0, revision: revision))
    }

    package mutating func removeAll() {
        write = nil
        applied.clear()
    }
}

/// The numbers of a member after a step: cheap to take, for checkers that look at each.
package struct Glance: Sendable {
    /// The first invariant of Raft that was found broken; nil unless `Parameters.keepsBrokenLaws`.
    package var brokenLaw: StaticString?
    package var role: Role
    package var term: Term
    package var votedFor: MemberID?
    package var leader: MemberID?
    package var commitIndex: Index
    /// Of the configuration that it goes by.
    package var configurationIndex: Index
    package var appliedIndex: Index
    package var lastIndex: Index
    /// A snapshot covers the log through this one.
    package var baseIndex: Index
    package var durableIndex: Index
    package var firstIndexInMemory: Index
    package var bytesInMemory: Int
    /// Requests taken and not answered, and the bytes of their commands.
    package var requests: Int
    package var requestBytes: Int
    /// Of the keyspace.
    package var digest: UInt64
    /// Entries that wait for the disk, in bytes, and messages that wait for them.
    package var backlogBytes: Int
    package var waitingMessages: Int
}

extension Replica {
    /// Begins to fill `record`, which the caller empties between steps.
    package mutating func startRecord() {
        record = StepRecord()
        keyspace.startDigest()
    }

    /// The next turn begins a snapshot, however little there is to put in it.
    package mutating func demandSnapshot() { isSnapshotDemanded = true }

    /// What a command that reads finds in what is applied here.
    package borrowing func found(_ command: Command) -> Outcome { keyspace.read(command) }

    package borrowing func glance() -> Glance {
        Glance(
            brokenLaw: raft.brokenLaw, role: raft.role, term: raft.term, votedFor: raft.votedFor, leader: raft.leader,
            commitIndex: raft.commitIndex, configurationIndex: raft.configurationIndex, appliedIndex: keyspace.appliedIndex, lastIndex: raft.lastIndex,
            baseIndex: raft.baseIndex, durableIndex: raft.durableIndex, firstIndexInMemory: raft.firstIndexInMemory,
            bytesInMemory: raft.bytesInMemory, requests: requestCount, requestBytes: requestBytes,
            digest: keyspace.digested ?? 0,
            backlogBytes: storage.backlogBytes, waitingMessages: whenDurable.count)
    }

    /// The term of the entry at `index`; nil when it is not in the log.
    package borrowing func term(at index: Index) -> Term? { raft.term(at: index) }

    /// Nobody else can be elected, as far as this member's clock can be trusted.
    package borrowing func holdsLease(at instant: Instant) -> Bool { raft.holdsLease(at: instant) }

    /// A snapshot of another member is on its way in.
    package var isInstalling: Bool { incoming != nil }

    /// Its own configuration gives it a vote.
    package var isVoter: Bool { raft.configuration[raft.id]?.isVoter == true }

    /// Of the whole keyspace, key by key.
    package borrowing func digestOfEverything() -> UInt64 { keyspace.digestOfEverything() }

    /// Everything that can be checked on one member, O(log in memory).
    package borrowing func checkEverything() { raft.checkEverything() }
}
