import Base
import Glibc
import LogFormat
import Storage

/// A data directory of the real disk, held by this process alone.
public final class RealDirectory: DirectoryImage, Sendable {
    public let executor: DiskExecutor
    private let descriptor: DiskExecutor.Descriptor

    /// Why a data directory cannot be used.
    public enum Failure: Error, Equatable, CustomStringConvertible {
        /// Another process has it open.
        case inUse(path: String)
        case disk(path: String, DiskError)

        public var description: String {
            switch self {
            case .inUse(let path): "\(path) is in use by another process: stop that one first, or name another --data-dir"
            case .disk(let path, let error): "\(path): \(error.call) failed: \(error.message)"
            }
        }
    }

    /// Opens the directory, and makes it, with its parents, when it is not there. It stays locked as long as the
    /// process lives: two members on one log would be the end of it.
    public init(path: String) throws(Failure) {
        do throws(DiskError) {
            try Self.make(path)
            let number = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard number >= 0 else { throw DiskError(errno, from: "open", nil) }
            descriptor = DiskExecutor.Descriptor(number)
        } catch {
            throw .disk(path: path, error)
        }
        guard flock(descriptor.number, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            throw code == EWOULDBLOCK ? .inUse(path: path) : .disk(path: path, DiskError(code, from: "flock", nil))
        }
        executor = DiskExecutor(path: path, directory: descriptor)
    }

    /// mkdir -p, and a sync of each directory that got a new name.
    private static func make(_ path: String) throws(DiskError) {
        if mkdir(path, 0o700) == 0 { return try syncParent(of: path) }
        switch errno {
        case EEXIST: return
        case ENOENT:
            let parent = parent(of: path)
            guard parent != path else { throw DiskError(ENOENT, from: "mkdir", nil) }
            try make(parent)
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw DiskError(errno, from: "mkdir", nil) }
            try syncParent(of: path)
        default: throw DiskError(errno, from: "mkdir", nil)
        }
    }

    static func syncParent(of path: String) throws(DiskError) {
        let number = open(parent(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw DiskError(errno, from: "open", nil) }
        let parent = DiskExecutor.Descriptor(number)
        guard fsync(parent.number) == 0 else { throw DiskError(errno, from: "fsync", nil) }
    }

    private static func parent(of path: String) -> String {
        var parts = path[...]
        while parts.count > 1, parts.last == "/" { parts.removeLast() }
        guard let slash = parts.lastIndex(of: "/") else { return "." }
        return slash == parts.startIndex ? "/" : String(parts[..<slash])
    }

    public func list() throws(DiskError) -> [(file: DiskFile, size: Int)] { try Self.list(descriptor) }

    public func read(_ file: DiskFile, offset: Int, count: Int) throws(DiskError) -> Bytes {
        try executor.read(file, offset: offset, count: count)
    }

    public func perform(_ steps: [DiskStep]) throws(DiskError) {
        var reads: [Bytes] = []
        for step in steps { try executor.perform(step, &reads) }
    }
}
