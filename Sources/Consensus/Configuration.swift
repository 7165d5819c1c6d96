import Base

/// Who the members of a cluster are. It is stored in log entries and takes effect when it is appended, not when
/// it is committed (dissertation 4.1).
///
/// Invariant: members are sorted by id, and no id and no name occurs twice.
public struct Configuration: Sendable, Equatable {
    public struct Member: Sendable, Equatable {
        public var id: MemberID
        public var name: String
        /// HOST:PORT as peers and clients reach it.
        public var address: String
        public var standing: Standing
        /// Who should rather lead: a leader hands over to a voter with a higher one (`Raft+Priority`). 0 unless said.
        public var priority: UInt8

        /// Whether it votes. A learner receives the log and does not (dissertation 4.2.1).
        public var isVoter: Bool {
            get { standing == .voter }
            set { standing = newValue ? .voter : .learner }
        }

        public init(id: MemberID, name: String, address: String, isVoter: Bool = true) {
            self.init(id: id, name: name, address: address, standing: isVoter ? .voter : .learner)
        }

        public init(id: MemberID, name: String, address: String, standing: Standing, priority: UInt8 = 0) {
            self.id = id
            self.name = name
            self.address = address
            self.standing = standing
            self.priority = priority
        }
    }

    public enum Standing: UInt8, Sendable {
        /// It receives the log and does not vote, and stays so.
        case learner = 0
        case voter = 1
        /// A learner that the leader makes a voter as soon as it has caught up (4.2.1).
        case joining = 2
    }

    public private(set) var members: [Member]

    public init(members: [Member]) {
        self.members = members.sorted { $0.id < $1.id }
        for (a, b) in zip(self.members, self.members.dropFirst()) {
            precondition(a.id != b.id, "a member occurs twice in a configuration")
        }
    }

    public subscript(id: MemberID) -> Member? { members.first { $0.id == id } }
    public subscript(name name: String) -> Member? { members.first { $0.name == name } }
    public var voters: [MemberID] { members.filter(\.isVoter).map(\.id) }

    /// How many votes are a majority.
    public var quorum: Int { members.count(where: \.isVoter) / 2 + 1 }
}

extension Configuration {
    /// In the byte of a member's standing: a byte with its priority follows.
    private static let hasPriority: UInt8 = 1 << 7

    /// Version 1: a count, then id, standing, priority unless it is 0, name and address of each; strings with a length
    /// in front. A configuration of voters and learners has the bytes that it had before there was more to say.
    public func encode() -> Bytes {
        var writer = ByteWriter(capacity: 64 * (members.count + 1), headroom: Entry.headroom)
        writer.writeVarint(UInt64(members.count))
        for member in members {
            writer.write(member.id.rawValue)
            writer.write(member.standing.rawValue | (member.priority == 0 ? 0 : Self.hasPriority))
            if member.priority != 0 { writer.write(member.priority) }
            for text in [member.name, member.address] {
                writer.writeVarint(UInt64(text.utf8.count))
                writer.write(utf8: text)
            }
        }
        return writer.finish()
    }

    /// What `encode` wrote. Throws on anything else.
    public init(decoding bytes: Bytes) throws(ByteReader.Failure) {
        var reader = ByteReader(bytes)
        let count = try reader.readVarint()
        var members: [Member] = []
        for _ in 0..<count {
            let id = MemberID(try reader.read(UInt64.self))
            let head = try reader.read(UInt8.self)
            let priority = head & Self.hasPriority == 0 ? 0 : try reader.read(UInt8.self)
            guard let standing = Standing(rawValue: head & ~Self.hasPriority),
                priority != 0 || head & Self.hasPriority == 0, let name = try reader.readLengthDelimited().utf8String,
                let address = try reader.readLengthDelimited().utf8String,
                !members.contains(where: { $0.id == id || $0.name == name })
            else { throw .badWireType(at: reader.offset) }
            members.append(Member(id: id, name: name, address: address, standing: standing, priority: priority))
        }
        self.init(members: members)
    }

    /// The identity of the cluster that starts with this configuration: FNV-1a over its encoding.
    public var clusterID: ClusterID {
        let hash = encode().withUnsafeBytes { bytes in
            bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        }
        return ClusterID(hash == 0 ? 1 : hash)
    }
}
