import Base
import Glibc
import LogFormat
import Storage
import Synchronization

/// Writes the frames of the log past the kernel's page cache. What goes into a segment is hardly ever read, and a member under load
/// fills one each second: the pages for them came and went by the hundred megabytes with each snapshot, and on a virtual machine
/// that reports its free memory to its host each time stood still for some ten milliseconds while that took and gave them back.
///
/// Whole blocks are written, as the cache would do it. The last one is in memory with all that the disk has of it; behind the log's end
/// a segment is zeros (docs/DISK-FORMAT.md). Where a file system has no such writes all goes through the cache.
final class SegmentWriter: Sendable {
    private struct State {
        var direct = DirectFile()
        /// The begun block that is the first of `direct`'s memory: where in the file it begins, and how many of its bytes are written.
        var tail: (start: Int, count: Int)?
    }

    private let state = Mutex(State())
    private static let block = Format.blockBytes

    /// Nothing is known of these names any more.
    func forget(_ names: [DiskFile]) {
        state.withLock { state in
            // The tail of another file is still right: to read it again would cost the next write a turn of the disk.
            if state.direct.forget(names) { state.tail = nil }
        }
    }

    /// Writes `slices` at the end of the log, which is at `offset`. False when it cannot be done directly: then nothing, or a part
    /// of it, is written.
    ///
    /// - Parameters:
    ///   - opened: a new descriptor with O_DIRECT; nil where there is none.
    ///   - cached: a descriptor of the same file without it.
    func append(
        _ slices: [Bytes], to file: DiskFile, at offset: Int, opened: () -> DiskExecutor.Descriptor?, cached: DiskExecutor.Descriptor
    ) throws(DiskError) -> Bool {
        try state.withLock { (state) throws(DiskError) in
            let tail = state.tail
            // Until it is known again.
            state.tail = nil
            let isOther = state.direct.turn(to: file, opened: opened)
            guard state.direct.descriptor != nil else { return false }
            let memory = state.direct.memory()
            var start = offset / Self.block * Self.block
            var fill = offset - start
            if fill > 0, isOther || tail == nil || tail! != (start, fill) {
                try Self.read(cached, file, into: memory, fill, at: start)
            }
            for slice in slices {
                var done = 0
                while done < slice.count {
                    let count = min(slice.count - done, memory.count - fill)
                    slice.withUnsafeBytes {
                        UnsafeMutableRawBufferPointer(rebasing: memory[fill...])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[done..<done + count]))
                    }
                    done += count
                    fill += count
                    guard fill == memory.count else { continue }
                    guard try state.direct.write(0..<fill, at: start) == fill else { return false }
                    start += fill
                    fill = 0
                }
            }
            guard fill > 0 else { return true }
            let whole = (fill + Self.block - 1) / Self.block * Self.block
            UnsafeMutableRawBufferPointer(rebasing: memory[fill..<whole]).initializeMemory(as: UInt8.self, repeating: 0)
            guard try state.direct.write(0..<whole, at: start) == whole else { return false }
            let last = fill / Self.block * Self.block
            guard last < fill else { return true }
            UnsafeMutableRawBufferPointer(rebasing: memory[0..<fill - last]).copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[last..<fill]))
            state.tail = (start + last, fill - last)
            return true
        }
    }

    /// What a block that was begun holds already: after a start, or behind something else than this.
    private static func read(
        _ descriptor: DiskExecutor.Descriptor, _ file: DiskFile, into memory: UnsafeMutableRawBufferPointer, _ count: Int, at start: Int
    ) throws(DiskError) {
        let bytes = try descriptor.read(file, offset: start, count: count)
        guard bytes.count == count else { throw DiskError(EIO, from: "pread", file) }
        bytes.withUnsafeBytes { memory.copyMemory(from: $0) }
    }
}
