import Base

extension Wire {
    /// InstallSnapshotRequest: a piece of a snapshot.
    public struct SnapshotChunk: Equatable, Sendable {
        /// With the term of the leader that sends it.
        public var header: Header
        /// The last entry that the snapshot covers, and its term.
        public var index: Index
        public var indexTerm: Term
        /// Where `data` begins in the snapshot, in bytes.
        public var offset: UInt64
        public var data: Bytes
        public var isLast: Bool

        public init(header: Header, index: Index, indexTerm: Term, offset: UInt64, data: Bytes, isLast: Bool) {
            self.header = header
            self.index = index
            self.indexTerm = indexTerm
            self.offset = offset
            self.data = data
            self.isLast = isLast
        }

        /// The most bytes of `data` that are read.
        public static let maxBytes = 1 << 20
    }

    /// InstallSnapshotResponse: what became of a piece.
    public struct SnapshotAnswer: Equatable, Sendable {
        public enum Result: Equatable, Sendable {
            /// Go on from this byte.
            case next(offset: UInt64)
            /// The same again, a little later.
            case wait
            case installed
            case refused(String)
        }

        public var header: Header
        public var result: Result

        public init(header: Header, result: Result) {
            self.header = header
            self.result = result
        }
    }
}
