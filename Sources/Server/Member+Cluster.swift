import Base
import Consensus
import EventLoop
import GRPC
import Keyspace
import LogFormat
import Replica
import Wire

// The Cluster service (proto/swiftwater/v1/cluster.proto): of the member that is asked, whether or not there is a
// leader; except for changes of the cluster, which are the leader's.
extension Member {
    func registerClusterService() {
        server.register(MethodPath(Wire.Path.clusterStatus)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                try codec.decodeStatusRequest(message)
                call.reply(codec.encode(status()))
            } catch {
                call.fail(error)
            }
        }
        server.register(MethodPath(Wire.Path.clusterRequestLog)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                let request = try codec.decodeRequestLog(message)
                LogStream(call: call, member: self, request: request).begin()
            } catch {
                call.fail(error)
            }
        }
        server.register(MethodPath(Wire.Path.clusterTransferLeadership)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                transferLeadership(call, try codec.decodeChange(message))
            } catch {
                call.fail(error)
            }
        }
        server.register(MethodPath(Wire.Path.clusterOpenSession)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                try codec.decodeOpenSessionRequest(message)
                if let failure = sessionRefusal, replica.role == .leader { return call.fail(failure) }
                ask(.openSession(), deadline: call.deadline, for: .session(call))
            } catch {
                call.fail(error)
            }
        }
        server.register(MethodPath(Wire.Path.clusterBackup)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                try codec.decodeBackupRequest(message)
                beginBackup(call)
            } catch {
                call.fail(error)
            }
        }
        registerMembershipCalls()
    }

    func status() -> Wire.Status {
        let view = replica.view
        let leader = view.leader.flatMap { view.configuration[$0] }
        var status = Wire.Status()
        status.role =
            switch view.role {
            case .follower: view.configuration[view.id]?.isVoter == true ? .follower : .learner
            case .preCandidate: .preCandidate
            case .candidate: .candidate
            case .leader: .leader
            }
        status.term = view.term
        status.leader = leader?.name ?? ""
        status.leaderAddress = leader?.address ?? ""
        status.firstLogIndex = view.lastIndex == 0 ? 0 : replica.firstIndex
        status.lastLogIndex = view.lastIndex
        status.commitIndex = view.commitIndex
        status.appliedIndex = replica.appliedIndex
        status.revision = replica.revision
        status.members = view.configuration.members
        status.version = softwareVersion
        status.uptimeMs = (loop.now - startedAt).nanoseconds / 1_000_000
        status.name = identity.name
        status.memberID = identity.member
        status.clusterID = cluster
        status.address = address
        status.isRemoved = replica.isRemoved
        return status
    }

    /// Why no session may be opened: a member that does not know such entries would have to stop at one. As long as a member
    /// has never been greeted, it is taken to be like the others.
    var sessionRefusal: Failure? {
        let isUnderstood = peers.values.allSatisfy { $0.entryKinds?.contains(.openSession) ?? true }
        return isUnderstood
            ? nil
            : Failure(
                .failedPrecondition, "a member runs an earlier version, which knows no sessions: upgrade it first",
                notApplied: true)
    }

    func reply(toOpenSession call: ServerCall, _ result: Answer.Result) {
        switch result {
        case .outcome(let outcome):
            guard case .session(let id) = outcome.result else {
                preconditionFailure("a session that was opened has an id")
            }
            call.reply(codec.encodeOpenSessionResponse(sessionID: id))
        case .failed(let failure): call.fail(failure)
        case .frozen, .log, .leadershipTransferred, .members:
            preconditionFailure("a session got the answer to another kind of request")
        }
    }

    private func transferLeadership(_ call: ServerCall, _ request: Wire.ChangeRequest) {
        let view = replica.view
        guard view.role == .leader else {
            return call.reply(codec.encode(changeResponse(.notLeader)))
        }
        var target: MemberID?
        if !request.name.isEmpty {
            guard let member = view.configuration[name: request.name] else {
                return call.fail(
                    Failure(.invalidArgument, "'\(request.name)' is no member of this cluster", notApplied: true))
            }
            guard request.address.isEmpty || request.address == member.address else {
                return call.fail(
                    Failure(
                        .invalidArgument, "'\(member.name)' is at \(member.address), not at \(request.address)",
                        notApplied: true))
            }
            guard member.id != view.id else { return call.reply(codec.encode(changeResponse(.ok))) }
            target = member.id
        }
        ask(.transferLeadership(to: target), deadline: call.deadline, for: .transfer(call))
    }

    func reply(toTransfer call: ServerCall, _ result: Answer.Result) {
        switch result {
        case .leadershipTransferred: call.reply(codec.encode(changeResponse(.ok)))
        case .failed(let failure) where failure.code == .deadlineExceeded:
            call.reply(codec.encode(changeResponse(.timeout, failure.message)))
        case .failed(let failure): call.fail(failure)
        case .outcome, .frozen, .log, .members: preconditionFailure("a transfer got the answer to another kind of request")
        }
    }
}
