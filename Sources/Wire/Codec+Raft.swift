import Base
import CProto
import CProtobufC
import Consensus

// The messages of the algorithm itself, in both directions.
extension Wire.Codec {
    /// A message as the request or the response that it is: `Wire.Path.path(of:)` says of which call.
    public func encode(_ message: Message) -> Bytes {
        let header = Wire.Header(message)
        switch message.body {
        case .requestVote(let body): return encode(body, header)
        case .requestVoteReply(let body): return encode(body, header)
        case .appendEntries(let body): return encode(body, header)
        case .appendEntriesReply(let body): return encode(body, header)
        case .readIndex(let body): return encode(body, header)
        case .readIndexReply(let body): return encode(body, header)
        case .timeoutNow:
            let request = arena.make(swiftwater__v1__timeout_now_request__init)
            request.pointee.header = header
            return pack(request)
        }
    }

    /// The response to TimeoutNow, which the algorithm does not look at.
    public func encodeTimeoutNowResponse(_ header: Wire.Header) -> Bytes {
        let response = arena.make(swiftwater__v1__timeout_now_response__init)
        response.pointee.header = header
        return pack(response)
    }

    public func decodeTimeoutNowResponse(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.Header {
        try unpack(swiftwater__v1__timeout_now_response__unpack, "TimeoutNowResponse", span) { $0.header }
    }

    public func decodeTimeoutNow(_ span: RawSpan) throws(Wire.DecodeFailure) -> Message {
        try unpack(swiftwater__v1__timeout_now_request__unpack, "TimeoutNowRequest", span) {
            $0.header.message(.timeoutNow)
        }
    }

    private func encode(_ body: RequestVote, _ header: Wire.Header) -> Bytes {
        let request = arena.make(swiftwater__v1__request_vote_request__init)
        request.pointee.header = header
        request.pointee.last_log_index = body.lastLogIndex.rawValue
        request.pointee.last_log_term = body.lastLogTerm.rawValue
        request.pointee.pre_vote = body.preVote ? 1 : 0
        request.pointee.disrupt_leader = body.disruptLeader ? 1 : 0
        return pack(request)
    }

    public func decodeRequestVote(_ span: RawSpan) throws(Wire.DecodeFailure) -> Message {
        try unpack(swiftwater__v1__request_vote_request__unpack, "RequestVoteRequest", span) { request in
            request.header.message(
                .requestVote(
                    RequestVote(
                        lastLogIndex: Index(request.last_log_index), lastLogTerm: Term(request.last_log_term),
                        preVote: request.pre_vote != 0, disruptLeader: request.disrupt_leader != 0)))
        }
    }

    private func encode(_ body: RequestVoteReply, _ header: Wire.Header) -> Bytes {
        let response = arena.make(swiftwater__v1__request_vote_response__init)
        response.pointee.header = header
        response.pointee.vote_granted = body.voteGranted ? 1 : 0
        response.pointee.pre_vote = body.preVote ? 1 : 0
        return pack(response)
    }

    public func decodeRequestVoteReply(_ span: RawSpan) throws(Wire.DecodeFailure) -> Message {
        try unpack(swiftwater__v1__request_vote_response__unpack, "RequestVoteResponse", span) { response in
            response.header.message(
                .requestVoteReply(
                    RequestVoteReply(voteGranted: response.vote_granted != 0, preVote: response.pre_vote != 0)))
        }
    }

    private func encode(_ body: ReadIndex, _ header: Wire.Header) -> Bytes {
        let request = arena.make(swiftwater__v1__read_index_request__init)
        request.pointee.header = header
        request.pointee.request_id = body.requestID
        return pack(request)
    }

    public func decodeReadIndex(_ span: RawSpan) throws(Wire.DecodeFailure) -> Message {
        try unpack(swiftwater__v1__read_index_request__unpack, "ReadIndexRequest", span) { request in
            request.header.message(.readIndex(ReadIndex(requestID: request.request_id)))
        }
    }

    private func encode(_ body: ReadIndexReply, _ header: Wire.Header) -> Bytes {
        let response = arena.make(swiftwater__v1__read_index_response__init)
        response.pointee.header = header
        response.pointee.request_id = body.requestID
        response.pointee.confirmed = body.readIndex == nil ? 0 : 1
        response.pointee.read_index = body.readIndex?.rawValue ?? 0
        return pack(response)
    }

    public func decodeReadIndexReply(_ span: RawSpan) throws(Wire.DecodeFailure) -> Message {
        try unpack(swiftwater__v1__read_index_response__unpack, "ReadIndexResponse", span) { response in
            response.header.message(
                .readIndexReply(
                    ReadIndexReply(
                        requestID: response.request_id,
                        readIndex: response.confirmed != 0 ? Index(response.read_index) : nil)))
        }
    }
}

extension Wire.Path {
    /// The call that this message is a request or a response of.
    public static func path(of body: Message.Body) -> String {
        switch body {
        case .requestVote, .requestVoteReply: raftRequestVote
        case .appendEntries, .appendEntriesReply: raftAppendEntries
        case .readIndex, .readIndexReply: raftReadIndex
        case .timeoutNow: raftTimeoutNow
        }
    }
}
