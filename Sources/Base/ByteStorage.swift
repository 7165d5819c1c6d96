/// The memory behind `Bytes`: one object, its bytes behind its header in the same allocation. Bytes are written
/// before the first `Bytes` over them is made and never again; only unclaimed room may still be written: in front
/// (`Bytes.prepending`) and behind (`Bytes.appending`), each byte of it claimed once.
///
/// Invariant: the bytes of a published `Bytes` never change, which is what makes it Sendable.
@usableFromInline
final class ByteStorage: ManagedBuffer<ByteStorage.Header, UInt8> {
    @usableFromInline
    struct Header {
        /// How many bytes there is room for.
        @usableFromInline let capacity: UInt32
        /// Bytes at the front that nobody has claimed yet. Touched only by the thread that builds the value.
        @usableFromInline var headroom: UInt32
        /// Where the unclaimed room behind begins. Touched only by the thread that owns the value.
        @usableFromInline var claimed: UInt32

        @inlinable
        init(capacity: UInt32, headroom: UInt32, claimed: UInt32) {
            self.capacity = capacity
            self.headroom = headroom
            self.claimed = claimed
        }
    }

    /// Room for `capacity` bytes, of which the first `headroom` and those from `claimed` on may be claimed later.
    @inlinable
    static func allocate(capacity: Int, headroom: Int, claimed: Int? = nil) -> ByteStorage {
        precondition(capacity <= Int(UInt32.max), "Bytes hold at most 4 GiB")
        let buffer = ByteStorage.create(minimumCapacity: capacity) { _ in
            Header(
                capacity: UInt32(capacity), headroom: UInt32(headroom), claimed: UInt32(claimed ?? capacity))
        }
        return unsafeDowncast(buffer, to: ByteStorage.self)
    }

    /// Where the bytes begin; valid as long as the object lives. No alignment is promised.
    @inlinable
    var base: UnsafeMutableRawPointer { withUnsafeMutablePointerToElements { UnsafeMutableRawPointer($0) } }

    @inlinable
    var room: Int { withUnsafeMutablePointerToHeader { Int($0.pointee.capacity) } }

    // Field by field through a pointer: another thread may be reading `capacity` meanwhile.
    @inlinable
    var headroom: Int {
        get { withUnsafeMutablePointerToHeader { Int($0.pointee.headroom) } }
        set { withUnsafeMutablePointerToHeader { $0.pointee.headroom = UInt32(newValue) } }
    }

    @inlinable
    var claimed: Int {
        get { withUnsafeMutablePointerToHeader { Int($0.pointee.claimed) } }
        set { withUnsafeMutablePointerToHeader { $0.pointee.claimed = UInt32(newValue) } }
    }
}

extension Bytes {
    /// The same bytes with `count` more in front, written by `body`. When they were made with headroom that is
    /// still unclaimed, nothing is copied: this is how a command that is already encoded becomes a log entry.
    ///
    /// Only the thread that made the bytes may call this, before it hands them to another.
    @inlinable
    public func prepending(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) -> Bytes {
        if let storage, storage.headroom == Int(start), count <= Int(start) {
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

    /// The same bytes with `count` more behind, written by `body`. Amortised O(count): what is copied leaves room
    /// behind for half as much again, which the next call claims. This value and its other slices stay as they
    /// are, and so may be read meanwhile by other threads; of two calls on one value the second copies.
    ///
    /// Of all who hold a piece of the same storage, only one thread may call this.
    @inlinable
    public func appending(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) -> Bytes {
        let end = Int(start) + Int(length)
        if let storage, storage.claimed == end, count <= storage.room - end {
            body(UnsafeMutableRawBufferPointer(start: storage.base + end, count: count))
            storage.claimed = end + count
            return Bytes(storage: storage, start: start, length: length + UInt32(count))
        }
        let total = self.count + count
        // A first short piece gets no room behind it: most values are written once and never appended to.
        let spare = isEmpty ? 0 : min(total / 2 + 16, Int(UInt32.max) - total)
        let joined = ByteStorage.allocate(capacity: total + spare, headroom: 0, claimed: total)
        withUnsafeBytes { bytes in
            guard let source = bytes.baseAddress else { return }
            joined.base.copyMemory(from: source, byteCount: bytes.count)
        }
        body(UnsafeMutableRawBufferPointer(start: joined.base + self.count, count: count))
        return Bytes(storage: joined, start: 0, length: UInt32(total))
    }

    /// The same bytes with `suffix` behind.
    @inlinable
    public func appending(_ suffix: Bytes) -> Bytes {
        guard !suffix.isEmpty else { return self }
        return appending(suffix.count) { target in
            suffix.withUnsafeBytes { target.copyMemory(from: $0) }
        }
    }

    /// Makes these `count` new bytes, written by `body` into the memory that the value has already, and says true;
    /// or says false and does nothing: when anybody else refers to that memory, or it is too small, or much too
    /// large. No other `Bytes` can see the change, since there is none over the same memory.
    ///
    /// `body` may read what the bytes were until it overwrites it; it must write all of them that change.
    @inlinable
    public mutating func rewrite(count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) -> Bool {
        guard count > 0, isKnownUniquelyReferenced(&storage), let storage else { return false }
        let room = storage.room
        guard count <= room - Int(start), room <= 2 * count + 64 else { return false }
        body(UnsafeMutableRawBufferPointer(start: storage.base + Int(start), count: count))
        storage.claimed = Int(start) + count
        length = UInt32(count)
        return true
    }
}
