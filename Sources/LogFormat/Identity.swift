import Base

/// Who a member is, as its disk says: the content of the file `identity`.
public struct Identity: Sendable, Equatable {
    /// Minted at the first start.
    public var member: MemberID
    /// The name it was started with: at most 255 bytes of UTF-8.
    public var name: String
    /// Zero until the first configuration is known.
    public var cluster: ClusterID
    /// The first configuration, as `Configuration.encode` wrote it; empty until it is known. It stands before
    /// the log, as if at index 0.
    public var configuration: Bytes

    public init(member: MemberID, name: String, cluster: ClusterID = 0, configuration: Bytes = Bytes()) {
        self.member = member
        self.name = name
        self.cluster = cluster
        self.configuration = configuration
    }
}

extension Identity {
    /// An identity is read whole at start: it is never larger than this.
    public static let maxBytes = 1 << 20
    public static let maxNameBytes = 255

    private static let fixedBytes = 40

    /// The whole file. The member's id, then everything else; the checksum is the last field.
    public func encode() -> Bytes {
        let name = Bytes(utf8: self.name)
        precondition(name.count <= Self.maxNameBytes, "a member's name is at most 255 bytes long")
        let size = Self.fixedBytes + name.count + configuration.count + 4
        precondition(size <= Self.maxBytes, "an identity is at most 1 MiB long")
        return Bytes(capacity: size) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            bytes.put(UInt64(size), 8)
            bytes.put(member.rawValue, 16)
            bytes.put(cluster.rawValue, 24)
            bytes.put(UInt32(name.count), 32)
            bytes.put(UInt32(configuration.count), 36)
            for (part, offset) in [(name, Self.fixedBytes), (configuration, Self.fixedBytes + name.count)] {
                part.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: bytes[offset...]).copyBytes(from: $0) }
            }
            Envelope(magic: "SWid", size: size).seal(bytes, member: member)
            return size
        }
    }

    /// What `encode` wrote: all of `bytes`.
    public init(decoding bytes: Bytes) throws(RecordFault) {
        guard bytes.count <= Self.maxBytes else { throw .unreadable("no identity is that large") }
        let (member, cluster, name, configuration) = try bytes.withUnsafeBytes {
            (buffer) throws(RecordFault) -> (MemberID, ClusterID, Bytes, Bytes) in
            guard buffer.count >= Self.fixedBytes + 4 else { throw .unreadable("the file is too short") }
            let member = MemberID(buffer.number(16, UInt64.self))
            try Envelope(magic: "SWid", size: buffer.count).open(buffer, member: member)
            let nameEnd = Self.fixedBytes + Int(buffer.number(32, UInt32.self))
            let end = nameEnd + Int(buffer.number(36, UInt32.self))
            guard buffer.number(8, UInt64.self) == UInt64(buffer.count), end + 4 == buffer.count else {
                throw .invalid("its lengths contradict each other")
            }
            return (
                member, ClusterID(buffer.number(24, UInt64.self)), bytes[Self.fixedBytes..<nameEnd],
                bytes[nameEnd..<end]
            )
        }
        guard let text = name.utf8String, member != 0 else { throw .invalid("no member is called that") }
        self.init(member: member, name: text, cluster: cluster, configuration: configuration)
    }
}
