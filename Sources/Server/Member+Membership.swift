import Base
import Consensus
import EventLoop
import GRPC
import Replica
import Wire

// Changes of who the members are (dissertation 4.1): asked of the leader, one at a time.
extension Member {
    /// Addresses at which the leader asks at the same time who is there.
    static let maxIntroductions = 16

    func registerMembershipCalls() {
        register(change: Wire.Path.clusterAddServer) { $0.addServer($1, $2) }
        register(change: Wire.Path.clusterRemoveServer) { $0.removeServer($1, $2) }
    }

    private func register(
        change path: String, _ handle: @escaping @Sendable (isolated Member, ServerCall, Wire.ChangeRequest) -> Void
    ) {
        server.register(MethodPath(path)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                let request = try codec.decodeChange(message)
                guard replica.role == .leader else { return call.reply(codec.encode(changeResponse(.notLeader))) }
                handle(self, call, request)
            } catch {
                call.fail(error)
            }
        }
    }

    // MARK: Adding

    /// Asks at the address who is there: a name is bound to the id on that member's disk.
    private func addServer(_ call: ServerCall, _ request: Wire.ChangeRequest) {
        guard MemberOptions.isName(request.name) else {
            return call.fail(Failure(.invalidArgument, "'\(request.name)' is no name of a member", notApplied: true))
        }
        guard let address = HostPort(request.address) else {
            return call.fail(Failure(.invalidArgument, "'\(request.address)' is no HOST:PORT", notApplied: true))
        }
        guard introductions < Self.maxIntroductions else { return call.fail(.tooManyWaiting) }
        introductions += 1
        OneCall.make(on: loop, to: address, .hello, codec.encode(hello(to: 0)), timeout: Peer.helloTimeout) {
            [unowned self] result in
            introductions -= 1
            introduced(result, at: address, call, request)
        }
    }

    private func introduced(
        _ result: UnaryResult, at address: HostPort, _ call: ServerCall, _ request: Wire.ChangeRequest
    ) {
        guard !call.isClosed else { return }
        let newcomer: Wire.Hello
        do throws(Wire.DecodeFailure) {
            guard result.status.isOK else {
                return refuse(
                    call,
                    "no member answers at \(address) (\(result.status.message)): start it first, swiftwaterd --name "
                        + "\(request.name) --listen \(address) --join \(self.address)")
            }
            newcomer = try result.message.withSpan { span throws(Wire.DecodeFailure) in try codec.decodeHello(span) }
        } catch {
            return refuse(call, "what answers at \(address) is no member: \(error.message)")
        }
        if let objection = objection(to: newcomer, as: request.name) {
            return refuse(call, "the member at \(address) \(objection)")
        }
        let known = replica.configuration[newcomer.from]
        let change: MemberChange =
            if let known, known.standing == .learner, known.address == address.description, !request.isLearner {
                .setVoting(true, name: known.name)
            } else {
                .add(
                    Configuration.Member(
                        id: newcomer.from, name: request.name, address: address.description,
                        isVoter: !request.isLearner))
            }
        ask(.changeMembers(change), deadline: deadline(of: call), for: .change(call))
    }

    /// Why whoever answers there cannot be a member under that name.
    private func objection(to newcomer: Wire.Hello, as name: String) -> String? {
        if newcomer.name != name { return "is called '\(newcomer.name)', not '\(name)'" }
        if newcomer.cluster == 0 { return "belongs to no cluster yet: start it with --join \(address)" }
        if newcomer.cluster != cluster {
            return "belongs to cluster \(newcomer.cluster), not to this one, \(cluster): start it with an empty data "
                + "directory and --join \(address)"
        }
        if !newcomer.protocolVersions.contains(Wire.Hello.protocolVersion) { return "speaks none of our protocol versions" }
        if !Wire.Hello.knownEntryKinds.allSatisfy(newcomer.entryKinds.contains) {
            return "runs an earlier version, which does not know all kinds of entries: upgrade it first"
        }
        return nil
    }

    private func refuse(_ call: ServerCall, _ reason: String) {
        call.fail(Failure(.failedPrecondition, reason, notApplied: true))
    }

    // MARK: Removing

    private func removeServer(_ call: ServerCall, _ request: Wire.ChangeRequest) {
        if let known = replica.configuration[name: request.name], !request.address.isEmpty, request.address != known.address {
            return call.fail(
                Failure(
                    .invalidArgument, "'\(known.name)' is at \(known.address), not at \(request.address)",
                    notApplied: true))
        }
        ask(.changeMembers(.remove(name: request.name)), deadline: deadline(of: call), for: .change(call))
    }

    // MARK: The answer

    /// A little before the caller gives up, so that it hears what held the change back.
    private func deadline(of call: ServerCall) -> Instant? {
        call.deadline.map { deadline in
            let left = deadline > loop.now ? (deadline - loop.now).nanoseconds : 0
            return loop.now + Interval(nanoseconds: left - min(left / 10, 250_000_000))
        }
    }

    func reply(toChange call: ServerCall, _ result: Answer.Result) {
        switch result {
        case .members: call.reply(codec.encode(changeResponse(.ok)))
        case .failed(let failure) where failure.code == .deadlineExceeded:
            call.reply(codec.encode(changeResponse(.timeout, failure.message)))
        case .failed(let failure): call.fail(failure)
        case .outcome, .frozen, .log, .leadershipTransferred:
            preconditionFailure("a change of members got the answer to another kind of request")
        }
    }

    func changeResponse(_ status: Wire.ChangeStatus, _ message: String = "") -> Wire.ChangeResponse {
        let view = replica.view
        return Wire.ChangeResponse(
            status: status, leaderHint: view.leader.flatMap { view.configuration[$0]?.address } ?? "",
            configuration: Wire.LoggedConfiguration(view.configuration, index: view.configurationIndex), message: message)
    }
}

extension Configuration {
    /// "n1, n2, n3 (joining)": for the log.
    var summary: String {
        members.sorted { $0.name < $1.name }.map { member in
            switch member.standing {
            case .voter: member.name
            case .joining: "\(member.name) (joining)"
            case .learner: "\(member.name) (learner)"
            }
        }.joined(separator: ", ")
    }
}
