import Base
import CProto
import CProtobufC

// Status, and the calls that change who the members are.
extension Wire.Codec {
    public func encodeStatusRequest() -> Bytes { pack(arena.make(swiftwater__v1__status_request__init)) }

    public func decodeStatusRequest(_ span: RawSpan) throws(Wire.DecodeFailure) {
        try unpack(swiftwater__v1__status_request__unpack, "StatusRequest", span) { _ throws(Wire.DecodeFailure) in }
    }

    public func encode(_ status: Wire.Status) -> Bytes {
        let message = arena.make(swiftwater__v1__status_response__init)
        message.pointee.role = Swiftwater__V1__Role(rawValue: status.role.rawValue)
        message.pointee.term = status.term.rawValue
        message.pointee.leader = arena.copy(status.leader)
        message.pointee.leader_address = arena.copy(status.leaderAddress)
        message.pointee.first_log_index = status.firstLogIndex.rawValue
        message.pointee.last_log_index = status.lastLogIndex.rawValue
        message.pointee.commit_index = status.commitIndex.rawValue
        message.pointee.applied_index = status.appliedIndex.rawValue
        message.pointee.revision = status.revision
        (message.pointee.n_members, message.pointee.members) = build(status.members)
        message.pointee.version = arena.copy(status.version)
        message.pointee.uptime_ms = status.uptimeMs
        message.pointee.name = arena.copy(status.name)
        message.pointee.member_id = status.memberID.rawValue
        message.pointee.cluster_id = status.clusterID.rawValue
        message.pointee.address = arena.copy(status.address)
        message.pointee.removed = status.isRemoved ? 1 : 0
        return pack(message)
    }

    /// A role that we do not know, from a newer member, is `unspecified`.
    public func decodeStatus(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.Status {
        try unpack(swiftwater__v1__status_response__unpack, "StatusResponse", span) {
            message throws(Wire.DecodeFailure) in
            var status = Wire.Status()
            status.role = Wire.Role(rawValue: message.role.rawValue) ?? .unspecified
            status.term = Term(message.term)
            status.leader = try message.leader.text("leader")
            status.leaderAddress = try message.leader_address.text("leader_address")
            status.firstLogIndex = Index(message.first_log_index)
            status.lastLogIndex = Index(message.last_log_index)
            status.commitIndex = Index(message.commit_index)
            status.appliedIndex = Index(message.applied_index)
            status.revision = message.revision
            for number in 0..<message.n_members { status.members.append(try message.members[number]!.pointee.member) }
            status.version = try message.version.text("version")
            status.uptimeMs = message.uptime_ms
            status.name = try message.name.text("name")
            status.memberID = MemberID(message.member_id)
            status.clusterID = ClusterID(message.cluster_id)
            status.address = try message.address.text("address")
            status.isRemoved = message.removed != 0
            return status
        }
    }

    public func encodeOpenSessionRequest() -> Bytes { pack(arena.make(swiftwater__v1__open_session_request__init)) }

    public func decodeOpenSessionRequest(_ span: RawSpan) throws(Wire.DecodeFailure) {
        try unpack(swiftwater__v1__open_session_request__unpack, "OpenSessionRequest", span) {
            _ throws(Wire.DecodeFailure) in
        }
    }

    public func encodeOpenSessionResponse(sessionID: UInt64) -> Bytes {
        let message = arena.make(swiftwater__v1__open_session_response__init)
        message.pointee.session_id = sessionID
        return pack(message)
    }

    public func decodeOpenSessionResponse(_ span: RawSpan) throws(Wire.DecodeFailure) -> UInt64 {
        try unpack(swiftwater__v1__open_session_response__unpack, "OpenSessionResponse", span) { $0.session_id }
    }

    // AddServer, RemoveServer and TransferLeadership have the same fields, but for `learner`, which the others do not
    // look at: one is read and written for all three.

    public func encode(_ change: Wire.ChangeRequest) -> Bytes {
        let message = arena.make(swiftwater__v1__add_server_request__init)
        message.pointee.name = arena.copy(change.name)
        message.pointee.address = arena.copy(change.address)
        message.pointee.learner = change.isLearner ? 1 : 0
        return pack(message)
    }

    public func decodeChange(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.ChangeRequest {
        try unpack(swiftwater__v1__add_server_request__unpack, "change of servers", span) {
            message throws(Wire.DecodeFailure) in
            Wire.ChangeRequest(
                name: try message.name.text("name"), address: try message.address.text("address"),
                isLearner: message.learner != 0)
        }
    }

    public func encode(_ change: Wire.ChangeResponse) -> Bytes {
        let message = arena.make(swiftwater__v1__add_server_response__init)
        message.pointee.status = Swiftwater__V1__ChangeStatus(rawValue: change.status.rawValue)
        message.pointee.leader_hint = arena.copy(change.leaderHint)
        message.pointee.configuration = change.configuration.map { build($0) }
        message.pointee.message = arena.copy(change.message)
        return pack(message)
    }

    /// A status that we do not know, from a newer member, is `unspecified`.
    public func decodeChangeResponse(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.ChangeResponse {
        try unpack(swiftwater__v1__add_server_response__unpack, "answer to a change of servers", span) {
            message throws(Wire.DecodeFailure) in
            Wire.ChangeResponse(
                status: Wire.ChangeStatus(rawValue: message.status.rawValue) ?? .unspecified,
                leaderHint: try message.leader_hint.text("leader_hint"),
                configuration: try message.configuration?.pointee.logged, message: try message.message.text("message"))
        }
    }
}
