import Base
import Consensus
import Wire

extension Random {
    mutating func hello(_ codec: Wire.Codec) -> Sample {
        let hello = Wire.Hello(
            cluster: ClusterID(number()), group: number(), from: MemberID(number()), to: MemberID(number()),
            protocolVersions: (0..<below(4)).map { _ in UInt32(truncatingIfNeeded: number()) },
            features: (0..<below(4)).map { _ in text() },
            entryKinds: (0..<below(4)).map { _ in Entry.Kind(rawValue: number()) }, name: text(), address: text(),
            configuration: logged(), version: text())
        let fields: [String: Any] = [
            "cluster": json(hello.cluster.rawValue), "group": json(hello.group), "from": json(hello.from.rawValue),
            "to": json(hello.to.rawValue), "protocol_versions": hello.protocolVersions, "features": hello.features,
            "entry_kinds": hello.entryKinds.map { json($0.rawValue) }, "name": hello.name, "address": hello.address,
            "version": hello.version,
        ]
        return Sample(
            pick(["HelloRequest", "HelloResponse"]), codec.encode(hello), merged(fields, json(hello.configuration))
        ) { bytes in try decoding(bytes, codec.decodeHello) == hello }
    }

    /// A message of the algorithm.
    mutating func message(_ codec: Wire.Codec) -> Sample {
        let header = header()
        let (type, body, fields) = body()
        let message = Message(
            cluster: header.cluster, group: header.group, from: header.from, to: header.to, term: header.term,
            body: body)
        return Sample(type, codec.encode(message), merged(json(header), fields)) { bytes in
            let decode: (RawSpan) throws(Wire.DecodeFailure) -> Message =
                switch body {
                case .requestVote: codec.decodeRequestVote
                case .requestVoteReply: codec.decodeRequestVoteReply
                case .appendEntries: codec.decodeAppendEntries
                case .appendEntriesReply: codec.decodeAppendEntriesReply
                case .readIndex: codec.decodeReadIndex
                case .readIndexReply: codec.decodeReadIndexReply
                case .timeoutNow: codec.decodeTimeoutNow
                }
            return try decoding(bytes, decode) == message
        }
    }

    private mutating func body() -> (String, Message.Body, [String: Any]) {
        switch below(7) {
        case 0:
            let body = RequestVote(
                lastLogIndex: Index(number()), lastLogTerm: Term(number()), preVote: bool(), disruptLeader: bool())
            return (
                "RequestVoteRequest", .requestVote(body),
                [
                    "last_log_index": json(body.lastLogIndex.rawValue), "last_log_term": json(body.lastLogTerm.rawValue),
                    "pre_vote": body.preVote, "disrupt_leader": body.disruptLeader,
                ]
            )
        case 1:
            let body = RequestVoteReply(voteGranted: bool(), preVote: bool())
            return (
                "RequestVoteResponse", .requestVoteReply(body),
                ["vote_granted": body.voteGranted, "pre_vote": body.preVote]
            )
        case 2:
            let prevLogIndex = Index(number())
            let body = AppendEntries(
                prevLogIndex: prevLogIndex, prevLogTerm: Term(number()), entries: entries(after: prevLogIndex),
                leaderCommit: Index(number()), round: number())
            return (
                "AppendEntriesRequest", .appendEntries(body),
                [
                    "prev_log_index": json(body.prevLogIndex.rawValue), "prev_log_term": json(body.prevLogTerm.rawValue),
                    "entries": body.entries.map { json($0) }, "leader_commit": json(body.leaderCommit.rawValue),
                    "round": json(body.round),
                ]
            )
        case 3:
            return appendEntriesReply()
        case 4:
            let id = number()
            return ("ReadIndexRequest", .readIndex(ReadIndex(requestID: id)), ["request_id": json(id)])
        case 5:
            let body = ReadIndexReply(requestID: number(), readIndex: bool() ? Index(number()) : nil)
            return (
                "ReadIndexResponse", .readIndexReply(body),
                [
                    "request_id": json(body.requestID), "confirmed": body.readIndex != nil,
                    "read_index": json(body.readIndex?.rawValue ?? 0),
                ]
            )
        default:
            return ("TimeoutNowRequest", .timeoutNow, [:])
        }
    }

    private mutating func appendEntriesReply() -> (String, Message.Body, [String: Any]) {
        let (a, b, c) = (number(), number(), number())
        let success = bool()
        let body = AppendEntriesReply(
            result: success
                ? .success(matchIndex: Index(a))
                : .conflict(prevLogIndex: Index(a), conflictTerm: Term(b), conflictIndex: Index(c)),
            lastLogIndex: Index(number()), round: number())
        let outcome =
            success
            ? ["success": true, "match_index": json(a)]
            : ["prev_log_index": json(a), "conflict_term": json(b), "conflict_index": json(c)]
        return (
            "AppendEntriesResponse", .appendEntriesReply(body),
            merged(outcome, ["last_log_index": json(body.lastLogIndex.rawValue), "round": json(body.round)])
        )
    }

    mutating func timeoutNowResponse(_ codec: Wire.Codec) -> Sample {
        let header = header()
        return Sample("TimeoutNowResponse", codec.encodeTimeoutNowResponse(header), json(header)) { bytes in
            try decoding(bytes, codec.decodeTimeoutNowResponse) == header
        }
    }

    mutating func propose(_ codec: Wire.Codec) -> Sample {
        let proposals = (0..<below(4)).map { _ in
            Wire.Proposal(
                id: number(), requestID: requestID(),
                deadlineLeft: bool() ? nil : .milliseconds(UInt64(1 + below(1 << 40))), version: number(),
                caller: text(), traceparent: text(), command: data())
        }
        let request = Wire.ProposeRequest(header: header(), proposals: proposals)
        let list = proposals.map { proposal -> [String: Any] in
            [
                "proposal_id": json(proposal.id), "session_id": json(proposal.requestID?.sessionID ?? 0),
                "sequence": json(proposal.requestID?.sequence ?? 0),
                "deadline_left_ms": json(proposal.deadlineLeft?.milliseconds ?? 0), "version": json(proposal.version),
                "caller": proposal.caller, "traceparent": proposal.traceparent, "command": json(proposal.command),
            ]
        }
        return Sample("ProposeRequest", codec.encode(request), merged(json(request.header), ["proposals": list])) {
            try decoding($0, codec.decodePropose) == request
        }
    }

    mutating func proposeResponse(_ codec: Wire.Codec) -> Sample {
        let outcomes = (0..<below(4)).map { _ in
            Wire.ProposalOutcome(
                id: number(),
                result: bool()
                    ? .applied(data())
                    : .failed(
                        Wire.ProposalFailure(code: UInt32(1 + below(16)), message: text(), notApplied: bool())))
        }
        let response = Wire.ProposeResponse(header: header(), outcomes: outcomes)
        let list = outcomes.map { outcome -> [String: Any] in
            switch outcome.result {
            case .applied(let bytes): ["proposal_id": json(outcome.id), "outcome": json(bytes)]
            case .failed(let failure):
                [
                    "proposal_id": json(outcome.id),
                    "failure": [
                        "code": failure.code, "message": failure.message, "not_applied": failure.notApplied,
                    ] as [String: Any],
                ]
            }
        }
        return Sample("ProposeResponse", codec.encode(response), merged(json(response.header), ["outcomes": list])) {
            try decoding($0, codec.decodeProposeResponse) == response
        }
    }

    mutating func snapshotChunk(_ codec: Wire.Codec) -> Sample {
        let chunk = Wire.SnapshotChunk(
            header: header(), index: Index(number()), indexTerm: Term(number()), offset: number(), data: data(),
            isLast: bool())
        let fields: [String: Any] = [
            "last_index": json(chunk.index.rawValue), "last_term": json(chunk.indexTerm.rawValue),
            "offset": json(chunk.offset), "data": json(chunk.data), "done": chunk.isLast,
        ]
        return Sample("InstallSnapshotRequest", codec.encode(chunk), merged(json(chunk.header), fields)) { bytes in
            try decoding(bytes, codec.decodeSnapshotChunk) == chunk
        }
    }

    mutating func snapshotAnswer(_ codec: Wire.Codec) -> Sample {
        let result: Wire.SnapshotAnswer.Result = pick([.next(offset: number()), .wait, .installed, .refused(text())])
        let fields: [String: Any] =
            switch result {
            case .next(let offset): ["status": "INSTALL_STATUS_NEXT", "stored": json(offset)]
            case .wait: ["status": "INSTALL_STATUS_WAIT"]
            case .installed: ["status": "INSTALL_STATUS_INSTALLED"]
            case .refused(let reason): ["status": "INSTALL_STATUS_REFUSED", "reason": reason]
            }
        let answer = Wire.SnapshotAnswer(header: header(), result: result)
        return Sample("InstallSnapshotResponse", codec.encode(answer), merged(json(answer.header), fields)) { bytes in
            try decoding(bytes, codec.decodeSnapshotAnswer) == answer
        }
    }

    /// One of everything that Wire writes, each with random contents.
    mutating func samples(_ codec: Wire.Codec) -> [Sample] {
        var samples: [Sample] = []
        for _ in 0..<8 { samples += [request(codec), response(codec), message(codec)] }
        samples += [transactRequest(codec), transactResponse(codec)]
        samples += [status(codec), requestLog(codec), logRecord(codec), logRecord(codec)]
        samples += [change(codec), changeResponse(codec), session(codec), backupPiece(codec), empty(codec)]
        samples += [hello(codec), timeoutNowResponse(codec), propose(codec), proposeResponse(codec)]
        samples += [snapshotChunk(codec), snapshotAnswer(codec)]
        samples += [setLinks(codec), dropNext(codec), heal(codec), faultState(codec), faultState(codec), faultless(codec)]
        return samples
    }
}
