import Base
import DequeModule

/// The messages that wait to go out on one stream, and how far the first of them got.
///
/// On the wire each is a flag (0: not compressed), its length as four big-endian bytes, and itself
/// (gRPC over HTTP/2, "Length-Prefixed-Message"). DATA frames cut this as they please.
struct MessageQueue {
    static let prefixBytes = 5

    private enum Message {
        case whole(Bytes)
        case source(any MessageSource)
    }

    /// Of the message that goes out: the bytes at hand, and how many of them are written.
    private var piece = Bytes()
    private var offset = 0
    /// Where the others come from, and how many there are.
    private var source: (any MessageSource)?
    private var left = 0
    /// The message's length, and how much of the prefix that says so is written.
    private var length = 0
    private var prefixWritten = 0
    private var hasCurrent = false
    private var waiting = Deque<Message>()
    /// What waits, prefixes included.
    private(set) var bufferedBytes = 0
    /// No message will follow.
    var isEnded = false

    var isEmpty: Bool { !hasCurrent }

    mutating func append(_ message: Bytes) {
        bufferedBytes += message.count + Self.prefixBytes
        if hasCurrent { waiting.append(.whole(message)) } else { begin(.whole(message)) }
    }

    mutating func append(_ message: any MessageSource) {
        bufferedBytes += message.count + Self.prefixBytes
        if hasCurrent { waiting.append(.source(message)) } else { begin(.source(message)) }
    }

    /// Writes as much as there is and as fits; how much that was.
    mutating func fill(_ target: UnsafeMutableRawBufferPointer) -> Int {
        var written = 0
        while hasCurrent, written < target.count {
            if prefixWritten < Self.prefixBytes {
                written += writePrefix(UnsafeMutableRawBufferPointer(rebasing: target[written...]))
                if prefixWritten < Self.prefixBytes { break }
            }
            if offset == piece.count, left > 0 { takePiece() }
            let count = min(piece.count - offset, target.count - written)
            if count > 0 {
                piece.withUnsafeBytes { source in
                    (target.baseAddress! + written).copyMemory(from: source.baseAddress! + offset, byteCount: count)
                }
                written += count
                offset += count
            }
            if offset == piece.count, left == 0 { advance() }
        }
        bufferedBytes -= written
        return written
    }

    private mutating func writePrefix(_ target: UnsafeMutableRawBufferPointer) -> Int {
        let first = prefixWritten
        while prefixWritten < Self.prefixBytes, prefixWritten - first < target.count {
            let shift = UInt64(8 * (Self.prefixBytes - 1 - prefixWritten))
            target[prefixWritten - first] = UInt8(truncatingIfNeeded: UInt64(length) >> shift)
            prefixWritten += 1
        }
        return prefixWritten - first
    }

    private mutating func begin(_ message: Message) {
        hasCurrent = true
        switch message {
        case .whole(let bytes):
            piece = bytes
            length = bytes.count
        case .source(let source):
            self.source = source
            length = source.count
            left = length
        }
    }

    private mutating func takePiece() {
        piece = source!.next()
        offset = 0
        precondition(!piece.isEmpty && piece.count <= left, "a message of another length than was said")
        left -= piece.count
    }

    private mutating func advance() {
        endCurrent()
        if let next = waiting.popFirst() { begin(next) }
    }

    private mutating func endCurrent() {
        piece = Bytes()
        source = nil
        (offset, left, length, prefixWritten) = (0, 0, 0, 0)
        hasCurrent = false
    }

    /// Forgets what waits; how many bytes that was.
    @discardableResult
    mutating func removeAll() -> Int {
        let forgotten = bufferedBytes
        guard hasCurrent else { return 0 }
        endCurrent()
        bufferedBytes = 0
        waiting.removeAll(keepingCapacity: waiting.count <= 16)
        return forgotten
    }
}
