import Base
import Consensus
import Keyspace
import Storage

/// Everything that reached a member in one turn of its loop: the one input of `Replica.step`. The buffers are
/// reused: `step` empties them.
public struct Turn: Sendable {
    public var now: Instant
    /// Wall time in milliseconds since 1970: goes into entries, decides nothing.
    public var wallMs: UInt64
    /// Disk operations that ended, in order.
    public var completions: [Completion] = []
    /// From peers, in order of arrival.
    public var messages: [Message] = []
    /// Peers to which the stream broke.
    public var unreachable: [MemberID] = []
    /// What became of writes that this member passed on to the leader.
    public var forwardResults: [ForwardResult] = []
    public var requests: [Request] = []
    /// The election timer runs out, whatever was heard: a fault on purpose.
    public var electionTimerExpires = false
    /// The end of `ReplicaEffects.snapshotWork`.
    public var snapshotWork: SnapshotWork.Done?
    /// How the sending of `ReplicaEffects.snapshotsToSend` ended.
    public var snapshotsSent: [SnapshotSent] = []
    public var snapshotReads: [SnapshotRead] = []
    /// From a leader, in order of arrival; each is answered by one of `ReplicaEffects.snapshotReplies`.
    public var snapshotChunks: [SnapshotChunk] = []

    public struct Completion: Sendable {
        public var operation: UInt64
        public var result: DiskResult
        public init(operation: UInt64, result: DiskResult) {
            self.operation = operation
            self.result = result
        }
    }

    public struct ForwardResult: Sendable {
        public var id: RequestID
        public var result: Result<Outcome, Failure>
        public init(id: RequestID, result: Result<Outcome, Failure>) {
            self.id = id
            self.result = result
        }
    }

    public init(now: Instant = .zero, wallMs: UInt64 = 0) {
        self.now = now
        self.wallMs = wallMs
    }

    /// Whether nothing has happened but time.
    @inlinable public var isEmpty: Bool {
        requests.isEmpty && messages.isEmpty && completions.isEmpty && forwardResults.isEmpty && unreachable.isEmpty
            && !electionTimerExpires && snapshotWork == nil && snapshotsSent.isEmpty && snapshotReads.isEmpty && snapshotChunks.isEmpty
    }
}

/// What a member wants done after a turn, in the order in which it stands here. The buffers are reused: `step`
/// appends, `removeAll` empties.
public struct ReplicaEffects: Sendable {
    /// May leave at once: what waits for the disk is held back inside until it may.
    public var send: [Message] = []
    public var operations: [DiskOperation] = []
    /// Writes to pass on to the leader. What becomes of each comes back as a `Turn.ForwardResult`.
    public var forwards: [Forward] = []
    public var answers: [Answer] = []
    /// What happened, for those who watch; filled only when `Replica.isWatched`.
    public var events: [Event] = []
    /// Work for another thread; its end comes back as `Turn.snapshotWork`. There is one at a time.
    public var snapshotWork: SnapshotWork?
    public var snapshotsToSend: [SnapshotToSend] = []
    /// Answers to `Turn.snapshotReads`.
    public var snapshotPieces: [SnapshotPiece] = []
    /// Answers to `Turn.snapshotChunks`.
    public var snapshotReplies: [SnapshotReply] = []
    /// A state that a snapshot has replaced, to be let go of on another thread (`FrozenKeyspace.dismantled`).
    public var released: FrozenKeyspace?
    /// The member must stop, and its process with it.
    public var failure: ReplicaFailure?

    public struct Forward: Sendable {
        public var id: RequestID
        public var to: MemberID
        public var deadline: Instant
        /// A command, or a session to be opened or closed.
        public var kind: Entry.Kind
        /// 0 without a session.
        public var session: UInt64
        public var sequence: UInt64
        public var version: UInt64
        public var data: Bytes

        /// What the leader is asked.
        public var body: Request.Body {
            .propose(
                Proposal(kind: kind, sessionID: session, sequence: sequence, version: version, data: data),
                isForwarded: true)
        }
    }

    public init() {}

    public mutating func removeAll() {
        send.clear()
        operations.clear()
        forwards.clear()
        answers.clear()
        events.clear()
        if snapshotWork != nil { snapshotWork = nil }
        snapshotsToSend.clear()
        snapshotPieces.clear()
        snapshotReplies.clear()
        if released != nil { released = nil }
        failure = nil
    }
}

/// Why a member cannot go on.
public enum ReplicaFailure: Error, Sendable, CustomStringConvertible {
    case storage(StorageFailure)
    /// An entry that this program cannot apply, and must not skip.
    case unapplicable(Keyspace.Failure)

    public var description: String {
        switch self {
        case .storage(let failure): failure.description
        case .unapplicable(let failure): "a committed entry cannot be applied: \(failure)"
        }
    }
}
