import Base
import Glibc
import LogFormat
import Storage

/// A data directory of a member that does not run, to be looked at: nothing in it is opened for writing. While it is looked
/// at, no member can start there.
public final class ReadOnlyDirectory: DirectoryImage, Sendable {
    private let descriptor: DiskExecutor.Descriptor

    /// Opens a directory that is there. `inUse`: a member runs in it, so that what is read would not fit together.
    public init(path: String) throws(RealDirectory.Failure) {
        let number = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw .disk(path: path, DiskError(errno, from: "open", nil)) }
        descriptor = DiskExecutor.Descriptor(number)
        guard flock(number, LOCK_SH | LOCK_NB) == 0 else {
            let code = errno
            throw code == EWOULDBLOCK ? .inUse(path: path) : .disk(path: path, DiskError(code, from: "flock", nil))
        }
    }

    public func list() throws(DiskError) -> [(file: DiskFile, size: Int)] { try RealDirectory.list(descriptor) }

    public func read(_ file: DiskFile, offset: Int, count: Int) throws(DiskError) -> Bytes {
        let number = openat(descriptor.number, file.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard number >= 0 else { throw DiskError(errno, from: "open", file) }
        let opened = DiskExecutor.Descriptor(number)
        return try withExtendedLifetime(opened) { () throws(DiskError) in
            try opened.read(file, offset: offset, count: count)
        }
    }

    public func perform(_ steps: [DiskStep]) throws(DiskError) {
        preconditionFailure("a directory that is only looked at is not written to")
    }
}

extension RealDirectory {
    /// The files that are ours, with their sizes.
    static func list(_ descriptor: DiskExecutor.Descriptor) throws(DiskError) -> [(file: DiskFile, size: Int)] {
        // A description of its own: reading through the shared one would move its position.
        let number = openat(descriptor.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw DiskError(errno, from: "open", nil) }
        guard let stream = fdopendir(number) else {
            close(number)
            throw DiskError(errno, from: "fdopendir", nil)
        }
        defer { closedir(stream) }
        var found: [(file: DiskFile, size: Int)] = []
        while true {
            errno = 0
            guard let record = readdir(stream) else { break }
            let name = withUnsafePointer(to: &record.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let file = DiskFile(name: name) else { continue }
            var status = stat()
            guard fstatat(descriptor.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                throw DiskError(errno, from: "stat", file)
            }
            found.append((file, Int(status.st_size)))
        }
        guard errno == 0 else { throw DiskError(errno, from: "readdir", nil) }
        return found
    }
}
