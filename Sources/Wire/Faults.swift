extension Wire {
    /// `MessageKind`: what members say to each other. A request and its response are two kinds.
    public enum MessageKind: UInt32, CaseIterable, Equatable, Sendable {
        case hello = 1
        /// AppendEntries without entries.
        case heartbeat = 2
        case appendEntries = 3
        case appendEntriesResponse = 4
        case preVote = 5
        case preVoteResponse = 6
        case requestVote = 7
        case requestVoteResponse = 8
        case timeoutNow = 9
        case readIndex = 10
        case readIndexResponse = 11
        case propose = 12
        case proposeResponse = 13
        case installSnapshot = 14
        case installSnapshotResponse = 15
    }

    /// `Link`: what the way between a member and one other does to what goes over it.
    public struct Link: Equatable, Sendable {
        /// The other member's name. Never empty.
        public var peer: String
        public var dropsTo: Bool
        public var dropsFrom: Bool
        /// At most `maxDelayMs`.
        public var delayMs: UInt64

        public init(peer: String, dropsTo: Bool = false, dropsFrom: Bool = false, delayMs: UInt64 = 0) {
            self.peer = peer
            self.dropsTo = dropsTo
            self.dropsFrom = dropsFrom
            self.delayMs = delayMs
        }

        public static let maxDelayMs: UInt64 = 60_000

        public var isCut: Bool { dropsTo || dropsFrom }
        public var isWhole: Bool { !isCut && delayMs == 0 }
    }

    /// `Drop`: an order to drop messages of one kind.
    public struct Drop: Equatable, Sendable {
        public var kind: MessageKind
        /// Empty: any.
        public var peer: String
        /// How many are still to be dropped. Never 0.
        public var count: UInt64

        public init(kind: MessageKind, peer: String = "", count: UInt64 = 1) {
            self.kind = kind
            self.peer = peer
            self.count = count
        }
    }

    /// `FaultState`: all faults of one member.
    public struct FaultState: Equatable, Sendable {
        /// Those that are not whole, by peer.
        public var links: [Link]
        public var drops: [Drop]
        /// Since the process began.
        public var dropped: UInt64
        public var delayed: UInt64

        public init(links: [Link] = [], drops: [Drop] = [], dropped: UInt64 = 0, delayed: UInt64 = 0) {
            self.links = links
            self.drops = drops
            self.dropped = dropped
            self.delayed = delayed
        }
    }
}

extension Wire.MessageKind {
    /// As the dissertation's figures call it.
    public var name: String {
        switch self {
        case .hello: "Hello"
        case .heartbeat: "Heartbeat"
        case .appendEntries: "AppendEntries"
        case .appendEntriesResponse: "AppendEntriesResponse"
        case .preVote: "PreVote"
        case .preVoteResponse: "PreVoteResponse"
        case .requestVote: "RequestVote"
        case .requestVoteResponse: "RequestVoteResponse"
        case .timeoutNow: "TimeoutNow"
        case .readIndex: "ReadIndex"
        case .readIndexResponse: "ReadIndexResponse"
        case .propose: "Propose"
        case .proposeResponse: "ProposeResponse"
        case .installSnapshot: "InstallSnapshot"
        case .installSnapshotResponse: "InstallSnapshotResponse"
        }
    }
}
