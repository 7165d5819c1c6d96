import Base
import LogFormat

/// Work for a disk: steps that are done in order, and of which the first that fails ends the operation. Storage
/// only asks; whoever owns it runs the operation and answers with `Storage.completed`.
public struct DiskOperation: Sendable {
    public enum Lane: Sendable, Hashable {
        /// The write-ahead log and the hard state: one at a time, in order, on a thread of its own. Storage never
        /// has two of them under way.
        case log
        /// Old entries. May run anywhere, several at a time.
        case read
        /// Preparing segments ahead of need, removing old ones, writing snapshots: slow, patient. Storage has one of each
        /// under way at most.
        case background
    }

    public let id: UInt64
    public let lane: Lane
    public let steps: [DiskStep]

    public init(id: UInt64, lane: Lane, steps: [DiskStep]) {
        self.id = id
        self.lane = lane
        self.steps = steps
    }
}

/// One thing that a disk does. Offsets and sizes are in bytes.
public enum DiskStep: Sendable, Equatable {
    /// Makes a file of `size` bytes, all zero and all of them *written*, so that no later write into it needs space
    /// or changes metadata. A file that is already there is written over in place. When it fails the file is removed
    /// again, so that it does not hold the last space of a full disk.
    case create(DiskFile, size: Int)
    /// Writes `slices` one after the other, all of them, from `offset` on. A snapshot's draft grows by what is written
    /// behind its end; no other file is ever written there.
    case write(DiskFile, offset: Int, slices: [Bytes])
    /// Takes away what a draft has behind its first `size` bytes: it was another file once.
    case cut(DiskFile, size: Int)
    /// fdatasync. A failure is final: what is on the disk is then unknown, and a second sync would say nothing.
    case sync(DiskFile)
    case rename(DiskFile, to: DiskFile)
    /// A file that is not there is no error.
    case remove(DiskFile)
    /// fsync of the directory: creations, renames and removals before it are durable after it.
    case syncDirectory
    /// Reads `count` bytes, fewer at the end of the file.
    case read(DiskFile, offset: Int, count: Int)
}

/// How an operation ended.
public enum DiskResult: Sendable {
    /// Every step was done. One element for each `.read` step, in order.
    case done(reads: [Bytes])
    case failed(DiskError)
}

/// What the operating system said.
public struct DiskError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was tried, in the system's own word: "fdatasync", "pwritev", …
    public let call: String
    public let file: DiskFile?
    /// errno.
    public let code: Int32
    /// The system's text for it.
    public let message: String
    /// No space, or no more of it for us: ENOSPC, EDQUOT, EFBIG.
    public let isFull: Bool

    public init(call: String, file: DiskFile?, code: Int32, message: String, isFull: Bool) {
        self.call = call
        self.file = file
        self.code = code
        self.message = message
        self.isFull = isFull
    }

    public var description: String {
        "\(call) of \(file?.name ?? "the data directory") failed: \(message) (errno \(code))"
    }
}

/// A data directory at start, before anything else runs: blocking. Only `Storage.recover` uses it.
public protocol DirectoryImage {
    /// The files of the directory that are ours, with their sizes, in any order.
    func list() throws(DiskError) -> [(file: DiskFile, size: Int)]
    /// `count` bytes from `offset`, fewer at the end of the file.
    func read(_ file: DiskFile, offset: Int, count: Int) throws(DiskError) -> Bytes
    /// Does the steps in order. Recovery syncs what it found before anyone relies on it, and takes a torn tail away.
    func perform(_ steps: [DiskStep]) throws(DiskError)
}
