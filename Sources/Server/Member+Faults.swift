import Base
import Consensus
import EventLoop
import GRPC
import LogFormat
import Replica
import Wire

// Where the fault switch stands in this member's way. Without it each question costs one comparison with nil.
extension Member {
    /// From now on the switch acts on this member.
    func obeyFaults() {
        guard let faults else { return }
        faults.isPeer = { [unowned self] name in
            name != identity.name && (replica.configuration[name: name] != nil || peer(named: name) != nil)
        }
        faults.onSilence = { [unowned self] name in
            guard let peer = peer(named: name) else { return }
            peer.breakConnection()
            for sender in senders.values where sender.send.to == peer.id { sender.connectionBroke(self) }
        }
        faults.expireElectionTimer = { [unowned self] in
            guard replica.role != .leader else { return .cannotCampaign("this member leads: it has no election timer") }
            guard replica.configuration[identity.member]?.isVoter == true else {
                return .cannotCampaign("this member has no vote: it has no election timer")
            }
            turn.electionTimerExpires = true
            return nil
        }
    }

    private func peer(named name: String) -> Peer? { peers.values.first { $0.name == name } }

    /// The name by which faults know a member; empty for one that nobody knows.
    func faultName(of id: MemberID) -> String { peers[id]?.name ?? replica.configuration[id]?.name ?? "" }

    /// Whether what comes from this member is heard.
    func hears(_ id: MemberID) -> Bool { faults?.hears(faultName(of: id)) ?? true }

    /// Sends a message that goes by a way of its own, unless it is lost.
    func send(_ kind: Wire.MessageKind, to id: MemberID, _ deliver: @escaping () -> Void) -> Bool {
        guard let faults else {
            deliver()
            return true
        }
        return faults.send(kind, to: faultName(of: id), deliver)
    }
}

extension Member {
    /// A question or its answer was lost: the call, which waits without a limit, ends when a keepalive would have found its
    /// connection dead. (One that was refused has ended already.)
    func answerInVain(_ call: ServerCall) {
        guard faults != nil else { return }
        OneShot(loop).start(after: Faults.silence) {
            call.fail(Status(.unavailable, "the answer was lost on its way (a fault on purpose)"))
        }
    }
}

extension Failure {
    fileprivate static func cannotCampaign(_ reason: String) -> Failure {
        Failure(.failedPrecondition, reason, notApplied: true)
    }
}

extension Message {
    var kind: Wire.MessageKind {
        switch body {
        case .requestVote(let request): request.preVote ? .preVote : .requestVote
        case .requestVoteReply(let reply): reply.preVote ? .preVoteResponse : .requestVoteResponse
        case .appendEntries(let request): request.entries.isEmpty ? .heartbeat : .appendEntries
        case .appendEntriesReply: .appendEntriesResponse
        case .readIndex: .readIndex
        case .readIndexReply: .readIndexResponse
        case .timeoutNow: .timeoutNow
        }
    }
}
