import Base
import CProto
import CProtobufC

extension Wire {
    /// One message of the stream that answers Backup.
    public struct BackupPiece: Equatable, Sendable {
        /// The next bytes of the file.
        public var data: Bytes
        /// How many keys were sent, these included.
        public var keys: UInt64
        public var totalKeys: UInt64
        public var index: Index

        public init(data: Bytes, keys: UInt64, totalKeys: UInt64, index: Index) {
            self.data = data
            self.keys = keys
            self.totalKeys = totalKeys
            self.index = index
        }
    }
}

// A backup, piece by piece.
extension Wire.Codec {
    public func encodeBackupRequest() -> Bytes { pack(arena.make(swiftwater__v1__backup_request__init)) }

    public func decodeBackupRequest(_ span: RawSpan) throws(Wire.DecodeFailure) {
        try unpack(swiftwater__v1__backup_request__unpack, "BackupRequest", span) { _ throws(Wire.DecodeFailure) in }
    }

    public func encode(_ piece: Wire.BackupPiece) -> Bytes {
        let message = arena.make(swiftwater__v1__backup_response__init)
        message.pointee.data = ProtobufCBinaryData(borrowing: piece.data)
        message.pointee.keys = piece.keys
        message.pointee.total_keys = piece.totalKeys
        message.pointee.index = piece.index.rawValue
        return withExtendedLifetime(piece.data) { pack(message) }
    }

    public func decodeBackupPiece(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.BackupPiece {
        try unpack(swiftwater__v1__backup_response__unpack, "BackupResponse", span) {
            Wire.BackupPiece(
                data: $0.data.owned, keys: $0.keys, totalKeys: $0.total_keys, index: Index($0.index))
        }
    }
}
