import Base
import Consensus
import Keyspace

extension Wire {
    /// What a member is doing.
    public enum Role: UInt32, Equatable, Sendable {
        case unspecified = 0
        case follower = 1
        case preCandidate = 2
        case candidate = 3
        case leader = 4
        case learner = 5
    }

    /// StatusResponse: how a member sees itself and the cluster.
    public struct Status: Equatable, Sendable {
        public var role = Role.unspecified
        public var term: Term = 0
        /// The leader's name and HOST:PORT; empty when the member knows of none.
        public var leader = ""
        public var leaderAddress = ""
        /// Zero when the log is empty.
        public var firstLogIndex: Index = 0
        public var lastLogIndex: Index = 0
        public var commitIndex: Index = 0
        public var appliedIndex: Index = 0
        /// The store's, at `appliedIndex`.
        public var revision: UInt64 = 0
        public var members: [Configuration.Member] = []
        /// The software's.
        public var version = ""
        public var uptimeMs: UInt64 = 0
        public var name = ""
        public var memberID: MemberID = 0
        public var clusterID: ClusterID = 0
        public var address = ""
        /// A committed change has taken it out of its cluster.
        public var isRemoved = false

        public init() {}
    }

    public struct RequestLogRequest: Equatable, Sendable {
        /// 0 or 1: from the first that the member holds.
        public var from: Index
        /// 0: no limit.
        public var limit: UInt64

        public init(from: Index = 0, limit: UInt64 = 0) {
            self.from = from
            self.limit = limit
        }
    }

    /// RequestLogResponse: one entry of a member's log, for people.
    public struct LogRecord: Equatable, Sendable {
        public var index: Index
        public var term: Term
        public var kind: Entry.Kind
        public var timeMs: UInt64
        public var isCommitted: Bool
        /// Of a command that this program understands.
        public var command: Command?
        /// Of an entry of that kind.
        public var configuration: Configuration?
        public var requestID: RequestID?
        /// In the log, in bytes.
        public var size: UInt64

        public init(
            index: Index, term: Term, kind: Entry.Kind, timeMs: UInt64, isCommitted: Bool, command: Command? = nil,
            configuration: Configuration? = nil, requestID: RequestID? = nil, size: UInt64
        ) {
            self.index = index
            self.term = term
            self.kind = kind
            self.timeMs = timeMs
            self.isCommitted = isCommitted
            self.command = command
            self.configuration = configuration
            self.requestID = requestID
            self.size = size
        }

        /// What an entry says. A command or a configuration that this program does not understand is left out: to look
        /// at a log is no reason to stop.
        public init(_ entry: Entry, isCommitted: Bool) {
            self.init(
                index: entry.index, term: entry.term, kind: entry.kind, timeMs: entry.timeMs, isCommitted: isCommitted,
                requestID: entry.sessionID == 0
                    ? nil : RequestID(sessionID: entry.sessionID, sequence: entry.sequence),
                size: UInt64(entry.packed.count))
            if entry.kind == .command {
                do { command = try Command(decoding: entry.data, version: entry.version) } catch { command = nil }
            }
            if entry.kind == .configuration {
                do { configuration = try Configuration(decoding: entry.data) } catch { configuration = nil }
            }
        }
    }

    /// AddServer, RemoveServer and TransferLeadership: which server, and where.
    public struct ChangeRequest: Equatable, Sendable {
        public var name: String
        public var address: String
        /// AddServer: it stays a learner.
        public var isLearner: Bool

        public init(name: String, address: String, isLearner: Bool = false) {
            self.name = name
            self.address = address
            self.isLearner = isLearner
        }
    }

    public enum ChangeStatus: UInt32, Equatable, Sendable {
        case unspecified = 0
        case ok = 1
        case notLeader = 2
        case timeout = 3
    }

    /// What those three answer.
    public struct ChangeResponse: Equatable, Sendable {
        public var status: ChangeStatus
        /// HOST:PORT of the leader; empty when the member knows of none.
        public var leaderHint: String
        public var configuration: LoggedConfiguration?
        /// For people; empty when all is well.
        public var message: String

        public init(
            status: ChangeStatus, leaderHint: String = "", configuration: LoggedConfiguration? = nil, message: String = ""
        ) {
            self.status = status
            self.leaderHint = leaderHint
            self.configuration = configuration
            self.message = message
        }
    }
}
