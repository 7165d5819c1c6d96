import Base
import Glibc
import LogFormat
import Storage
import Synchronization

/// Does what Storage asks of a disk: plain blocking system calls in one data directory. Any thread may run an
/// operation; Storage sees to it that no two of them get into each other's way.
///
/// An error is reported and nothing is tried again, a sync least of all: after a failed fsync Linux marks the pages
/// clean, and the next one succeeds over data that never reached the disk.
public final class DiskExecutor: Sendable {
    /// The path, for messages.
    public let path: String
    private let directory: Descriptor
    private let files = Mutex<[DiskFile: Descriptor]>([:])
    private let directWriter = DirectWriter()
    private let zeroWriter = DirectWriter(bytesAtOnce: zeroBytes)
    private let segmentWriter = SegmentWriter()
    private let directReader = DirectReader()
    /// Descriptors kept open; past this many all are closed, and opened again when needed.
    private static let maxOpenFiles = 64

    /// An open file, closed when the last user lets go of it.
    final class Descriptor: Sendable {
        let number: Int32
        init(_ number: Int32) { self.number = number }
        deinit { close(number) }
    }

    init(path: String, directory: Descriptor) {
        self.path = path
        self.directory = directory
        // A file-size limit is an error like a full disk, not a signal that kills.
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Blocks until every step is done, or one has failed.
    public func run(_ operation: DiskOperation) -> DiskResult {
        var reads: [Bytes] = []
        do {
            for step in operation.steps { try perform(step, &reads) }
            return .done(reads: reads)
        } catch {
            return .failed(error)
        }
    }

    func perform(_ step: DiskStep, _ reads: inout [Bytes]) throws(DiskError) {
        switch step {
        case .create(let file, let size):
            try create(file, size: size)
        case .write(let file, let offset, let slices):
            try write(slices, to: file, at: offset)
        case .cut(let file, let size):
            guard ftruncate(try open(file).number, off_t(size)) == 0 else { throw failure("ftruncate", file) }
        case .sync(let file):
            guard fdatasync(try open(file).number) == 0 else { throw failure("fdatasync", file) }
        case .rename(let file, let target):
            forget([file, target])
            guard renameat(directory.number, file.name, directory.number, target.name) == 0 else {
                throw failure("rename", file)
            }
        case .remove(let file):
            forget([file])
            let left = shrink(file)
            guard unlinkat(directory.number, left.name, 0) == 0 || errno == ENOENT else {
                throw failure("unlink", file)
            }
        case .syncDirectory:
            guard fsync(directory.number) == 0 else { throw failure("fsync", nil) }
        case .read(let file, let offset, let count):
            reads.append(try readPiece(of: file, offset: offset, count: count))
        }
    }

    private func open(_ file: DiskFile, creating: Bool = false) throws(DiskError) -> Descriptor {
        if let known = files.withLock({ $0[file] }) { return known }
        let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (creating ? O_CREAT : 0)
        let number = openat(directory.number, file.name, flags, 0o600)
        guard number >= 0 else { throw failure("open", file) }
        let opened = Descriptor(number)
        files.withLock { files in
            if files.count >= Self.maxOpenFiles { files.removeAll(keepingCapacity: true) }
            files[file] = opened
        }
        return opened
    }

    private func forget(_ names: [DiskFile]) {
        files.withLock { files in for name in names { files[name] = nil } }
        directWriter.forget(names)
        zeroWriter.forget(names)
        segmentWriter.forget(names)
        directReader.forget(names)
    }

    /// Gives a snapshot's space back piece by piece: where a file system tells the device of it at once (`discard`), 280 MiB are
    /// 50 ms in which no sync ends, of anything on that disk. It is a draft meanwhile: no file has a snapshot's name that is not a
    /// whole one. What fails here is left to the removal, of the file that this answers.
    private func shrink(_ file: DiskFile) -> DiskFile {
        var file = file
        if case .snapshot(let index) = file {
            let draft = DiskFile.snapshotDraft(index)
            guard renameat(directory.number, file.name, directory.number, draft.name) == 0 else { return file }
            file = draft
        }
        guard case .snapshotDraft = file else { return file }
        let number = openat(directory.number, file.name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        guard number >= 0 else { return file }
        let descriptor = Descriptor(number)
        var rest = lseek(descriptor.number, 0, SEEK_END)
        while rest > Self.pieceGivenBack {
            rest -= Self.pieceGivenBack
            guard ftruncate(descriptor.number, rest) == 0 else { break }
        }
        return file
    }

    private static let pieceGivenBack: off_t = 8 << 20

    /// What errno says of `call`.
    private func failure(_ call: String, _ file: DiskFile?) -> DiskError {
        DiskError(errno, from: call, file)
    }
}

extension DiskError {
    init(_ code: Int32, from call: String, _ file: DiskFile?) {
        self.init(
            call: call, file: file, code: code, message: String(cString: strerror(code)),
            isFull: code == ENOSPC || code == EDQUOT || code == EFBIG)
    }
}

extension DiskExecutor {
    /// Bytes that are read, or written directly, in one call: a device takes its requests in turn, and a sync of the log that
    /// comes behind half a megabyte waits for it (4 to 9 ms on a slow disk).
    static let bulkBytes = 128 << 10

    /// Bytes of zeros that are written and synced at a time: the log's own syncs pass in between.
    private static let zeroBytes = 1 << 20
    private static let zeros = Format.zeros(zeroBytes)

    private func create(_ file: DiskFile, size: Int) throws(DiskError) {
        let descriptor = try open(file, creating: true)
        do {
            try fill(descriptor, file, size: size)
        } catch {
            // What could be had of the last space is given back; the error that is reported is the first one.
            forget([file])
            unlinkat(directory.number, file.name, 0)
            throw error
        }
    }

    private func fill(_ descriptor: Descriptor, _ file: DiskFile, size: Int) throws(DiskError) {
        guard ftruncate(descriptor.number, off_t(size)) == 0 else { throw failure("ftruncate", file) }
        // All the space at once, or none. Some file systems cannot reserve: there the zeros below ask for it.
        if size > 0 {
            let code = posix_fallocate(descriptor.number, 0, off_t(size))
            guard code == 0 || code == EOPNOTSUPP || code == EINVAL else { throw DiskError(code, from: "fallocate", file) }
        }
        // Reserved space is not enough: the first write into it would still change metadata, and cost half as much
        // again at each sync (92 to 157 microseconds at 30 KB).
        var offset = 0
        while offset < size {
            let count = min(Self.zeroBytes, size - offset)
            try write([Self.zeros[0..<count]], to: file, at: offset)
            offset += count
            guard offset < size else { return }
            guard fdatasync(descriptor.number) == 0 else { throw failure("fdatasync", file) }
        }
    }

    private func write(_ slices: [Bytes], to file: DiskFile, at offset: Int) throws(DiskError) {
        let descriptor = try open(file)
        let isLarge = slices.count > 1 || slices.first.map { $0.count > Format.blockBytes } ?? false
        switch file {
        case .snapshotDraft where isLarge, .segmentDraft where isLarge:
            let writer = if case .snapshotDraft = file { directWriter } else { zeroWriter }
            return try writer.write(slices, to: file, at: offset, opened: { openDirectly(file, O_WRONLY) }) { (bytes, offset) throws(DiskError) in
                try write(bytes, to: descriptor, of: file, at: offset)
            }
        case .segment where offset >= Format.framesStart:
            if try segmentWriter.append(slices, to: file, at: offset, opened: { openDirectly(file, O_WRONLY) }, cached: descriptor) { return }
        default: break
        }
        var offset = offset
        for slice in slices where !slice.isEmpty {
            try slice.withUnsafeBytes { (bytes) throws(DiskError) in try write(bytes, to: descriptor, of: file, at: offset) }
            offset += slice.count
        }
    }

    private func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Descriptor, of file: DiskFile, at offset: Int
    ) throws(DiskError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor.number, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("pwrite", file) }
            done += count
        }
    }

    /// Nil where the file system has no such thing.
    private func openDirectly(_ file: DiskFile, _ access: Int32) -> Descriptor? {
        let number = openat(directory.number, file.name, access | O_CLOEXEC | O_NOFOLLOW | DirectFile.openFlag)
        return number >= 0 ? Descriptor(number) : nil
    }

    private func readPiece(of file: DiskFile, offset: Int, count: Int) throws(DiskError) -> Bytes {
        if case .snapshot = file,
            let piece = try directReader.read(file, offset: offset, count: count, opened: { openDirectly(file, O_RDONLY) })
        {
            return piece
        }
        return try read(file, offset: offset, count: count)
    }

    func read(_ file: DiskFile, offset: Int, count: Int) throws(DiskError) -> Bytes {
        try open(file).read(file, offset: offset, count: count)
    }
}

extension DiskExecutor.Descriptor {
    /// `count` bytes from `offset`, fewer at the end of the file.
    func read(_ file: DiskFile, offset: Int, count: Int) throws(DiskError) -> Bytes {
        try Bytes(capacity: count) { (buffer) throws(DiskError) in
            var done = 0
            while done < count {
                let most = min(count - done, DiskExecutor.bulkBytes)
                let got = pread(number, buffer.baseAddress! + done, most, off_t(offset + done))
                if got < 0, errno == EINTR { continue }
                guard got >= 0 else { throw DiskError(errno, from: "pread", file) }
                guard got > 0 else { break }
                done += got
            }
            return done
        }
    }
}
