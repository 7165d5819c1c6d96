import Base
import Consensus

extension Wire {
    /// How members introduce themselves: HelloRequest and HelloResponse alike.
    public struct Hello: Equatable, Sendable {
        /// What this program speaks.
        public static let protocolVersion: UInt32 = 1
        /// What this program can apply.
        public static let knownEntryKinds: [Entry.Kind] = [
            .noOperation, .command, .configuration, .openSession, .closeSession,
        ]

        public var cluster: ClusterID
        public var group: UInt64
        public var from: MemberID
        public var to: MemberID
        public var protocolVersions: [UInt32]
        public var features: [String]
        /// Kinds of entries that the member can apply, those that we do not know included.
        public var entryKinds: [Entry.Kind]
        public var name: String
        /// HOST:PORT.
        public var address: String
        /// The newest in the member's log, with the index of its entry; nil before the members have met.
        public var configuration: LoggedConfiguration?
        /// The software's version, for people.
        public var version: String

        public init(
            cluster: ClusterID, group: UInt64 = 0, from: MemberID, to: MemberID,
            protocolVersions: [UInt32] = [Hello.protocolVersion], features: [String] = [],
            entryKinds: [Entry.Kind] = Hello.knownEntryKinds, name: String, address: String,
            configuration: LoggedConfiguration?, version: String
        ) {
            self.cluster = cluster
            self.group = group
            self.from = from
            self.to = to
            self.protocolVersions = protocolVersions
            self.features = features
            self.entryKinds = entryKinds
            self.name = name
            self.address = address
            self.configuration = configuration
            self.version = version
        }
    }

    /// A configuration and where it stands in the log.
    public struct LoggedConfiguration: Equatable, Sendable {
        public var configuration: Configuration
        /// Zero for the one that a cluster starts with.
        public var index: Index

        public init(_ configuration: Configuration, index: Index = 0) {
            self.configuration = configuration
            self.index = index
        }
    }
}
