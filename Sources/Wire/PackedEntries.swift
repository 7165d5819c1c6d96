public import Base
import Consensus

extension Wire {
    /// The encoding of a message that ends with entries, a piece at a time. A follower that comes back gets megabytes in one turn of
    /// the leader's loop: put together in one place each they are fresh memory, which costs the loop more than their copying.
    public struct PackedEntries: Sendable {
        /// Bytes of a piece, unless it is a larger entry.
        static let pieceBytes = 16 << 10
        /// Of the whole message.
        public let count: Int

        private var head: Bytes
        private let entries: [Entry]
        private let field: Int
        private var at = 0
        /// Its tag and its length were given already.
        private var large: Bytes?

        /// - Parameters:
        ///   - head: the message without them.
        ///   - field: the number of the repeated field that they are: at most 15, and the message's highest.
        init(head: Bytes, entries: [Entry], field: Int) {
            self.head = head
            self.entries = entries
            self.field = field
            count = entries.reduce(head.count) { $0 + Envelope.size(of: $1.packed) }
        }

        /// The next of its bytes; empty at the end.
        public mutating func next() -> Bytes {
            if let entry = large.take() { return entry }
            var writer = ByteWriter(capacity: Self.pieceBytes)
            writer.write(head)
            head = Bytes()
            while at < entries.count {
                let packed = entries[at].packed
                let isLarge = packed.count > Self.pieceBytes
                guard writer.count == 0 || isLarge || writer.count + Envelope.size(of: packed) <= Self.pieceBytes else { break }
                writer.writeVarint(UInt64(field) << 3 | UInt64(WireType.lengthDelimited.rawValue))
                writer.writeVarint(UInt64(packed.count))
                at += 1
                if isLarge {
                    large = packed
                    break
                }
                writer.write(packed)
            }
            return writer.finish()
        }
    }
}
