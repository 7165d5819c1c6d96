import Base
import Consensus
import EventLoop
import GRPC
import Keyspace
import LogFormat
import Replica
import Wire

// What this member says to others: the messages of Raft, each by its own way, and the writes it passes on.
extension Member {
    /// Keeps a connection to every other member of the newest configuration, for a while to those that it removes, and to
    /// no one else.
    func connectPeers() {
        let index = replica.configurationIndex
        guard index != peersIndex || hasDepartingPeers else { return }
        peersIndex = index
        let configuration = replica.configuration
        let departing = replica.departing
        hasDepartingPeers = !departing.isEmpty
        for (id, peer) in peers where configuration[id]?.address != peer.address {
            if configuration[id] == nil, departing.contains(id) { continue }
            // A leader that removes itself still answers what was passed on to it, also when another one leads already.
            if configuration[id] == nil, replica.leader == id || peer.owesAnswers {
                hasDepartingPeers = true
                continue
            }
            peer.giveUpForwards()
            peer.close()
            peers[id] = nil
        }
        for member in configuration.members where member.id != identity.member && peers[member.id] == nil {
            peers[member.id] = Peer(member, of: self)
        }
    }

    func send(_ message: Message) {
        guard let faults else { return deliver(message) }
        faults.send(message.kind, to: faultName(of: message.to)) { [unowned self] in deliver(message) }
    }

    private func deliver(_ message: Message) {
        switch message.body {
        case .appendEntries:
            peers[message.to]?.sendEntries(message)
        case .requestVote, .timeoutNow, .readIndex:
            peers[message.to]?.ask(message)
        case .appendEntriesReply:
            leaderStreams[message.to]?.send(codec.encode(message))
        case .requestVoteReply:
            voteCalls.removeValue(forKey: message.to)?.reply(codec.encode(message))
        case .readIndexReply(let reply):
            guard let waiting = readIndexCalls[message.to], waiting.requestID == reply.requestID else { return }
            readIndexCalls[message.to] = nil
            waiting.call.reply(codec.encode(message))
        }
    }

    /// Passes writes on to the leader, all of one turn in one call.
    func passOn(_ forwards: [ReplicaEffects.Forward]) {
        var rest = forwards[...]
        while let first = rest.first {
            let batch = rest.prefix { $0.to == first.to }
            rest = rest.dropFirst(batch.count)
            guard let peer = peers[first.to] else {
                for forward in batch { forwardFailed(forward.id, .notLeader) }
                continue
            }
            peer.propose(batch)
        }
    }

    func forwardFailed(_ id: RequestID, _ failure: Failure) {
        turn.forwardResults.append(.init(id: id, result: .failure(failure)))
    }

    /// What the leader answered to writes that were passed on. One that it left out has an unknown outcome.
    func receive(_ response: Wire.ProposeResponse, for ids: [RequestID]) {
        var waiting = Set(ids)
        for outcome in response.outcomes {
            let id = RequestID(outcome.id)
            guard waiting.remove(id) != nil else { continue }
            turn.forwardResults.append(.init(id: id, result: outcome.asResult))
        }
        for id in ids where waiting.contains(id) { forwardFailed(id, .answerUnreadable) }
    }
}

extension Wire.ProposalOutcome {
    fileprivate var asResult: Swift.Result<Outcome, Failure> {
        switch result {
        case .applied(let bytes):
            do {
                return .success(try Outcome(decoding: bytes))
            } catch {
                return .failure(.answerUnreadable)
            }
        case .failed(let failure):
            let code = UInt8(exactly: failure.code).flatMap(Failure.Code.init(rawValue:)) ?? .unknown
            return .failure(Failure(code, failure.message, notApplied: failure.notApplied))
        }
    }
}

extension Failure {
    static let answerUnreadable = Failure(
        .unknown, "the leader's answer cannot be read: the write may or may not be applied", notApplied: false)
    static let leaderSilent = Failure(
        .unknown, "the connection to the leader broke after the write was sent: it may or may not be applied",
        notApplied: false)
}
