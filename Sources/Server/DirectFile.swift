import Glibc
import LogFormat
import Storage

/// The file that is read or written past the page cache at present, and memory for that: aligned as the disk's blocks are.
struct DirectFile {
    private var file: DiskFile?
    /// Nil where the file system has no such thing, or has said so only when it was asked.
    var descriptor: DiskExecutor.Descriptor?
    private var aligned: AlignedMemory?
    private let memoryBytes: Int

    /// - Parameter memoryBytes: how much is written or read in one call at most.
    init(memoryBytes: Int = DiskExecutor.bulkBytes) { self.memoryBytes = memoryBytes }

    /// O_DIRECT, which glibc's headers hide from Swift.
    #if arch(arm64) || arch(arm)
        static let openFlag: Int32 = 0o200000
    #else
        static let openFlag: Int32 = 0o40000
    #endif

    /// Whether it is another file than the last one.
    ///
    /// - Parameter opened: a new descriptor with O_DIRECT; nil where there is none.
    @discardableResult
    mutating func turn(to file: DiskFile, opened: () -> DiskExecutor.Descriptor?) -> Bool {
        guard self.file != file else { return false }
        self.file = file
        descriptor = opened()
        return true
    }

    /// Nothing is known of these names any more. Whether this file is among them.
    mutating func forget(_ names: [DiskFile]) -> Bool {
        guard let file, names.contains(file) else { return false }
        self.file = nil
        descriptor = nil
        return true
    }

    /// It stays as it is as long as this file does.
    mutating func memory() -> UnsafeMutableRawBufferPointer {
        let aligned = aligned ?? AlignedMemory(size: memoryBytes, alignment: Format.blockBytes)
        self.aligned = aligned
        return aligned.bytes
    }

    /// Writes whole blocks of its memory, which holds the file from `start` on. Where the blocks end that the device has taken: before
    /// `blocks` does when the file system, or its device, says only now that it cannot, or when it took a part of a block.
    mutating func write(_ blocks: Range<Int>, at start: Int) throws(DiskError) -> Int {
        let memory = memory()
        var done = blocks.lowerBound
        while done < blocks.upperBound, let file, let direct = descriptor {
            let count = pwrite(direct.number, memory.baseAddress! + done, blocks.upperBound - done, off_t(start + done))
            if count < 0, errno == EINTR { continue }
            // Other alignments are wanted, or it cannot be done at all: nobody asks this file again.
            if count < 0, errno == EINVAL || errno == EOPNOTSUPP { descriptor = nil; break }
            guard count > 0 else { throw DiskError(errno, from: "pwrite", file) }
            done += count
            if !done.isMultiple(of: Format.blockBytes) { break }
        }
        return done
    }
}

/// Memory at an address that is a multiple of `alignment`.
private final class AlignedMemory: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(size: Int, alignment: Int) {
        bytes = .allocate(byteCount: size, alignment: alignment)
    }

    deinit { bytes.deallocate() }
}
