import Base
import DequeModule

/// The messages that wait to go out on one stream, and how far the first of them got.
///
/// On the wire each is a flag (0: not compressed), its length as four big-endian bytes, and itself
/// (gRPC over HTTP/2, "Length-Prefixed-Message"). DATA frames cut this as they please.
struct MessageQueue {
    static let prefixBytes = 5

    private var current = Bytes()
    private var hasCurrent = false
    /// How many bytes of the current message, its prefix included, are written.
    private var offset = 0
    private var waiting = Deque<Bytes>()
    /// What waits, prefixes included.
    private(set) var bufferedBytes = 0
    /// No message will follow.
    var isEnded = false

    var isEmpty: Bool { !hasCurrent }

    mutating func append(_ message: Bytes) {
        bufferedBytes += message.count + Self.prefixBytes
        if hasCurrent {
            waiting.append(message)
        } else {
            current = message
            hasCurrent = true
        }
    }

    /// Writes as much as there is and as fits; how much that was.
    mutating func fill(_ target: UnsafeMutableRawBufferPointer) -> Int {
        var written = 0
        while hasCurrent, written < target.count {
            if offset < Self.prefixBytes {
                written += writePrefix(UnsafeMutableRawBufferPointer(rebasing: target[written...]))
                if offset < Self.prefixBytes { break }
            }
            let from = offset - Self.prefixBytes
            let count = min(current.count - from, target.count - written)
            if count > 0 {
                current.withUnsafeBytes { source in
                    (target.baseAddress! + written).copyMemory(from: source.baseAddress! + from, byteCount: count)
                }
                written += count
                offset += count
            }
            if offset == current.count + Self.prefixBytes { advance() }
        }
        bufferedBytes -= written
        return written
    }

    private mutating func writePrefix(_ target: UnsafeMutableRawBufferPointer) -> Int {
        let prefix = UInt64(current.count)
        let first = offset
        while offset < Self.prefixBytes, offset - first < target.count {
            target[offset - first] = UInt8(truncatingIfNeeded: prefix >> UInt64(8 * (Self.prefixBytes - 1 - offset)))
            offset += 1
        }
        return offset - first
    }

    private mutating func advance() {
        offset = 0
        if let next = waiting.popFirst() {
            current = next
        } else {
            current = Bytes()
            hasCurrent = false
        }
    }

    /// Forgets what waits; how many bytes that was.
    @discardableResult
    mutating func removeAll() -> Int {
        let forgotten = bufferedBytes
        guard hasCurrent else { return 0 }
        current = Bytes()
        hasCurrent = false
        offset = 0
        bufferedBytes = 0
        waiting.removeAll(keepingCapacity: waiting.count <= 16)
        return forgotten
    }
}
