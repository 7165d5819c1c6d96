/// A bug that others shipped, planted on purpose where the rule lives that it breaks: what the simulator cannot find
/// planted it would not find by chance. Only the simulator and tests can set one; a server has no way to.
///
/// Each rule compares one optional byte, which is nil in a server.
@_spi(Sabotage) public enum Sabotage: String, CaseIterable, Sendable {
    // Elections
    case noNoop = "no-noop"
    case termNotDurable = "term-not-durable"
    case voteNotDurable = "vote-not-durable"
    case campaignNotDurable = "campaign-not-durable"
    case preVoteRaisesTerm = "pre-vote-raises-term"
    case preVoteTakesVote = "pre-vote-takes-vote"
    case preVotesCounted = "pre-votes-counted"
    case staleLeaderUnanswered = "stale-leader-unanswered"
    case noPreVote = "no-pre-vote"
    case voteTwice = "vote-twice"
    case voteForShorterLog = "vote-for-shorter-log"
    case voteByLength = "vote-by-length"
    case electMinusOne = "elect-minus-one"

    // Members and leadership
    case changeBeforeOwnCommit = "change-before-own-commit"
    case changesOverlap = "changes-overlap"
    case transferAsksFirst = "transfer-asks-first"
    case removedCampaigns = "removed-campaigns"
    case leaderNotProtected = "leader-not-protected"
    case transferToLearner = "transfer-to-learner"
    case transferToLaggard = "transfer-to-laggard"
    case transferInDoubt = "transfer-in-doubt"
    case learnerRefusesVotes = "learner-refuses-votes"
    case learnerCounts = "learner-counts"
    case removedLeaderCountsItself = "removed-leader-counts-itself"
    case removedLeaderStays = "removed-leader-stays"
    case configurationNotRolledBack = "configuration-not-rolled-back"

    // Replication
    case commitEarlierTerms = "commit-earlier-terms"
    case commitMinusOne = "commit-minus-one"
    case commitUnverified = "commit-unverified"
    case truncateWithoutConflict = "truncate-without-conflict"
    case entriesFromOlderTerm = "entries-from-older-term"
    case acknowledgeBeforeDurable = "acknowledge-before-durable"
    case acknowledgeUnverified = "acknowledge-unverified"
    case ownCopyNotDurable = "own-copy-not-durable"
    case singleNotDurable = "single-not-durable"
    case lateCompletion = "late-completion"
    case backUpTooFew = "back-up-too-few"

    // Reads
    case readBeforeNoop = "read-before-noop"
    case readWithoutRound = "read-without-round"
    case readNumberReused = "read-number-reused"
    case leaseOnArrival = "lease-on-arrival"
    case leaseOutlivesTransfer = "lease-outlives-transfer"
    case promiseForgotten = "promise-forgotten"

    // The disk
    case stateNotSynced = "state-not-synced"
    case olderStateSlot = "older-state-slot"
    case logNotSynced = "log-not-synced"
    case directoryNotSynced = "directory-not-synced"
    case syncErrorIgnored = "sync-error-ignored"
    case fullDiskIgnored = "full-disk-ignored"
    case hungDiskLeads = "hung-disk-leads"

    // Snapshots
    case snapshotDropsLog = "snapshot-drops-log"
    case olderSnapshotInstalled = "older-snapshot-installed"
    case gapAfterRestart = "gap-after-restart"
    case snapshotNotSynced = "snapshot-not-synced"
    case snapshotNotCut = "snapshot-not-cut"
    case logCutBeforeSnapshot = "log-cut-before-snapshot"
    case segmentsFromTheEnd = "segments-from-the-end"
    case answersNotInSnapshot = "answers-not-in-snapshot"
    case staleConfigurationInSnapshot = "stale-configuration-in-snapshot"
    case wipedDiskRejoins = "wiped-disk-rejoins"

    // The member
    case sentBeforeSync = "sent-before-sync"
    case answeredBeforeCommit = "answered-before-commit"
    case forwardRetried = "forward-retried"
    case clockDecidesApply = "clock-decides-apply"
    case fullDiskDecidesApply = "full-disk-decides-apply"
}
