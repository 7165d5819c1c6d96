import Base
import Consensus
import EventLoop
import GRPC
import Keyspace
import LogFormat
import Logging
import Replica
import Wire

// The Raft service (proto/swiftwater/v1/raft.proto): what other members say to this one. A message that is not meant
// for it is refused before the replica sees it.
extension Member {
    func registerRaftService() {
        server.register(stream: MethodPath(Wire.Path.raftAppendEntries)) { [unowned self] call in
            acceptLeaderStream(call)
        }
        server.register(MethodPath(Wire.Path.raftHello)) { [unowned self] call, span in
            do throws(Wire.DecodeFailure) {
                let peer = try codec.decodeHello(span)
                guard faults?.answersHello(of: peer.name) ?? true else { return }
                call.reply(codec.encode(hello(to: peer.from)))
            } catch {
                call.fail(error)
            }
        }
        register(raft: Wire.Path.raftRequestVote) { member, call, span throws(Wire.DecodeFailure) in
            let message = try member.codec.decodeRequestVote(span)
            guard member.accepts(Wire.Header(message), call) else { return }
            member.voteCalls[message.from] = call
            member.turn.messages.append(message)
        }
        register(raft: Wire.Path.raftTimeoutNow) { member, call, span throws(Wire.DecodeFailure) in
            let message = try member.codec.decodeTimeoutNow(span)
            guard member.accepts(Wire.Header(message), call) else { return }
            member.turn.messages.append(message)
            let answer = member.codec.encodeTimeoutNowResponse(member.header(to: message.from))
            _ = member.send(.timeoutNow, to: message.from) { call.reply(answer) }
        }
        register(raft: Wire.Path.raftReadIndex) { member, call, span throws(Wire.DecodeFailure) in
            let message = try member.codec.decodeReadIndex(span)
            guard member.accepts(Wire.Header(message), call), case .readIndex(let request) = message.body else { return }
            member.readIndexCalls[message.from] = (request.requestID, call)
            member.turn.messages.append(message)
        }
        register(raft: Wire.Path.raftPropose) { member, call, span throws(Wire.DecodeFailure) in
            let request = try member.codec.decodePropose(span)
            guard member.accepts(request.header, call) else { return member.answerInVain(call) }
            member.take(request, from: call)
        }
        server.register(stream: .installSnapshot) { [unowned self] call in acceptSnapshot(call) }
    }

    private func register(
        raft path: String,
        _ handle: @escaping @Sendable (isolated Member, ServerCall, RawSpan) throws(Wire.DecodeFailure) -> Void
    ) {
        server.register(MethodPath(path)) { [unowned self] call, span in
            do throws(Wire.DecodeFailure) {
                try handle(self, call, span)
            } catch {
                call.fail(error)
            }
        }
    }

    /// Whether a message is meant for this member; otherwise the call is refused and the message not looked at. (What a
    /// fault drops is not even refused.)
    func accepts(_ header: Wire.Header, _ call: ServerCall) -> Bool {
        let reason: String
        if header.cluster != cluster {
            reason = "this member belongs to cluster \(cluster), not to \(header.cluster)"
        } else if header.group != 0 {
            reason = "there is no group \(header.group) here"
        } else if header.to != identity.member {
            reason = "this is member \(identity.member), not \(header.to): was its disk replaced?"
        } else {
            return hears(header.from)
        }
        log.warning("a peer was refused: \(reason)", metadata: ["peer": "\(call.peerAddress)"])
        call.fail(Status(.failedPrecondition, reason), trailers: .notApplied)
        return false
    }

    func hello(to peer: MemberID) -> Wire.Hello {
        Wire.Hello(
            cluster: cluster, from: identity.member, to: peer,
            features: options.http.map { ["\(Peer.httpFeature)\($0)"] } ?? [], name: identity.name, address: address,
            configuration: Wire.LoggedConfiguration(replica.configuration, index: replica.configurationIndex),
            version: softwareVersion)
    }

    func header(to peer: MemberID) -> Wire.Header {
        Wire.Header(cluster: cluster, from: identity.member, to: peer, term: replica.view.term)
    }

    // MARK: Entries

    /// A leader's stream. The newest of each peer is the one that is answered. A stream speaks for one member: who names
    /// others on it would have us keep it under each of their names.
    private func acceptLeaderStream(_ call: ServerCall) {
        var sender: MemberID?
        call.onMessage = { [unowned self] span in
            do throws(Wire.DecodeFailure) {
                let message = try codec.decodeAppendEntries(span)
                guard accepts(Wire.Header(message), call) else { return }
                if let sender, sender != message.from {
                    return call.fail(Status(.invalidArgument, "this stream is member \(sender)'s, not member \(message.from)'s"))
                }
                sender = message.from
                leaderStreams[message.from] = call
                turn.messages.append(message)
            } catch {
                call.fail(error)
            }
        }
        call.onCancel = { [unowned self] in forget(call) }
        call.onHalfClose = { [unowned self] in
            forget(call)
            call.finish()
        }
    }

    private func forget(_ call: ServerCall) {
        for (peer, stream) in leaderStreams where stream === call { leaderStreams[peer] = nil }
    }

    // MARK: Writes that a follower passed on

    private func take(_ request: Wire.ProposeRequest, from call: ServerCall) {
        let batch = ForwardedBatch(call: call, from: request.header.from, count: request.proposals.count)
        guard !request.proposals.isEmpty else { return finish(batch) }
        for proposal in request.proposals {
            if proposal.kind == .openSession, let failure = sessionRefusal {
                reply(to: batch, proposal.id, .failed(failure))
                continue
            }
            let entry = Proposal(
                kind: proposal.kind, sessionID: proposal.requestID?.sessionID ?? 0,
                sequence: proposal.requestID?.sequence ?? 0, version: proposal.version, data: proposal.command)
            ask(
                .propose(entry, isForwarded: true),
                deadline: proposal.deadlineLeft.map { loop.now + $0 },
                for: .forwarded(batch, proposal: proposal.id))
        }
    }

    func reply(to batch: ForwardedBatch, _ proposal: UInt64, _ result: Answer.Result) {
        switch result {
        case .outcome(let outcome): batch.outcomes.append((proposal, .success(outcome)))
        case .failed(let failure): batch.outcomes.append((proposal, .failure(failure)))
        case .frozen, .log, .leadershipTransferred, .members:
            preconditionFailure("a write got the answer to another kind of request")
        }
        batch.waiting -= 1
        if batch.waiting == 0 { finish(batch) }
    }

    private func finish(_ batch: ForwardedBatch) {
        guard !batch.call.isClosed else { return }
        let outcomes = batch.outcomes.map { proposal, result in
            switch result {
            case .success(let outcome):
                return Wire.ProposalOutcome(id: proposal, result: .applied(outcome.encode()))
            case .failure(let failure):
                let failure = Wire.ProposalFailure(
                    code: UInt32(failure.code.rawValue), message: failure.message, notApplied: failure.notApplied)
                return Wire.ProposalOutcome(id: proposal, result: .failed(failure))
            }
        }
        // The header names nobody: the answer goes back the way the request came.
        let answer = codec.encode(Wire.ProposeResponse(header: header(to: 0), outcomes: outcomes))
        let call = batch.call
        if !send(.proposeResponse, to: batch.from, { call.reply(answer) }) { answerInVain(call) }
    }
}

extension Wire.Header {
    init(_ message: Message) {
        self.init(
            cluster: message.cluster, group: message.group, from: message.from, to: message.to, term: message.term)
    }
}
