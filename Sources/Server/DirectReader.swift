import Base
import Glibc
import LogFormat
import Storage
import Synchronization

/// Reads a snapshot past the kernel's page cache, for another member: it is read once, and what would be read ahead of it, into
/// pages that push out others, is no gain. Whole blocks come into memory that is aligned as they are, and what was asked for of
/// them is copied out.
final class DirectReader: Sendable {
    private let state = Mutex(DirectFile())
    private static let block = Format.blockBytes

    /// Nothing is known of these names any more.
    func forget(_ names: [DiskFile]) { state.withLock { _ = $0.forget(names) } }

    /// `count` bytes from `offset`, fewer at the end of the file; nil where the file system cannot do it.
    ///
    /// - Parameter opened: a new descriptor with O_DIRECT; nil where there is none.
    func read(
        _ file: DiskFile, offset: Int, count: Int, opened: () -> DiskExecutor.Descriptor?
    ) throws(DiskError) -> Bytes? {
        try state.withLock { (state) throws(DiskError) in
            state.turn(to: file, opened: opened)
            guard let descriptor = state.descriptor else { return nil }
            let memory = state.memory()
            var isRefused = false
            let bytes = try Bytes(capacity: count) { (result) throws(DiskError) in
                var done = 0
                while done < count {
                    // Whole blocks around what is left.
                    let start = (offset + done) / Self.block * Self.block
                    let from = offset + done - start
                    let blocks = (from + count - done + Self.block - 1) / Self.block * Self.block
                    let got = pread(descriptor.number, memory.baseAddress, min(blocks, memory.count), off_t(start))
                    if got < 0, errno == EINTR { continue }
                    // The file system, or its device, wants other alignments, or says only now that it cannot.
                    isRefused = got < 0 && (errno == EINVAL || errno == EOPNOTSUPP)
                    if isRefused { break }
                    guard got >= 0 else { throw DiskError(errno, from: "pread", file) }
                    guard got > from else { break }
                    let part = min(got - from, count - done)
                    UnsafeMutableRawBufferPointer(rebasing: result[done...])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[from..<from + part]))
                    done += part
                }
                return done
            }
            if isRefused { state.descriptor = nil }
            return isRefused ? nil : bytes
        }
    }
}
