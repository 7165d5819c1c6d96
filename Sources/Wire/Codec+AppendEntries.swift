import Base
import CProto
import CProtobufC
import Consensus

// Entries are packed already and travel as they are: protobuf-c writes and reads only what stands before them.
extension Wire.Codec {
    /// The number of `entries` in AppendEntriesRequest: the highest, so that they come last.
    private static let entriesField = 10

    func encode(_ body: AppendEntries, _ header: Wire.Header) -> Bytes {
        pack(request(body, header), followedBy: body.entries, field: Self.entriesField, packed: \.packed)
    }

    /// AppendEntries whose entries are put in as it goes out. Nil for other messages, and for one that is so small that a copy
    /// of it all costs less.
    public func encodeInPieces(_ message: Message) -> Wire.PackedEntries? {
        guard case .appendEntries(let body) = message.body, let first = body.entries.first,
            first.packed.count * body.entries.count > 2 * Wire.PackedEntries.pieceBytes
        else { return nil }
        return Wire.PackedEntries(
            head: pack(request(body, Wire.Header(message))), entries: body.entries, field: Self.entriesField)
    }

    private func request(
        _ body: AppendEntries, _ header: Wire.Header
    ) -> UnsafeMutablePointer<Swiftwater__V1__AppendEntriesRequest> {
        let request = arena.make(swiftwater__v1__append_entries_request__init)
        request.pointee.header = header
        request.pointee.prev_log_index = body.prevLogIndex.rawValue
        request.pointee.prev_log_term = body.prevLogTerm.rawValue
        request.pointee.leader_commit = body.leaderCommit.rawValue
        request.pointee.round = body.round
        return request
    }

    public func decodeAppendEntries(_ span: RawSpan) throws(Wire.DecodeFailure) -> Message {
        guard let envelope = Envelope(Bytes(copying: span), taking: Self.entriesField) else {
            throw .malformed("AppendEntriesRequest")
        }
        return try unpack(
            swiftwater__v1__append_entries_request__unpack, "AppendEntriesRequest", envelope.rest
        ) { request throws(Wire.DecodeFailure) in
            var body = AppendEntries(
                prevLogIndex: Index(request.prev_log_index), prevLogTerm: Term(request.prev_log_term), entries: [],
                leaderCommit: Index(request.leader_commit), round: request.round)
            body.entries.reserveCapacity(envelope.elements.count)
            var expected = body.prevLogIndex
            for packed in envelope.elements {
                let entry: Entry
                do { entry = try Entry(unpacking: packed) } catch { throw .malformed("Entry") }
                guard expected.rawValue < .max, entry.index == expected.next else {
                    throw .inconsistent("entry \(entry.index) follows entry \(expected)")
                }
                expected = entry.index
                body.entries.append(entry)
            }
            return request.header.message(.appendEntries(body))
        }
    }

    func encode(_ body: AppendEntriesReply, _ header: Wire.Header) -> Bytes {
        let response = arena.make(swiftwater__v1__append_entries_response__init)
        response.pointee.header = header
        switch body.result {
        case .success(let matchIndex):
            response.pointee.success = 1
            response.pointee.match_index = matchIndex.rawValue
        case .conflict(let prevLogIndex, let conflictTerm, let conflictIndex):
            response.pointee.prev_log_index = prevLogIndex.rawValue
            response.pointee.conflict_term = conflictTerm.rawValue
            response.pointee.conflict_index = conflictIndex.rawValue
        }
        response.pointee.last_log_index = body.lastLogIndex.rawValue
        response.pointee.round = body.round
        return pack(response)
    }

    public func decodeAppendEntriesReply(_ span: RawSpan) throws(Wire.DecodeFailure) -> Message {
        try unpack(swiftwater__v1__append_entries_response__unpack, "AppendEntriesResponse", span) { response in
            let result: AppendEntriesReply.Result =
                response.success != 0
                ? .success(matchIndex: Index(response.match_index))
                : .conflict(
                    prevLogIndex: Index(response.prev_log_index), conflictTerm: Term(response.conflict_term),
                    conflictIndex: Index(response.conflict_index))
            return response.header.message(
                .appendEntriesReply(
                    AppendEntriesReply(
                        result: result, lastLogIndex: Index(response.last_log_index), round: response.round)))
        }
    }
}
