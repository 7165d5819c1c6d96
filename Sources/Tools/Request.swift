import Base
import Keyspace
import Wire

/// What a user can ask of a cluster, in one command: the same when typed at the prompt and in a shell.
public enum Request: Equatable, Sendable {
    case operation(Operation)
    /// A get, strln or keys that is as fresh as this.
    case read(Operation, Wire.Consistency)
    case transaction([Operation])
    case status
    case members
    /// `limit` nil: all that there are. `node` nil: whichever member answers.
    case requestLog(from: UInt64, limit: UInt64?, node: String?)
    case addServer(name: String, address: String, isLearner: Bool)
    case removeServer(name: String)
    /// The member at `address` takes the place of the one called `name`.
    case replaceServer(name: String, address: String)
    case transferLeadership(name: String)
    case lab(LabOrder)
}

/// What is wrong with a command line, and how it would be right. Exit code 64.
public struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
    public var message: String
    public var hint: String?

    public init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }

    public var description: String { hint.map { "\(message)\n\($0)" } ?? message }
}

/// What `swiftwater` ends with (docs: the contract's exit codes).
public enum ExitCode: Int32, Sendable, Comparable {
    case done = 0
    case noSuchKey = 1
    case clusterError = 2
    case noAnswer = 3
    case usage = 64
    /// `inspect`, `restore`: what was read is damaged, or newer than this program.
    case damaged = 65
    /// Somebody else has it.
    case unavailable = 69
    case diskError = 74

    /// `simulate`: a seed fails.
    public static let seedFailed = ExitCode.noSuchKey

    public static func < (a: ExitCode, b: ExitCode) -> Bool { a.rawValue < b.rawValue }
}
