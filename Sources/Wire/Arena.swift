import CProtobufC

/// The memory that protobuf-c builds one message in: given out front to back, never freed piece by piece, and taken
/// back all at once when the message has become a Swift value. One per codec.
///
/// A first block is kept for good; a message that needs more gets blocks of its own, up to `limit` bytes altogether.
/// Beyond it allocation fails, which protobuf-c reports as a message that it cannot read: four megabytes of empty
/// submessages would otherwise unfold to hundreds.
struct Arena: ~Copyable {
    /// What stays between messages, in bytes: enough for a batch of small ones.
    static let firstBlock = 64 << 10
    /// The size of the blocks that follow, in bytes; what is larger than a quarter of one gets its own.
    static let furtherBlock = 1 << 20
    /// The most that one message may unfold to, in bytes. Eight times the largest message that a member accepts.
    static let limit = 32 << 20

    /// At a fixed address, for protobuf-c's callbacks.
    private let state: UnsafeMutablePointer<State>
    /// What protobuf-c is given.
    let allocator: UnsafeMutablePointer<ProtobufCAllocator>

    init() {
        state = .allocate(capacity: 1)
        state.initialize(to: State())
        allocator = .allocate(capacity: 1)
        allocator.initialize(
            to: ProtobufCAllocator(
                alloc: { data, size in
                    data!.assumingMemoryBound(to: State.self).pointee.allocate(size)
                },
                free: { _, _ in },
                allocator_data: UnsafeMutableRawPointer(state)))
    }

    deinit {
        state.pointee.release()
        state.pointee.first.deallocate()
        state.deinitialize(count: 1)
        state.deallocate()
        allocator.deinitialize(count: 1)
        allocator.deallocate()
    }

    /// Whether an allocation failed since the last reset: the message was not malformed, but too large.
    var isExhausted: Bool { state.pointee.isExhausted }

    /// Forgets everything. Pointers into the arena are dead from here on.
    @inline(__always)
    func reset() {
        state.pointee.used = 0
        if !state.pointee.more.isEmpty || state.pointee.isExhausted { state.pointee.release() }
    }

    /// Memory for values that we build ourselves, to be packed. What we build is as large as what we already hold, and
    /// so is not limited.
    func allocate<T: BitwiseCopyable>(_: T.Type, count: Int) -> UnsafeMutablePointer<T> {
        let size = max(1, count) * MemoryLayout<T>.stride
        let memory = state.pointee.allocate(size) ?? state.pointee.allocateBlock(size, of: size)
        return memory.bindMemory(to: T.self, capacity: count)
    }

    /// A message of protobuf-c's, with its defaults: `initialize` is its generated `…__init`.
    @inline(__always)
    func make<M>(_ initialize: (UnsafeMutablePointer<M>?) -> Void) -> UnsafeMutablePointer<M> {
        let size = MemoryLayout<M>.size
        let memory = state.pointee.allocate(size) ?? state.pointee.allocateBlock(size, of: size)
        let message = memory.assumingMemoryBound(to: M.self)
        initialize(message)
        return message
    }

    /// `text` in UTF-8, for as long as the arena is not reset.
    func copy(_ text: String) -> ProtobufCBinaryData {
        var text = text
        return text.withUTF8 { utf8 in
            guard utf8.count > 0 else { return ProtobufCBinaryData(len: 0, data: nil) }
            let memory = allocate(UInt8.self, count: utf8.count)
            memory.update(from: utf8.baseAddress!, count: utf8.count)
            return ProtobufCBinaryData(len: utf8.count, data: memory)
        }
    }

    private struct State {
        let first = UnsafeMutableRawPointer.allocate(byteCount: Arena.firstBlock, alignment: 16)
        /// The block that is being given out: the first, or the last of `more`.
        var block: UnsafeMutableRawPointer
        var capacity = Arena.firstBlock
        var used = 0
        /// Further blocks, for what did not fit.
        var more: [UnsafeMutableRawPointer] = []
        /// Bytes in `more`.
        var moreSize = 0
        var isExhausted = false

        init() { block = first }

        @inline(__always)
        mutating func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
            guard size <= capacity - used else { return allocateFromNewBlock(size) }
            let start = used
            used = min(capacity, (used + size + 15) & ~15)
            return block + start
        }

        @inline(never)
        mutating func allocateFromNewBlock(_ size: Int) -> UnsafeMutableRawPointer? {
            let blockSize = size > Arena.furtherBlock / 4 ? size : Arena.furtherBlock
            guard size >= 0, blockSize <= Arena.limit - moreSize else {
                isExhausted = true
                return nil
            }
            return allocateBlock(size, of: blockSize)
        }

        /// A block of `blockSize` bytes, of which the first `size` are given out.
        mutating func allocateBlock(_ size: Int, of blockSize: Int) -> UnsafeMutableRawPointer {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: blockSize, alignment: 16)
            more.append(memory)
            moreSize += blockSize
            if blockSize > size {
                block = memory
                capacity = blockSize
                used = (size + 15) & ~15
            }
            return memory
        }

        mutating func release() {
            for memory in more { memory.deallocate() }
            more.removeAll()
            moreSize = 0
            block = first
            capacity = Arena.firstBlock
            isExhausted = false
        }
    }
}
