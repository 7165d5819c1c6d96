import Base
import CProto
import CProtobufC

// A follower's writes on their way to the leader, and what came of them.
extension Wire.Codec {
    /// The number of `proposals` in ProposeRequest: the highest, so that they come last.
    private static let proposalsField = 6

    public func encode(_ propose: Wire.ProposeRequest) -> Bytes {
        var packed: [Bytes] = []
        packed.reserveCapacity(propose.proposals.count)
        for proposal in propose.proposals { packed.append(encode(proposal)) }
        let request = arena.make(swiftwater__v1__propose_request__init)
        request.pointee.header = propose.header
        return pack(request, followedBy: packed, field: Self.proposalsField, packed: \.self)
    }

    private func encode(_ proposal: Wire.Proposal) -> Bytes {
        let message = arena.make(swiftwater__v1__proposal__init)
        message.pointee.proposal_id = proposal.id
        message.pointee.session_id = proposal.requestID?.sessionID ?? 0
        message.pointee.sequence = proposal.requestID?.sequence ?? 0
        message.pointee.deadline_left_ms = proposal.deadlineLeft.map { max(1, $0.milliseconds) } ?? 0
        message.pointee.version = proposal.version
        message.pointee.caller = arena.copy(proposal.caller)
        message.pointee.traceparent = arena.copy(proposal.traceparent)
        message.pointee.command = ProtobufCBinaryData(borrowing: proposal.command)
        message.pointee.kind = proposal.kind == .command ? 0 : proposal.kind.rawValue
        return withExtendedLifetime(proposal) { pack(message) }
    }

    public func decodePropose(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.ProposeRequest {
        guard let envelope = Envelope(Bytes(copying: span), taking: Self.proposalsField) else {
            throw .malformed("ProposeRequest")
        }
        let header = try unpack(swiftwater__v1__propose_request__unpack, "ProposeRequest", envelope.rest) { $0.header }
        var request = Wire.ProposeRequest(header: header, proposals: [])
        request.proposals.reserveCapacity(envelope.elements.count)
        for packed in envelope.elements { request.proposals.append(try decodeProposal(packed)) }
        return request
    }

    private func decodeProposal(_ packed: Bytes) throws(Wire.DecodeFailure) -> Wire.Proposal {
        try unpack(swiftwater__v1__proposal__unpack, "Proposal", packed) { message throws(Wire.DecodeFailure) in
            var command = ByteWriter(capacity: message.command.len, headroom: Entry.headroom)
            command.write(message.command.buffer)
            let requestID =
                message.session_id == 0
                ? nil : Wire.RequestID(sessionID: message.session_id, sequence: message.sequence)
            // A number of milliseconds that does not fit nanoseconds is as good as no deadline: 584 years.
            let left = message.deadline_left_ms
            return Wire.Proposal(
                id: message.proposal_id, requestID: requestID,
                deadlineLeft: left == 0 || left > UInt64.max / 1_000_000 ? nil : .milliseconds(left),
                version: message.version, caller: try message.caller.text("caller"),
                traceparent: try message.traceparent.text("traceparent"), command: command.finish(),
                kind: message.kind == 0 ? .command : Entry.Kind(rawValue: message.kind))
        }
    }

    public func encode(_ propose: Wire.ProposeResponse) -> Bytes {
        let outcomes = propose.outcomes
        return withExtendedLifetime(outcomes) {
            let response = arena.make(swiftwater__v1__propose_response__init)
            response.pointee.header = propose.header
            let pointers = arena.allocate(
                UnsafeMutablePointer<Swiftwater__V1__ProposalOutcome>?.self, count: outcomes.count)
            for (number, outcome) in outcomes.enumerated() { pointers[number] = build(outcome) }
            response.pointee.n_outcomes = outcomes.count
            response.pointee.outcomes = pointers
            return pack(response)
        }
    }

    private func build(_ outcome: Wire.ProposalOutcome) -> UnsafeMutablePointer<Swiftwater__V1__ProposalOutcome> {
        let message = arena.make(swiftwater__v1__proposal_outcome__init)
        message.pointee.proposal_id = outcome.id
        switch outcome.result {
        case .applied(let bytes):
            message.pointee.result_case = SWIFTWATER__V1__PROPOSAL_OUTCOME__RESULT_OUTCOME
            message.pointee.outcome = ProtobufCBinaryData(borrowing: bytes)
        case .failed(let failure):
            let part = arena.make(swiftwater__v1__proposal_failure__init)
            part.pointee.code = failure.code
            part.pointee.message = arena.copy(failure.message)
            part.pointee.not_applied = failure.notApplied ? 1 : 0
            message.pointee.result_case = SWIFTWATER__V1__PROPOSAL_OUTCOME__RESULT_FAILURE
            message.pointee.failure = part
        }
        return message
    }

    public func decodeProposeResponse(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.ProposeResponse {
        try unpack(swiftwater__v1__propose_response__unpack, "ProposeResponse", span) {
            message throws(Wire.DecodeFailure) in
            var response = Wire.ProposeResponse(header: message.header, outcomes: [])
            response.outcomes.reserveCapacity(message.n_outcomes)
            for number in 0..<message.n_outcomes {
                response.outcomes.append(try message.outcomes[number]!.pointee.outcomeValue)
            }
            return response
        }
    }
}

extension Swiftwater__V1__ProposalOutcome {
    fileprivate var outcomeValue: Wire.ProposalOutcome {
        get throws(Wire.DecodeFailure) {
            switch result_case {
            case SWIFTWATER__V1__PROPOSAL_OUTCOME__RESULT_OUTCOME:
                return Wire.ProposalOutcome(id: proposal_id, result: .applied(outcome.owned))
            case SWIFTWATER__V1__PROPOSAL_OUTCOME__RESULT_FAILURE:
                let part = failure.pointee
                guard part.code != 0 else { throw .inconsistent("a failure has status code 0") }
                return Wire.ProposalOutcome(
                    id: proposal_id,
                    result: .failed(
                        Wire.ProposalFailure(
                            code: part.code, message: try part.message.text("message"),
                            notApplied: part.not_applied != 0)))
            default:
                throw .missing("result")
            }
        }
    }
}
