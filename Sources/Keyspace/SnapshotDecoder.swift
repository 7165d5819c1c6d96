import Base

/// Reads a snapshot from pieces of any size and builds its keyspace on the way, bottom-up: no key is searched for. What it
/// holds beside the keyspace is at most one chunk and one record. After a fault it is good for nothing more. One that only
/// checks builds nothing, and sees the same faults.
public struct SnapshotDecoder: ~Copyable {
    /// Known once the first chunk is in.
    public private(set) var head: SnapshotHead?
    /// How many bytes were taken in.
    public private(set) var byteCount: UInt64 = 0

    /// A chunk as far as it has come; it begins at `chunkStart`.
    private var pending = Bytes()
    private var chunkStart: UInt64 = 0
    /// Of all chunks so far.
    public private(set) var checksum: UInt32 = 0
    private var kind: SnapshotFormat.ChunkKind?
    /// A record that goes on.
    private var partial = Bytes()
    private var isContinued = false
    private var sessions: [Session] = []
    private var builder = MapBuilder()
    private var lastKey: Bytes?
    /// How many keys were taken in.
    public private(set) var keyCount = 0
    private let builds: Bool

    public init() { builds = true }

    /// One that only checks: `finishChecking` ends it, not `finish`.
    public init(checking: Void) { builds = false }

    /// Takes in the next bytes.
    public mutating func feed(_ bytes: Bytes) throws(SnapshotFault) {
        var rest = bytes
        byteCount += UInt64(bytes.count)
        while !rest.isEmpty {
            if pending.isEmpty, let size = try chunkSize(rest), size <= rest.count {
                try take(rest[0..<size])
                rest = rest[size..<rest.count]
                continue
            }
            let wanted = (try chunkSize(pending) ?? SnapshotFormat.chunkHeadBytes) - pending.count
            let more = min(wanted, rest.count)
            pending = pending.appending(rest[0..<more])
            rest = rest[more..<rest.count]
            if let size = try chunkSize(pending), size == pending.count {
                let chunk = pending
                pending = Bytes()
                try take(chunk)
            }
        }
    }

    /// The keyspace, when all of the snapshot is in: the end of the decoder.
    public mutating func finish() throws(SnapshotFault) -> Keyspace {
        precondition(builds, "a decoder that only checks has no keyspace")
        let head = try finishChecking()
        var keyspace = Keyspace()
        keyspace.contents.map = builder.finish()
        keyspace.contents.revision = head.revision
        keyspace.contents.appliedIndex = head.index
        keyspace.contents.timeMs = head.timeMs
        keyspace.contents.sessions = SessionTable(sessions, limits: head.limits)
        return keyspace
    }

    /// What the snapshot says of itself, when all of it is in and whole.
    @discardableResult
    public mutating func finishChecking() throws(SnapshotFault) -> SnapshotHead {
        guard kind == .end, let head else { throw .truncated(at: byteCount) }
        guard pending.isEmpty else { throw damaged("something stands behind the end") }
        return head
    }

    /// Head and payload of the chunk that begins with `bytes`; nil while its head is not complete.
    private func chunkSize(_ bytes: Bytes) throws(SnapshotFault) -> Int? {
        guard bytes.count >= SnapshotFormat.chunkHeadBytes else { return nil }
        let (magic, length) = bytes.withUnsafeBytes {
            (
                UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 0, as: UInt32.self)),
                UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
            )
        }
        guard magic == SnapshotFormat.magic else { throw damaged("no chunk begins here") }
        guard length <= SnapshotFormat.maxChunkBytes else { throw damaged("a chunk of \(length) bytes") }
        return SnapshotFormat.chunkHeadBytes + Int(length)
    }

    private func damaged(_ what: String) -> SnapshotFault { .damaged(at: chunkStart, what) }

    private mutating func take(_ chunk: Bytes) throws(SnapshotFault) {
        let (written, sum, version) = chunk.withUnsafeBytes {
            (
                UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 12, as: UInt32.self)),
                SnapshotFormat.checksum(of: $0, after: checksum),
                UInt16(littleEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
            )
        }
        guard written == sum else { throw damaged("the checksum does not match") }
        guard version <= SnapshotFormat.version else { throw .newerFormat(Int(version), at: chunkStart) }
        guard let next = SnapshotFormat.ChunkKind(rawValue: chunk[6]), chunk[7] <= 1,
            kind == nil ? next == .head : next >= kind! && kind != .end && (next != .head || isContinued),
            !isContinued || next == kind
        else { throw damaged("a chunk of a kind that does not belong here") }
        kind = next
        checksum = sum
        isContinued = chunk[7] == 1
        let payload = chunk[SnapshotFormat.chunkHeadBytes..<chunk.count]
        if isContinued {
            guard partial.count <= Value.sizeCeiling else { throw damaged("a record without an end") }
            partial = partial.appending(payload)
        } else {
            let records = partial.isEmpty ? payload : partial.appending(payload)
            partial = Bytes()
            do { try read(records, next) } catch {
                throw damaged("its content cannot be read: \(error)")
            }
        }
        chunkStart += UInt64(chunk.count)
    }

    private mutating func read(_ bytes: Bytes, _ kind: SnapshotFormat.ChunkKind) throws(Command.Failure) {
        var fields = FieldReader(bytes)
        switch kind {
        case .head:
            head = try SnapshotHead(from: &fields)
        case .sessions:
            while fields.remaining > 0 { try readSession(&fields) }
        case .keys:
            while fields.remaining > 0 { try readKey(&fields) }
        case .end:
            let counts = (try fields.number(), try fields.number())
            let length = try fields.fixedNumber()
            guard let head, counts.0 == sessions.count, counts.1 == keyCount, length == chunkStart,
                head.keyCount == keyCount, head.sessionCount == sessions.count
            else { throw .tooLong(at: fields.offset) }
        }
        guard fields.remaining == 0 else { throw .tooLong(at: fields.offset) }
    }

    private mutating func readKey(_ fields: inout FieldReader) throws(Command.Failure) {
        let at = fields.offset
        let record = try Record(from: &fields)
        let key = record.key
        if let lastKey, key <= lastKey { throw .tooLong(at: at) }
        guard let head, record.created <= record.modified, record.modified <= head.revision, record.version > 0 else {
            throw .tooLong(at: at)
        }
        keyCount += 1
        lastKey = key
        if builds { builder.append(record) }
    }

    private mutating func readSession(_ fields: inout FieldReader) throws(Command.Failure) {
        let at = fields.offset
        switch try fields.byte() {
        case SnapshotFormat.SessionRecord.session:
            let session = try Session(from: &fields)
            guard session.id > sessions.last?.id ?? 0 else { throw .tooLong(at: at) }
            sessions.append(session)
        case SnapshotFormat.SessionRecord.answer:
            guard !sessions.isEmpty else { throw .tooLong(at: at) }
            try sessions[sessions.count - 1].restore(from: &fields)
        case let other:
            throw .unknownForm(other)
        }
    }
}

extension FieldReader {
    /// That many bytes.
    mutating func bytes(_ count: UInt64) throws(Command.Failure) -> Bytes {
        guard count <= UInt64(remaining) else { throw .malformed(.truncated(at: offset)) }
        return try read(Int(count))
    }
}
