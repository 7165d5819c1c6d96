import Base

/// Reads a backup from pieces of any size. What it holds beside the keyspace is at most one chunk and one record; one that
/// only checks builds no keyspace. After a fault it is good for nothing more.
public struct BackupDecoder: ~Copyable {
    /// Known once its bytes are in.
    public private(set) var head: BackupHead?
    /// Of the head and the content, when all is in and whole.
    public private(set) var checksum: UInt32 = 0
    /// How many bytes were taken in.
    public private(set) var byteCount: UInt64 = 0

    /// What the content says of itself, once its first chunk is in.
    public var contentHead: SnapshotHead? { content.head }
    /// How many keys were taken in.
    public var keyCount: Int { content.keyCount }

    private var content: SnapshotDecoder
    private var running = CRC32C()
    /// The last bytes that came: they may be the end, or less than a head.
    private var held = Bytes()

    public init() { content = SnapshotDecoder() }

    /// One that only checks: `finishChecking` ends it, not `finish`.
    public init(checking: Void) { content = SnapshotDecoder(checking: ()) }

    /// Takes in the next bytes.
    public mutating func feed(_ bytes: Bytes) throws(BackupFault) {
        byteCount += UInt64(bytes.count)
        var rest = held.isEmpty ? bytes : held.appending(bytes)
        if head == nil {
            guard rest.count >= BackupFormat.headBytes else { return held = rest.compacted() }
            let first = rest[0..<BackupFormat.headBytes]
            head = try BackupHead(decoding: first)
            running.add(first)
            rest = rest[BackupFormat.headBytes..<rest.count]
        }
        let end = max(0, rest.count - BackupFormat.endBytes)
        held = rest[end..<rest.count].compacted()
        guard end > 0 else { return }
        running.add(rest[0..<end])
        do { try content.feed(rest[0..<end]) } catch { throw BackupFault(error) }
    }

    /// The keyspace, when all of the backup is in: the end of the decoder.
    public mutating func finish() throws(BackupFault) -> Keyspace {
        try finishChecking()
        do { return try content.finish() } catch { throw BackupFault(error) }
    }

    /// What the content says of itself, when all of the backup is in and whole.
    @discardableResult
    public mutating func finishChecking() throws(BackupFault) -> SnapshotHead {
        guard let head, held.count == BackupFormat.endBytes else { throw .truncated(at: byteCount) }
        let contentHead: SnapshotHead
        do {
            contentHead = try content.finishChecking()
        } catch {
            // The bytes that were held back belong to what is missing.
            if case .truncated = error { throw .truncated(at: byteCount) }
            throw BackupFault(error)
        }
        let place = byteCount - UInt64(BackupFormat.endBytes)
        try BackupFormat.open(held, BackupFormat.endMagic, at: place, "a backup's end")
        let (length, sum) = held.withUnsafeBytes {
            (
                UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
            )
        }
        guard length == content.byteCount else { throw .damaged(at: place, "it ends another content than this") }
        guard sum == running.value else { throw .damaged(at: place, "the checksum of the whole does not match") }
        guard contentHead.index == head.index else {
            throw .damaged(at: 0, "it announces entry \(head.index) and holds entry \(contentHead.index)")
        }
        checksum = sum
        return contentHead
    }
}

extension Keyspace {
    /// What was restored becomes the beginning of another log, at `index`: it keeps its keys with their revisions, its own
    /// revision and its time, and no session (docs/decisions/backups.md).
    public mutating func beginAnew(at index: Index) {
        contents.appliedIndex = index
        contents.sessions = SessionTable([], limits: contents.sessions.limits)
    }
}
