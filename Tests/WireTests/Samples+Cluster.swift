import Base
import Consensus
import Keyspace
import Wire

extension Random {
    mutating func status(_ codec: Wire.Codec) -> Sample {
        var status = Wire.Status()
        status.role = pick([.follower, .preCandidate, .candidate, .leader, .learner])
        status.term = Term(number())
        status.leader = text()
        status.leaderAddress = text()
        status.firstLogIndex = Index(number())
        status.lastLogIndex = Index(number())
        status.commitIndex = Index(number())
        status.appliedIndex = Index(number())
        status.revision = number()
        status.members = members()
        status.version = text()
        status.uptimeMs = number()
        status.name = text()
        status.memberID = MemberID(number())
        status.clusterID = ClusterID(number())
        status.address = text()
        status.isRemoved = bool()
        let json: [String: Any] = [
            "role": status.role.rawValue, "term": json(status.term.rawValue), "leader": status.leader,
            "leader_address": status.leaderAddress, "first_log_index": json(status.firstLogIndex.rawValue),
            "last_log_index": json(status.lastLogIndex.rawValue), "commit_index": json(status.commitIndex.rawValue),
            "applied_index": json(status.appliedIndex.rawValue), "revision": json(status.revision),
            "members": json(status.members), "version": status.version, "uptime_ms": json(status.uptimeMs),
            "name": status.name, "member_id": json(status.memberID.rawValue),
            "cluster_id": json(status.clusterID.rawValue), "address": status.address, "removed": status.isRemoved,
        ]
        let expected = status
        return Sample("StatusResponse", codec.encode(status), json) { bytes in
            try decoding(bytes, codec.decodeStatus) == expected
        }
    }

    mutating func requestLog(_ codec: Wire.Codec) -> Sample {
        let request = Wire.RequestLogRequest(from: Index(number()), limit: number())
        return Sample(
            "RequestLogRequest", codec.encode(request),
            ["from_index": json(request.from.rawValue), "limit": json(request.limit)]
        ) { bytes in try decoding(bytes, codec.decodeRequestLog) == request }
    }

    mutating func logRecord(_ codec: Wire.Codec) -> Sample {
        var record = Wire.LogRecord(
            index: Index(number()), term: Term(number()), kind: pick([.noOperation, .command, .configuration]),
            timeMs: number(), isCommitted: bool(), requestID: requestID(), size: number())
        var fields: [String: Any] = [
            "index": json(record.index.rawValue), "term": json(record.term.rawValue), "kind": record.kind.rawValue,
            "time_ms": json(record.timeMs), "committed": record.isCommitted,
            "session_id": json(record.requestID?.sessionID ?? 0), "sequence": json(record.requestID?.sequence ?? 0),
            "size": json(record.size),
        ]
        if record.kind == .command {
            let operations = (0...below(3)).map { _ in operation() }
            let single = operations.count == 1 && bool()
            record.command = single ? .single(operations[0]) : .transaction(operations)
            fields["transaction"] = !single
            fields["operations"] = operations.map { [name($0): json($0)] }
        }
        if record.kind == .configuration {
            let configuration = Configuration(members: members())
            record.configuration = configuration
            fields.merge(json(Wire.LoggedConfiguration(configuration, index: record.index))) { $1 }
        }
        let expected = record
        return Sample("RequestLogResponse", codec.encode(record), fields) { bytes in
            try decoding(bytes, codec.decodeLogRecord) == expected
        }
    }

    mutating func change(_ codec: Wire.Codec) -> Sample {
        let type = pick(["AddServerRequest", "RemoveServerRequest", "TransferLeadershipRequest"])
        var change = Wire.ChangeRequest(name: text(), address: text())
        var fields: [String: Any] = ["name": change.name, "address": change.address]
        if type == "AddServerRequest" {
            change.isLearner = bool()
            fields["learner"] = change.isLearner
        }
        let expected = change
        return Sample(type, codec.encode(change), fields) { bytes in
            try decoding(bytes, codec.decodeChange) == expected
        }
    }

    mutating func changeResponse(_ codec: Wire.Codec) -> Sample {
        let change = Wire.ChangeResponse(
            status: pick([.ok, .notLeader, .timeout]), leaderHint: text(), configuration: logged(), message: text())
        let type = pick(["AddServerResponse", "RemoveServerResponse", "TransferLeadershipResponse"])
        let fields: [String: Any] = [
            "status": change.status.rawValue, "leader_hint": change.leaderHint, "message": change.message,
        ]
        return Sample(type, codec.encode(change), merged(fields, json(change.configuration))) { bytes in
            try decoding(bytes, codec.decodeChangeResponse) == change
        }
    }

    mutating func session(_ codec: Wire.Codec) -> Sample {
        let id = number()
        return Sample(
            "OpenSessionResponse", codec.encodeOpenSessionResponse(sessionID: id), ["session_id": json(id)]
        ) { bytes in try decoding(bytes, codec.decodeOpenSessionResponse) == id }
    }

    mutating func backupPiece(_ codec: Wire.Codec) -> Sample {
        let piece = Wire.BackupPiece(data: data(), keys: number(), totalKeys: number(), index: Index(number()))
        let fields: [String: Any] = [
            "data": json(piece.data), "keys": json(piece.keys), "total_keys": json(piece.totalKeys),
            "index": json(piece.index.rawValue),
        ]
        return Sample("BackupResponse", codec.encode(piece), fields) { bytes in
            try decoding(bytes, codec.decodeBackupPiece) == piece
        }
    }

    mutating func empty(_ codec: Wire.Codec) -> Sample {
        if pick([true, false, false]) {
            return Sample("BackupRequest", codec.encodeBackupRequest(), [:]) { bytes in
                try decoding(bytes, codec.decodeBackupRequest)
                return true
            }
        }
        if bool() {
            return Sample("StatusRequest", codec.encodeStatusRequest(), [:]) { bytes in
                try decoding(bytes, codec.decodeStatusRequest)
                return true
            }
        }
        return Sample("OpenSessionRequest", codec.encodeOpenSessionRequest(), [:]) { bytes in
            try decoding(bytes, codec.decodeOpenSessionRequest)
            return true
        }
    }
}
