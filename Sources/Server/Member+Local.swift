public import Base
public import Consensus
public import EventLoop
import GRPC
public import Replica
public import Wire

/// What may be asked of a member from inside its process.
public typealias LocalRequest = Request.Body

// Requests from inside this process: the HTTP gateway's. Each costs one hop onto the loop; from there it goes the way of
// every other request, and shares its turn.
extension Member {
    /// Asks, and waits at most for `patience`. A write whose time is up may still be applied.
    public func submit(_ body: LocalRequest, within patience: Interval) async -> Answer.Result {
        await submitted(body, within: patience).result
    }

    /// The same, with what a local read tells beside its answer.
    public func submitted(_ body: LocalRequest, within patience: Interval) async -> Answer {
        guard !isStopping else { return Answer(id: RequestID(0), result: .failed(.stopping)) }
        let deadline = loop.now + patience
        return await withCheckedContinuation { continuation in
            ask(body, deadline: deadline, for: .local(LocalCall(loop, continuation, patience: patience)))
        }
    }

    /// Opens a session, unless a member could not apply that.
    public func openSession(within patience: Interval) async -> Answer.Result {
        if let failure = sessionRefusal, replica.role == .leader { return .failed(failure) }
        return await submit(.openSession(), within: patience)
    }

    /// Whom to hand leadership to; nil for whoever is best.
    public func transferTarget(_ request: Wire.ChangeRequest) throws(Failure) -> MemberID? {
        guard !request.name.isEmpty else { return nil }
        guard let member = replica.configuration[name: request.name] else {
            throw Failure(.invalidArgument, "'\(request.name)' is no member of this cluster", notApplied: true)
        }
        guard request.address.isEmpty || request.address == member.address else {
            throw Failure(
                .invalidArgument, "'\(member.name)' is at \(member.address), not at \(request.address)", notApplied: true)
        }
        return member.id
    }

    /// How this member sees itself and the others, at one moment.
    public func report() -> MemberReport {
        let now = loop.now
        var report = MemberReport(status: status(), counters: counters)
        report.turnTimes = loop.turnTimes
        report.turnWork = loop.turnWork
        let view = replica.view
        report.durableIndex = view.durableIndex
        report.hasQuorum = view.leader != nil
        report.isDiskFull = replica.isDiskFull
        report.requestsInFlight = calls.count
        report.counters.answered = calls.answered
        report.counters.waitedNanoseconds = waiting.total(now)
        report.snapshotBytes = replica.snapshotBytes
        report.electionTimeout = options.parameters.electionTimeout
        report.heartbeatInterval = options.parameters.heartbeatInterval
        report.deadlineIn = replica.deadline - now
        report.peers = view.configuration.members.filter { $0.id != view.id }.map { member in
            var peer = MemberReport.Peer(id: member.id, name: member.name, address: member.address)
            if let connection = peers[member.id] {
                peer.isConnected = connection.isGreeted
                peer.httpAddress = connection.httpAddress
            }
            if let progress = view.peers.first(where: { $0.id == member.id }) {
                peer.progress = progress
                peer.lastContact = now - progress.lastContact
                peer.roundTrip = tap.roundTrips[member.id]
            }
            return peer
        }
        report.httpAddress = options.http?.description
        return report
    }
}

/// What the gateway tells about a member.
public struct MemberReport: Sendable {
    public var status: Wire.Status
    public var counters: Counters
    public var durableIndex: Index = 0
    /// Whether a leader is known: one that hears from no quorum steps down.
    public var hasQuorum = false
    public var isDiskFull = false
    public var requestsInFlight = 0
    /// Of the newest snapshot's content; 0 when there is none.
    public var snapshotBytes = 0
    /// How long the member's loop was busy at a time, and had a processor.
    public var turnTimes = TurnTimes()
    public var turnWork = TurnTimes()
    public var electionTimeout = Interval.zero ... Interval.zero
    public var heartbeatInterval = Interval.zero
    /// Until the replica next acts by itself: on a follower that nobody writes to, until it campaigns.
    public var deadlineIn = Interval.zero
    public var peers: [Peer] = []
    /// HOST:PORT of this member's gateway.
    public var httpAddress: String?

    public struct Peer: Sendable {
        public var id: MemberID
        public var name: String
        public var address: String
        /// Whether our connection to it stands.
        public var isConnected = false
        public var httpAddress: String?
        /// What a leader knows of it; nil on others.
        public var progress: View.Peer?
        public var lastContact: Interval?
        /// Of the last heartbeat that somebody watched.
        public var roundTrip: Interval?
    }

    /// Since the process started. Of clients' requests of either kind, each counts once, at the member that was asked.
    public struct Counters: Sendable {
        public var reads: UInt64 = 0
        public var writes: UInt64 = 0
        public var leaderChanges: UInt64 = 0
        /// Clients' requests that were answered, and how long all of them have waited together: what the one grows by divided by
        /// what the other grows by is the mean time to an answer (Little's law).
        public var answered: UInt64 = 0
        public var waitedNanoseconds: UInt64 = 0
    }
}

/// What a call of this member's own services came to.
public enum OwnAnswer: Sendable {
    case message(Bytes)
    /// This member does not have the service.
    case unimplemented(String)
    case failed(Failure)
}

extension Member {
    /// Calls a service of this member as any client would, over gRPC: for what is rare, and has no other entrance.
    public func callItself(_ path: String, _ message: Bytes, within patience: Interval) async -> OwnAnswer {
        guard !isStopping, let own = ownAddress else { return .failed(.stopping) }
        return await withCheckedContinuation { continuation in
            OneCall.make(on: loop, to: own, MethodPath(path), message, timeout: patience) { result in
                continuation.resume(returning: OwnAnswer(result))
            }
        }
    }

    /// Where this process finds itself.
    private var ownAddress: HostPort? {
        guard options.listen.port != 0 else { return HostPort(address) }
        switch options.listen.host {
        case "0.0.0.0": return HostPort(host: "127.0.0.1", port: options.listen.port)
        case "::": return HostPort(host: "::1", port: options.listen.port)
        default: return options.listen
        }
    }
}

extension OwnAnswer {
    fileprivate init(_ result: UnaryResult) {
        if result.status.isOK {
            self = .message(result.message)
        } else if result.status.code == .unimplemented {
            self = .unimplemented(result.status.message)
        } else {
            let notApplied = result.neverSent || result.trailers[Metadata.notAppliedName] == "1"
            self = .failed(
                Failure(
                    Failure.Code(rawValue: result.status.code.rawValue) ?? .unknown, result.status.message,
                    notApplied: notApplied))
        }
    }
}
