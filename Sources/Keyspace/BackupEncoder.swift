import Base

/// Writes a frozen version of the keyspace as a backup, piece by piece, on any thread and at any pace.
public struct BackupEncoder: Sendable {
    public let head: BackupHead
    /// How many keys it has, and how many of them were given so far.
    public var keyCount: Int { content.head.keyCount }
    public var keysGiven: Int { content.keysGiven }

    private var content: SnapshotEncoder
    private var checksum = CRC32C()
    private var hasBegun = false
    private var isDone = false

    /// `content` has not given anything yet.
    public init(_ content: SnapshotEncoder, cluster: ClusterID, member: MemberID, takenMs: UInt64) {
        precondition(content.byteCount == 0, "the content begins with its first chunk")
        head = BackupHead(cluster: cluster, member: member, takenMs: takenMs, index: content.head.index)
        self.content = content
    }

    /// The next piece, nil after the last. O(log n + bytes of the piece).
    public mutating func next() -> Bytes? {
        guard hasBegun else {
            hasBegun = true
            return counted(head.encode())
        }
        if let chunk = content.next() { return counted(chunk) }
        guard !isDone else { return nil }
        isDone = true
        var writer = ByteWriter(capacity: BackupFormat.endBytes)
        writer.write(BackupFormat.endMagic)
        writer.write(UInt16(BackupFormat.version))
        writer.write(UInt16(0))
        writer.write(content.byteCount)
        writer.write(checksum.value)
        writer.writeZeros(8)
        return BackupFormat.sealed(writer)
    }

    private mutating func counted(_ piece: Bytes) -> Bytes {
        checksum.add(piece)
        return piece
    }
}
