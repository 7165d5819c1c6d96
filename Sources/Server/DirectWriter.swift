import Base
import LogFormat
import Storage
import Synchronization

/// Writes a large file past the kernel's page cache. A snapshot is written once and hardly ever read: to copy it into pages that
/// push out others took half of what a snapshot cost, and its syncs, which then write all of it at a time, held up the log's.
///
/// Whole blocks go directly, from memory that is aligned as they are; what is left at either end goes through the cache. A block
/// is written in one way or in the other. Where a file system cannot do it all goes through the cache.
final class DirectWriter: Sendable {
    private let state: Mutex<DirectFile>
    private static let block = Format.blockBytes

    /// - Parameter bytesAtOnce: how much goes to the device in one call, which others wait for.
    init(bytesAtOnce: Int = DiskExecutor.bulkBytes) { state = Mutex(DirectFile(memoryBytes: bytesAtOnce)) }

    /// Nothing is known of these names any more.
    func forget(_ names: [DiskFile]) { state.withLock { _ = $0.forget(names) } }

    /// - Parameters:
    ///   - opened: a new descriptor with O_DIRECT; nil where there is none.
    ///   - buffered: writes bytes to an offset through the page cache.
    func write(
        _ slices: [Bytes], to file: DiskFile, at offset: Int, opened: () -> DiskExecutor.Descriptor?,
        buffered: (UnsafeRawBufferPointer, Int) throws(DiskError) -> Void
    ) throws(DiskError) {
        try state.withLock { (state) throws(DiskError) in
            state.turn(to: file, opened: opened)
            let memory = state.memory()
            // The memory holds the file from `start` on, a whole block; of it `from..<fill` is to be written.
            var start = offset / Self.block * Self.block
            var from = offset - start
            var fill = from
            for slice in slices {
                try slice.withUnsafeBytes { (bytes) throws(DiskError) in
                    var done = 0
                    while done < bytes.count {
                        let count = min(bytes.count - done, memory.count - fill)
                        UnsafeMutableRawBufferPointer(rebasing: memory[fill...])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[done..<done + count]))
                        done += count
                        fill += count
                        guard fill == memory.count else { continue }
                        try Self.flush(&state, from..<fill, start, buffered)
                        start += fill
                        (from, fill) = (0, 0)
                    }
                }
            }
            try Self.flush(&state, from..<fill, start, buffered)
        }
    }

    /// Writes what `state`'s memory has in `range`, of which the file's `start` is the first byte.
    private static func flush(
        _ state: inout DirectFile, _ range: Range<Int>, _ start: Int, _ buffered: (UnsafeRawBufferPointer, Int) throws(DiskError) -> Void
    ) throws(DiskError) {
        let bytes = UnsafeRawBufferPointer(state.memory())
        let first = (range.lowerBound + block - 1) / block * block
        let last = max(first, range.upperBound / block * block)
        if range.lowerBound < first {
            let head = range.lowerBound..<min(first, range.upperBound)
            try buffered(UnsafeRawBufferPointer(rebasing: bytes[head]), start + head.lowerBound)
        }
        let done = try state.write(first..<last, at: start)
        // What is left of a block that was written in part goes through the cache.
        let rest = done..<max(done, range.upperBound)
        if !rest.isEmpty { try buffered(UnsafeRawBufferPointer(rebasing: bytes[rest]), start + rest.lowerBound) }
    }
}
