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
