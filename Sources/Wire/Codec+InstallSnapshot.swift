import Base
import CProto
import CProtobufC

// Snapshots, piece by piece.
extension Wire.Codec {
    public func encode(_ chunk: Wire.SnapshotChunk) -> Bytes {
        let request = arena.make(swiftwater__v1__install_snapshot_request__init)
        request.pointee.header = chunk.header
        request.pointee.last_index = chunk.index.rawValue
        request.pointee.last_term = chunk.indexTerm.rawValue
        request.pointee.offset = chunk.offset
        request.pointee.data = ProtobufCBinaryData(borrowing: chunk.data)
        request.pointee.done = chunk.isLast ? 1 : 0
        return withExtendedLifetime(chunk.data) { pack(request) }
    }

    public func decodeSnapshotChunk(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.SnapshotChunk {
        try unpack(swiftwater__v1__install_snapshot_request__unpack, "InstallSnapshotRequest", span) {
            request throws(Wire.DecodeFailure) in
            guard request.data.len <= Wire.SnapshotChunk.maxBytes else {
                throw .inconsistent("a chunk of \(request.data.len) bytes: at most \(Wire.SnapshotChunk.maxBytes) are allowed")
            }
            return Wire.SnapshotChunk(
                header: request.header, index: Index(request.last_index), indexTerm: Term(request.last_term),
                offset: request.offset, data: request.data.owned, isLast: request.done != 0)
        }
    }

    public func encode(_ answer: Wire.SnapshotAnswer) -> Bytes {
        let response = arena.make(swiftwater__v1__install_snapshot_response__init)
        response.pointee.header = answer.header
        switch answer.result {
        case .next(let offset):
            response.pointee.status = SWIFTWATER__V1__INSTALL_STATUS__INSTALL_STATUS_NEXT
            response.pointee.stored = offset
        case .wait:
            response.pointee.status = SWIFTWATER__V1__INSTALL_STATUS__INSTALL_STATUS_WAIT
        case .installed:
            response.pointee.status = SWIFTWATER__V1__INSTALL_STATUS__INSTALL_STATUS_INSTALLED
        case .refused(let reason):
            response.pointee.status = SWIFTWATER__V1__INSTALL_STATUS__INSTALL_STATUS_REFUSED
            response.pointee.reason = arena.copy(reason)
        }
        return pack(response)
    }

    /// A status that we do not know, from a newer member, is a refusal.
    public func decodeSnapshotAnswer(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.SnapshotAnswer {
        try unpack(swiftwater__v1__install_snapshot_response__unpack, "InstallSnapshotResponse", span) {
            response throws(Wire.DecodeFailure) in
            let result: Wire.SnapshotAnswer.Result =
                switch response.status {
                case SWIFTWATER__V1__INSTALL_STATUS__INSTALL_STATUS_NEXT: .next(offset: response.stored)
                case SWIFTWATER__V1__INSTALL_STATUS__INSTALL_STATUS_WAIT: .wait
                case SWIFTWATER__V1__INSTALL_STATUS__INSTALL_STATUS_INSTALLED: .installed
                default: .refused(try response.reason.text("reason"))
                }
            return Wire.SnapshotAnswer(header: response.header, result: result)
        }
    }
}
