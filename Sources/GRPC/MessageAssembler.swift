import Base

/// Cuts the bytes of a stream's DATA frames into messages. A message that lies whole in one piece is lent from
/// there; only what is split is copied together.
struct MessageAssembler: ~Copyable {
    enum Fault: Error, Equatable {
        case compressed
        case badFlag(UInt8)
        case tooLong(length: Int, limit: Int)

        var status: Status {
            switch self {
            case .compressed: Status(.unimplemented, "compressed messages are not supported: send them as identity")
            case .badFlag(let flag): Status(.internal, "a message begins with the flag \(flag), which gRPC does not know")
            case .tooLong(let length, let limit):
                Status(.resourceExhausted, "a message of \(length) bytes is over the limit of \(limit)")
            }
        }
    }

    /// A split message so far, its prefix included.
    private var base: UnsafeMutableRawPointer?
    /// How much memory this holds.
    private(set) var capacity = 0
    private var count = 0
    /// The message in `base` was lent: its bytes are to be forgotten at the next call.
    private var wasLent = false

    /// Memory up to this size is kept between messages.
    private static let keptCapacity = 16 << 10

    init() {}

    deinit { base?.deallocate() }

    /// In the middle of a message.
    var isPartial: Bool { count > 0 && !wasLent }

    /// The next message in `chunk`, which becomes what follows it; nil when the rest was kept for later. What is
    /// returned is lent until the next call, or until `chunk`'s bytes go.
    mutating func next(
        from chunk: inout UnsafeRawBufferPointer, limit: Int
    ) throws(Fault) -> UnsafeRawBufferPointer? {
        if wasLent { forget() }
        let prefix = MessageQueue.prefixBytes
        if count == 0, chunk.count >= prefix {
            let length = try Self.length(of: chunk, limit: limit)
            if chunk.count >= prefix + length {
                defer { chunk = UnsafeRawBufferPointer(rebasing: chunk[(prefix + length)...]) }
                return UnsafeRawBufferPointer(rebasing: chunk[prefix..<prefix + length])
            }
        }
        guard !chunk.isEmpty else { return nil }
        if count < prefix {
            keep(&chunk, upTo: prefix, atLeast: prefix)
            if count < prefix { return nil }
        }
        let length = try Self.length(of: UnsafeRawBufferPointer(start: base, count: prefix), limit: limit)
        keep(&chunk, upTo: prefix + length, atLeast: min(prefix + length, count + chunk.count))
        guard count == prefix + length else { return nil }
        wasLent = true
        return UnsafeRawBufferPointer(start: base! + prefix, count: length)
    }

    /// Forgets everything and gives its memory back.
    mutating func removeAll() {
        count = 0
        wasLent = false
        guard capacity > 0 else { return }
        base?.deallocate()
        base = nil
        capacity = 0
    }

    private mutating func forget() {
        count = 0
        wasLent = false
        if capacity > Self.keptCapacity { removeAll() }
    }

    /// Moves bytes from `chunk` until `total` are held. Memory grows with what has come, never with what a prefix
    /// promises: a client that promises much and sends nothing costs nothing.
    private mutating func keep(_ chunk: inout UnsafeRawBufferPointer, upTo total: Int, atLeast needed: Int) {
        if capacity < needed { grow(to: min(total, max(needed, 4 * capacity))) }
        let taken = min(total - count, chunk.count)
        guard taken > 0 else { return }
        (base! + count).copyMemory(from: chunk.baseAddress!, byteCount: taken)
        count += taken
        chunk = UnsafeRawBufferPointer(rebasing: chunk[taken...])
    }

    private mutating func grow(to size: Int) {
        let larger = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        if let base {
            larger.copyMemory(from: base, byteCount: count)
            base.deallocate()
        }
        base = larger
        capacity = size
    }

    private static func length(of prefix: UnsafeRawBufferPointer, limit: Int) throws(Fault) -> Int {
        guard prefix[0] == 0 else { throw prefix[0] == 1 ? .compressed : .badFlag(prefix[0]) }
        let length = Int(UInt32(bigEndian: prefix.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
        guard length <= limit else { throw .tooLong(length: length, limit: limit) }
        return length
    }
}
