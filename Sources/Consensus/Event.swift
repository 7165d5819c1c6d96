import Base

/// What happened inside a member: the one vocabulary of logs, golden tests, the dashboard and the simulator.
public enum Event: Sendable, Equatable {
    /// Nobody led for an election timeout.
    case electionTimedOut
    /// Asks whether it would be elected in `term` (9.6).
    case preCampaign(term: Term)
    case campaign(term: Term, transfer: Bool)
    case voteGranted(to: MemberID, term: Term, preVote: Bool)
    case voteRefused(to: MemberID, term: Term, preVote: Bool, VoteRefusal)
    case voteReceived(from: MemberID, granted: Bool, preVote: Bool)
    case becameLeader(term: Term)
    case becameFollower(term: Term, leader: MemberID?)
    case steppedDown(term: Term, StepDownReason)
    /// The step came so late that nothing heard from the leader may mean that this member slept: one more wait.
    case sleptThroughDeadline
    case appended(first: Index, last: Index)
    case truncated(from: Index)
    case durable(through: Index)
    /// This leader's disk has finished nothing for too long, and another's has.
    case diskHangs
    case committed(through: Index)
    /// This follower's log disagrees with the leader's at `index`.
    case conflict(at: Index, term: Term)
    /// The leader looks for where a follower's log agrees with its own.
    case probing(MemberID, next: Index)
    case replicating(MemberID, next: Index)
    case readRoundStarted(UInt64, readIndex: Index)
    case readRoundConfirmed(UInt64, readIndex: Index)
    case configurationAdopted(index: Index)
    case configurationRolledBack(to: Index)
    /// A newcomer has all that the leader had when this round began (4.2.1).
    case caughtUp(MemberID, round: Int)
    /// The leader makes a newcomer a voter.
    case promoting(MemberID)
    /// A configuration without this member is committed: it campaigns no more.
    case removed(at: Index)
    /// A removed member was told, or cannot be reached.
    case tookLeave(of: MemberID)
    /// The log begins behind this entry now.
    case compacted(through: Index)
    case sendingSnapshot(to: MemberID, index: Index)
    /// A snapshot from another member has taken the place of what was applied here.
    case installed(index: Index, term: Term)
    case transferStarted(to: MemberID)
    case timeoutNowSent(to: MemberID)
    case transferEnded(TransferOutcome)
    /// A message that was not obeyed.
    case ignored(from: MemberID, kind: MessageKind, IgnoreReason)
}

public enum VoteRefusal: String, Sendable, Equatable {
    case staleTerm = "its term is over"
    case alreadyVoted = "voted for another"
    case logBehind = "its log is behind"
    case hasLeader = "heard from a leader"
}

public enum StepDownReason: String, Sendable, Equatable {
    case higherTerm = "a higher term"
    case noQuorum = "no word from a quorum"
    case removed = "no longer a voter"
    case diskHangs = "its disk does not finish"
}

public enum IgnoreReason: String, Sendable, Equatable {
    case wrongCluster = "of another cluster"
    case wrongGroup = "of another group"
    case notForMe = "for another member"
    case fromMyself = "from myself"
    case staleTerm = "of an earlier term"
    case notAMember = "from no member"
    case malformed = "malformed"
    case notExpected = "not waited for"
    case hasLeader = "a leader was heard"
    case secondLeader = "from a second leader of the term"
}

public enum MessageKind: String, Sendable, Equatable {
    case requestVote = "RequestVote"
    case requestVoteReply = "RequestVoteReply"
    case appendEntries = "AppendEntries"
    case appendEntriesReply = "AppendEntriesReply"
    case readIndex = "ReadIndex"
    case readIndexReply = "ReadIndexReply"
    case timeoutNow = "TimeoutNow"

    init(_ body: Message.Body) {
        switch body {
        case .requestVote: self = .requestVote
        case .requestVoteReply: self = .requestVoteReply
        case .appendEntries: self = .appendEntries
        case .appendEntriesReply: self = .appendEntriesReply
        case .readIndex: self = .readIndex
        case .readIndexReply: self = .readIndexReply
        case .timeoutNow: self = .timeoutNow
        }
    }
}
