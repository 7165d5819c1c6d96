@_spi(Sabotage)
extension Sabotage {
    /// Its line in the list of pitfalls that this project began with.
    public var pitfall: Int {
        switch self {
        case .changeBeforeOwnCommit, .changesOverlap: 1
        case .noNoop: 2
        case .commitEarlierTerms: 3
        case .termNotDurable, .voteNotDurable, .campaignNotDurable, .stateNotSynced, .olderStateSlot: 4
        case .truncateWithoutConflict, .commitUnverified: 5
        case .preVoteRaisesTerm, .preVoteTakesVote, .preVotesCounted: 6
        case .transferAsksFirst: 7
        case .staleLeaderUnanswered: 9
        case .removedCampaigns, .leaderNotProtected: 10
        case .transferToLearner, .transferToLaggard, .transferInDoubt: 11
        case .learnerRefusesVotes: 12
        case .removedLeaderCountsItself, .removedLeaderStays: 13
        case .readBeforeNoop: 14
        case .readWithoutRound, .readNumberReused: 15
        case .leaseOnArrival, .leaseOutlivesTransfer, .promiseForgotten: 16
        case .singleNotDurable: 17
        case .lateCompletion: 19
        case .olderSnapshotInstalled: 20
        case .snapshotDropsLog, .gapAfterRestart: 21
        case .snapshotNotSynced, .snapshotNotCut, .logCutBeforeSnapshot, .segmentsFromTheEnd: 22
        case .wipedDiskRejoins: 23
        case .fullDiskIgnored: 24
        case .hungDiskLeads: 25
        case .answersNotInSnapshot: 26
        case .configurationNotRolledBack, .staleConfigurationInSnapshot: 28
        case .clockDecidesApply: 27
        case .syncErrorIgnored: 29
        case .directoryNotSynced: 30
        case .noPreVote: 31
        case .answeredBeforeCommit: 32
        case .voteTwice, .voteForShorterLog, .voteByLength: 33
        case .entriesFromOlderTerm: 34
        case .commitMinusOne, .electMinusOne, .learnerCounts: 35
        case .acknowledgeBeforeDurable, .acknowledgeUnverified, .ownCopyNotDurable, .logNotSynced, .sentBeforeSync: 36
        case .backUpTooFew: 37
        case .fullDiskDecidesApply: 38
        case .forwardRetried: 39
        }
    }

    /// What it breaks, in a line.
    public var breaks: String {
        switch self {
        case .noNoop: "a new leader appends no entry of its own term"
        case .termNotDurable: "a follower answers in a term that is not yet on its disk"
        case .voteNotDurable: "a vote is sent before it is on disk"
        case .campaignNotDurable: "a candidate asks for votes before its term and its own vote are on disk"
        case .preVoteRaisesTerm: "whoever is asked for a pre-vote enters the term that is asked about"
        case .preVoteTakesVote: "granting a pre-vote takes the vote of the present term"
        case .preVotesCounted: "a grant of a pre-vote that comes late counts as a vote"
        case .staleLeaderUnanswered: "a leader of an older term is ignored: whoever is ahead of all stays alone"
        case .noPreVote: "a member that hears no leader raises its term without asking first"
        case .voteTwice: "a second vote is granted in a term"
        case .voteForShorterLog: "a vote is granted to any log"
        case .voteByLength: "a vote is granted to a longer log whatever the term of its last entry"
        case .electMinusOne: "a candidate is elected by one vote fewer than a quorum"
        case .changeBeforeOwnCommit: "a new leader changes members before it has committed an entry of its own term"
        case .changesOverlap: "members are changed again before the last change is committed"
        case .transferAsksFirst: "whoever is handed leadership asks for pre-votes first, which all refuse"
        case .removedCampaigns: "a member that was removed, or is a learner, goes on campaigning"
        case .leaderNotProtected: "members that hear their leader vote for others all the same"
        case .transferToLearner: "leadership is handed to one that has no vote"
        case .transferToLaggard: "leadership is handed over before the other has the whole log"
        case .transferInDoubt: "leadership is handed over before all that was taken is committed"
        case .learnerRefusesVotes: "a learner that missed its promotion refuses its vote"
        case .learnerCounts: "copies on learners count for a commit"
        case .removedLeaderCountsItself: "a leader counts its own copy of the entry that removes it"
        case .removedLeaderStays: "a leader goes on leading when its removal is committed"
        case .configurationNotRolledBack: "a configuration stays in force when its entry is cut off"
        case .snapshotDropsLog: "a restart drops the entries that go on from its snapshot"
        case .olderSnapshotInstalled: "a snapshot that entries have overtaken takes their place"
        case .gapAfterRestart: "a restart goes on behind a snapshot in a log that does not reach it"
        case .snapshotNotSynced: "a snapshot gets its name before it is synced"
        case .snapshotNotCut: "a snapshot that is written over a longer one keeps the other's end"
        case .logCutBeforeSnapshot: "the log is cut when a snapshot begins, not when it is durable"
        case .segmentsFromTheEnd: "segments behind a snapshot are removed with the newest first"
        case .answersNotInSnapshot: "snapshots hold sessions without their answers: a repeated request applies again"
        case .staleConfigurationInSnapshot: "a snapshot holds the configuration of the one before it"
        case .wipedDiskRejoins: "a member that lost its disk comes back under its old identity"
        case .commitEarlierTerms: "entries of earlier terms are committed by counting their copies"
        case .commitMinusOne: "entries are committed by one copy fewer than a quorum"
        case .commitUnverified: "a follower commits entries that it has not compared with its leader's"
        case .truncateWithoutConflict: "an AppendEntries that comes late cuts off what follows it"
        case .entriesFromOlderTerm: "entries are taken from the leader of an older term"
        case .acknowledgeBeforeDurable: "a follower acknowledges entries that its disk still writes"
        case .acknowledgeUnverified: "a follower acknowledges entries that it has not compared with its leader's"
        case .ownCopyNotDurable: "a leader counts its own copy while its disk still writes"
        case .singleNotDurable: "a cluster of one acknowledges before its disk has the entry"
        case .lateCompletion: "a write that ends late makes durable what was cut off meanwhile"
        case .backUpTooFew: "after a conflict a leader goes back one entry too few"
        case .readBeforeNoop: "a new leader gives out its commit index before its own term's first entry is committed"
        case .readWithoutRound: "a leader answers reads without asking whether it still leads"
        case .readNumberReused: "a follower asks for a read index again under the number of the first try"
        case .leaseOnArrival: "a leader's lease counts from the arrival of an answer, not from its question"
        case .leaseOutlivesTransfer: "a leader goes on reading by lease when it has told another to campaign"
        case .promiseForgotten: "a member that starts again votes at once, whatever it promised a leader before"
        case .stateNotSynced: "term and vote are written and not synced"
        case .olderStateSlot: "a restart takes the older one of two terms and votes"
        case .logNotSynced: "entries are written and not synced"
        case .directoryNotSynced: "a new segment's name is not synced"
        case .syncErrorIgnored: "a sync that failed is taken for one that succeeded"
        case .hungDiskLeads: "a leader goes on leading while its disk hangs"
        case .fullDiskIgnored: "a segment that found no space is used all the same"
        case .sentBeforeSync: "votes and acknowledgements leave before the write they stand for is durable"
        case .answeredBeforeCommit: "a write is answered when it is proposed"
        case .forwardRetried: "a write that was passed on is passed on again when its outcome is unknown"
        case .clockDecidesApply: "an entry that is old by this member's wall clock is not applied"
        case .fullDiskDecidesApply: "a member whose disk is full does not apply commands"
        }
    }

    /// Who had it, or who warns of it.
    public var source: String {
        switch self {
        case .noNoop: "RedisRaft, pull request 22; dissertation 6.4"
        case .changeBeforeOwnCommit: "Ongaro, raft-dev, July 2015; dissertation 4.1"
        case .changesOverlap: "dissertation 4.1"
        case .transferAsksFirst: "canonical/raft, issue 203; dissertation 3.10"
        case .removedCampaigns: "hashicorp/raft, issue 524; dissertation 4.2.2"
        case .leaderNotProtected: "dissertation 4.2.3"
        case .transferToLearner, .transferToLaggard: "hashicorp/raft, issue 398; dissertation 3.10"
        case .transferInDoubt: "Swiftwater itself; dissertation 3.10"
        case .learnerRefusesVotes: "dissertation 4.1, 4.2.1"
        case .learnerCounts: "dissertation 4.2.1"
        case .removedLeaderCountsItself, .removedLeaderStays: "dissertation 4.2.2"
        case .configurationNotRolledBack: "dissertation 4.1"
        case .snapshotDropsLog: "RedisRaft, issue 43; dissertation figure 5.3"
        case .olderSnapshotInstalled: "etcd, issue 18055; dissertation figure 5.3"
        case .gapAfterRestart: "RedisRaft, issue 43; dissertation 5.1"
        case .snapshotNotSynced, .snapshotNotCut, .logCutBeforeSnapshot, .segmentsFromTheEnd: "etcd, issue 17780; dissertation 5.1"
        case .answersNotInSnapshot: "dissertation 6.3"
        case .staleConfigurationInSnapshot: "PySyncObj, issue 133; dissertation 5.1"
        case .wipedDiskRejoins: "etcd, issue 3504; dissertation 3.8"
        case .commitEarlierTerms: "dissertation 3.6.2, figure 3.7"
        case .termNotDurable, .voteNotDurable, .campaignNotDurable: "PySyncObj, issues 84 and 202; dissertation 3.8"
        case .stateNotSynced, .olderStateSlot: "PySyncObj, issue 84; dissertation 3.8"
        case .truncateWithoutConflict, .commitUnverified: "dissertation figure 3.1, receiver of AppendEntries"
        case .preVoteRaisesTerm, .preVoteTakesVote, .preVotesCounted: "canonical/raft, issue 196; dissertation 9.6"
        case .staleLeaderUnanswered: "etcd-io/raft, the note on higher terms in raft.go"
        case .readBeforeNoop: "dissertation 6.4"
        case .readWithoutRound: "dissertation 6.4"
        case .readNumberReused: "etcd, issue 20418"
        case .leaseOnArrival, .leaseOutlivesTransfer, .promiseForgotten: "dissertation 6.4.1"
        case .singleNotDurable: "etcd, issue 14370"
        case .lateCompletion: "etcd-io/raft, testdata async_storage_writes_append_aba_race"
        case .fullDiskIgnored: "dqlite, issues 283 and 309"
        case .hungDiskLeads: "hashicorp/raft, issue 503"
        case .clockDecidesApply: "dissertation 3.5: state machines are deterministic"
        case .syncErrorIgnored: "PostgreSQL's fsyncgate, 2018"
        case .directoryNotSynced: "ALICE (OSDI'14); hashicorp/raft-wal"
        case .noPreVote: "dissertation 9.6"
        case .answeredBeforeCommit: "two systems written for a course"
        case .voteTwice, .voteForShorterLog, .voteByLength: "dissertation 3.4, 3.6.1"
        case .entriesFromOlderTerm: "dissertation figure 3.1"
        case .commitMinusOne, .electMinusOne: "dissertation 3.4, 3.5"
        case .acknowledgeBeforeDurable, .ownCopyNotDurable, .sentBeforeSync: "dissertation 3.8, 10.2.1"
        case .acknowledgeUnverified: "dissertation figure 3.1"
        case .logNotSynced: "dissertation 3.8"
        case .backUpTooFew: "dissertation 3.5"
        case .fullDiskDecidesApply: "dissertation 3.5: state machines are deterministic"
        case .forwardRetried: "dissertation 6.3"
        }
    }
}
