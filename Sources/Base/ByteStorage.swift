/// The memory behind `Bytes`: written once, before the first `Bytes` over it is made, and never again, except
/// for the headroom in front, which is claimed once, from its end towards its start (see `Bytes.prepending`).
///
/// Invariant: the bytes of a published `Bytes` never change, which is what makes it Sendable.
@usableFromInline
final class ByteStorage: @unchecked Sendable {
    @usableFromInline let base: UnsafeMutableRawPointer
    @usableFromInline let capacity: Int
    /// Bytes at the front that nobody has claimed yet. Touched only by the thread that builds the value.
    @usableFromInline var headroom: Int

    @inlinable
    init(base: UnsafeMutableRawPointer, capacity: Int, headroom: Int) {
        self.base = base
        self.capacity = capacity
        self.headroom = headroom
    }

    @inlinable
    static func allocate(capacity: Int, headroom: Int) -> ByteStorage {
        precondition(capacity <= Int(UInt32.max), "Bytes hold at most 4 GiB")
        return ByteStorage(
            base: .allocate(byteCount: capacity, alignment: 8), capacity: capacity, headroom: headroom)
    }

    @inlinable
    deinit { base.deallocate() }
}

extension Bytes {
    /// The same bytes with `count` more in front, written by `body`. When they were made with headroom that is
    /// still unclaimed, nothing is copied: this is how a command that is already encoded becomes a log entry.
    ///
    /// Only the thread that made the bytes may call this, before it hands them to another.
    @inlinable
    public func prepending(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) -> Bytes {
        if let storage, storage.headroom == Int(start), count <= storage.headroom {
            let first = Int(start) - count
            body(UnsafeMutableRawBufferPointer(start: storage.base + first, count: count))
            storage.headroom = first
            return Bytes(storage: storage, start: UInt32(first), length: length + UInt32(count))
        }
        let joined = ByteStorage.allocate(capacity: self.count + count, headroom: 0)
        body(UnsafeMutableRawBufferPointer(start: joined.base, count: count))
        withUnsafeBytes { bytes in
            guard let source = bytes.baseAddress else { return }
            (joined.base + count).copyMemory(from: source, byteCount: bytes.count)
        }
        return Bytes(storage: joined, start: 0, length: length + UInt32(count))
    }
}
