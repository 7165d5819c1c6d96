import Base
import Consensus
import Keyspace
import struct Keyspace.Refusal

/// A request's number: chosen by whoever hands it in, unique among those that are not answered yet.
public struct RequestID: Hashable, Sendable, RawRepresentable {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// How fresh a read must be.
public enum Freshness: Sendable, Equatable {
    /// It sees every write that was acknowledged before it began (dissertation 6.4).
    case linearizable
    /// The same, as far as clocks can be trusted: without a question to others where this member leads and holds a lease
    /// (6.4.1). Elsewhere it is `linearizable`.
    case lease
    /// It sees what this member has applied.
    case local
}

/// What a member is asked to do. Each request is answered exactly once.
public struct Request: Sendable {
    public var id: RequestID
    /// From here on nobody waits for the answer; `.never` when the caller named no time.
    public var deadline: Instant
    public var body: Body

    public enum Body: Sendable {
        /// Something for the log: a client's command, with its session or without; a session to be opened or closed. Its
        /// data is encoded once, with `Entry.headroom`. What a follower passed on is never passed on again.
        case propose(Proposal, isForwarded: Bool)
        /// A command that only reads, answered with its outcome.
        case read(Command, Freshness)
        /// A read too long for one answer: answered with a frozen keyspace.
        case freeze(Freshness)
        /// Entries of this member's own log, from its disk.
        case log(from: Index, maxBytes: Int)
        /// Change who the members are (dissertation 4.1). Answered by a leader alone, with the configuration, once the change is
        /// committed; for a newcomer that is to vote, once it does.
        case changeMembers(MemberChange)
        /// Hand leadership to this member, or to whoever is best (dissertation 3.10).
        case transferLeadership(to: MemberID?)
    }

    public init(id: RequestID, deadline: Instant = .never, body: Body) {
        self.id = id
        self.deadline = deadline
        self.body = body
    }
}

extension Request.Body {
    /// A client's write: `data` is its command's encoding. With a session it is applied once however often it is sent,
    /// and each time gets the first answer (dissertation 6.3).
    public static func write(
        _ data: Bytes, version: UInt64, session: UInt64 = 0, sequence: UInt64 = 0
    ) -> Request.Body {
        .propose(Proposal(sessionID: session, sequence: sequence, version: version, data: data), isForwarded: false)
    }

    /// A write that a follower passed on.
    public static func forwardedWrite(
        _ data: Bytes, version: UInt64, session: UInt64 = 0, sequence: UInt64 = 0
    ) -> Request.Body {
        .propose(Proposal(sessionID: session, sequence: sequence, version: version, data: data), isForwarded: true)
    }

    /// Answered with an outcome whose result is `session`, its id. The limits go into the log, and are all that counts there.
    public static func openSession(_ limits: SessionLimits = SessionLimits()) -> Request.Body {
        .propose(
            Proposal(kind: .openSession, version: SessionLimits.version, data: limits.encode()), isForwarded: false)
    }

    /// Answered with an outcome without a result, also when there is no such session.
    public static func closeSession(_ session: UInt64) -> Request.Body {
        let data = Bytes()
        return .propose(
            Proposal(kind: .closeSession, sessionID: session, version: SessionLimits.version, data: data),
            isForwarded: false)
    }
}

/// A step from one configuration to the next.
public enum MemberChange: Sendable, Equatable {
    /// A newcomer, which votes as soon as it has caught up unless it is to stay a learner; or a member that has another
    /// address now.
    case add(Configuration.Member)
    case remove(name: String)
    /// Makes a voter of a learner, once it has caught up, or the other way round.
    case setVoting(Bool, name: String)
    case setPriority(UInt8, name: String)
}

/// What became of a request.
public struct Answer: Sendable {
    public var id: RequestID
    public var result: Result
    /// Of a local read.
    public var age: LocalAge?

    public enum Result: Sendable {
        case outcome(Outcome)
        case frozen(FrozenKeyspace)
        /// Consecutive entries; empty at the end of the log. `commitIndex` as the member knew it.
        case log([Entry], commitIndex: Index)
        case leadershipTransferred
        case members(Configuration)
        case failed(Failure)
    }

    public init(id: RequestID, result: Result, age: LocalAge? = nil) {
        self.id = id
        self.result = result
        self.age = age
    }
}

/// How old the answer to a local read may be.
public struct LocalAge: Sendable, Equatable {
    /// The last entry that the member had applied.
    public var appliedIndex: Index
    /// How long ago it heard from a leader; zero on a leader, nil when it has heard from none since it started.
    public var leaderHeard: Interval?
}

/// Why a request was not done, in the words of gRPC.
public struct Failure: Error, Sendable, Equatable {
    /// The numbers are gRPC's.
    public enum Code: UInt8, Sendable {
        case unknown = 2
        case invalidArgument = 3
        case deadlineExceeded = 4
        case resourceExhausted = 8
        case failedPrecondition = 9
        case unavailable = 14
    }

    public var code: Code
    public var message: String
    /// Certain: nothing was applied, now or ever, and trying again is safe.
    public var notApplied: Bool

    public init(_ code: Code, _ message: String, notApplied: Bool) {
        self.code = code
        self.message = message
        self.notApplied = notApplied
    }

    /// A command that failed when it was applied. Where its session is over, an earlier attempt may have been applied.
    public init(_ failure: OperationFailure, inTransaction: Bool) {
        self.init(failure.refusal(inTransaction: inTransaction))
        switch failure.reason {
        case .sessionExpired, .sequenceForgotten, .answerForgotten: notApplied = false
        case .wrongKind, .valueTooLarge, .resultTooLarge: break
        }
    }

    public init(_ refusal: Refusal) {
        code =
            switch refusal.code {
            case .invalidArgument: .invalidArgument
            case .resourceExhausted: .resourceExhausted
            case .failedPrecondition: .failedPrecondition
            }
        message = refusal.message
        notApplied = true
    }

    public static let noLeader = Failure(
        .unavailable, "no leader is known: a majority of the members must be up and reach each other",
        notApplied: true)
    public static let behind = Failure(
        .unavailable, "this member lags behind the leader and has not caught up in time: ask another one",
        notApplied: true)
    public static let removed = Failure(
        .unavailable, "this member was removed from the cluster: ask another", notApplied: true)
    public static let notLeader = Failure(.unavailable, "this member does not lead", notApplied: true)
    public static let stopping = Failure(.unavailable, "this member is shutting down", notApplied: true)
    public static let leadershipLost = Failure(
        .unknown, "leadership was lost after the write was sent: it may or may not be applied", notApplied: false)
    public static let tooManyWaiting = Failure(
        .resourceExhausted, "too many requests are in flight at this member: try again with fewer at a time",
        notApplied: true)
    public static let diskFull = Failure(
        .resourceExhausted, "the leader's disk is full: reads go on, writes resume when space returns",
        notApplied: true)
    public static let tooLarge = Failure(
        .resourceExhausted, "the request is larger than one log entry can be: send it in parts", notApplied: true)
    public static let overtaken = Failure(
        .unavailable, "another leader's entry took the place of this write, which is not applied: try again",
        notApplied: true)
    public static let transferTimedOut = Failure(
        .deadlineExceeded, "the other member did not take over in time; the leader has not changed",
        notApplied: true)
}
