@_spi(Sabotage) import Base

/// Writes a frozen version of the keyspace as a snapshot, a chunk at a time, on any thread and at any pace: what it keeps
/// between two chunks is what is left of the tree. `SnapshotFormat` has the bytes.
public struct SnapshotEncoder: Sendable {
    public let head: SnapshotHead
    /// How many bytes were given so far.
    public private(set) var byteCount: UInt64 = 0
    /// How many keys were given so far.
    public private(set) var keysGiven = 0

    private let sessions: SessionTable
    private let keyCount: Int
    /// The keys that are not written yet.
    private var keys: LeafWalk
    private let chunkBytes: Int
    private var stage = SnapshotFormat.ChunkKind.head
    /// Of the chunk that is being written; `stage` may be further.
    private var kind = SnapshotFormat.ChunkKind.head
    private var isDone = false
    /// The next session, and its next answer; none before the session itself is written.
    private var session = 0
    private var answer: Int?
    /// A record that fills a chunk alone, as far as it is not yet written.
    private var large: Bytes?
    private var checksum: UInt32 = 0

    public init(
        _ frozen: FrozenKeyspace, term: Term, configurationIndex: Index, configuration: Bytes,
        chunkBytes: Int = 256 << 10
    ) {
        self.init(
            frozen, term: term, configurationIndex: configurationIndex, configuration: configuration,
            chunkBytes: chunkBytes, sabotage: nil)
    }

    /// - Parameters:
    ///   - term: of the entry at `frozen.appliedIndex`.
    ///   - configuration: encoded, the newest at or before that entry, which stands at `configurationIndex`.
    ///   - chunkBytes: no chunk has more payload.
    @_spi(Sabotage)
    public init(
        _ frozen: FrozenKeyspace, term: Term, configurationIndex: Index, configuration: Bytes, chunkBytes: Int,
        sabotage: Sabotage?
    ) {
        precondition(chunkBytes >= 64 && chunkBytes <= SnapshotFormat.maxChunkBytes, "a chunk of 64 bytes to 1 MiB")
        precondition(configurationIndex <= frozen.appliedIndex, "a configuration that the snapshot does not cover")
        sessions = sabotage == .answersNotInSnapshot ? frozen.contents.sessions.withoutAnswers : frozen.contents.sessions
        keyCount = frozen.contents.map.count
        keys = LeafWalk(frozen.contents.map)
        self.chunkBytes = chunkBytes
        head = SnapshotHead(
            frozen.contents, term: term, configurationIndex: configurationIndex, configuration: configuration)
    }

    /// The next chunk, nil after the last. O(log n + bytes of the chunk).
    public mutating func next() -> Bytes? {
        guard !isDone else { return nil }
        var writer = ByteWriter(capacity: SnapshotFormat.chunkHeadBytes + chunkBytes)
        writer.writeZeros(SnapshotFormat.chunkHeadBytes)
        while writer.count == SnapshotFormat.chunkHeadBytes, large == nil {
            kind = stage
            fill(&writer)
        }
        if let rest = large {
            let part = min(chunkBytes, rest.count)
            writer.write(rest[0..<part])
            large = part < rest.count ? rest[part..<rest.count] : nil
        }
        return finish(writer, goesOn: large != nil)
    }

    /// Writes records until the chunk is full or their kind is at its end, and then goes on to the next kind; or puts a
    /// large one in `large`, alone.
    private mutating func fill(_ writer: inout ByteWriter) {
        switch stage {
        case .head:
            // The configuration alone may be of any size.
            var whole = ByteWriter(capacity: 256)
            head.encode(into: &whole)
            large = whole.finish()
            stage = .sessions
        case .sessions:
            while session < sessions.sessions.count {
                guard let record = nextSessionRecord(room: room(writer)) else { return }
                guard record.count <= chunkBytes else { large = record; return }
                writer.write(record)
            }
            stage = .keys
        case .keys:
            fillKeys(&writer)
        case .end:
            writer.writeVarint(UInt64(sessions.count))
            writer.writeVarint(UInt64(keyCount))
            writer.write(byteCount)
            isDone = true
        }
    }

    private func room(_ writer: borrowing ByteWriter) -> Int {
        chunkBytes + SnapshotFormat.chunkHeadBytes - writer.count
    }

    /// Nil when it does not fit into what is left of a chunk that holds others already.
    private mutating func nextSessionRecord(room: Int) -> Bytes? {
        let current = sessions.sessions[session]
        var writer = ByteWriter(capacity: 96)
        if let answer {
            let remembered = current.remembered
            current.encode(remembered[remembered.startIndex + answer], into: &writer)
        } else {
            current.encode(into: &writer)
        }
        guard writer.count <= room || room == chunkBytes else { return nil }
        let next = answer.map { $0 + 1 } ?? 0
        answer = next
        if next == current.remembered.count {
            answer = nil
            session += 1
        }
        return writer.finish()
    }

    private mutating func fillKeys(_ writer: inout ByteWriter) {
        let limit = chunkBytes + SnapshotFormat.chunkHeadBytes
        let before = keysGiven
        while let leaf = keys.leaf {
            let first = keys.at
            if first == 0 { leaf.touchRecords(1_024) }
            // A record is read where it stands: to hold it costs more than to copy its bytes.
            let end = leaf.records.withUnsafeBufferPointer { records in
                guard let start = records.baseAddress else { return 0 }
                for at in first..<records.count {
                    guard writer.count + (start + at).pointee.encodedSizeBound <= limit else { return at }
                    (start + at).pointee.encode(into: &writer)
                }
                return records.count
            }
            keysGiven += end - first
            let isFull = end < leaf.records.count
            if isFull, keysGiven == before {
                var whole = ByteWriter(capacity: leaf.records[end].encodedSizeBound)
                leaf.records[end].encode(into: &whole)
                large = whole.finish()
                keysGiven += 1
                return keys.pass(upTo: end + 1)
            }
            keys.pass(upTo: end)
            if isFull { return }
        }
        stage = .end
    }

    private mutating func finish(_ writer: consuming ByteWriter, goesOn: Bool) -> Bytes {
        writer.overwrite(at: 0, SnapshotFormat.magic)
        writer.overwrite(at: 4, UInt16(SnapshotFormat.version))
        writer.overwrite(at: 6, kind.rawValue)
        writer.overwrite(at: 7, UInt8(goesOn ? 1 : 0))
        writer.overwrite(at: 8, UInt32(writer.count - SnapshotFormat.chunkHeadBytes))
        checksum = writer.withUnsafeBytes { SnapshotFormat.checksum(of: $0, after: checksum) }
        writer.overwrite(at: 12, checksum)
        byteCount += UInt64(writer.count)
        return writer.finish()
    }
}

extension SessionTable {
    /// As a snapshot would have it that forgets what requests were answered, when that bug is planted.
    fileprivate var withoutAnswers: SessionTable { SessionTable(sessions.map(\.withoutAnswers), limits: limits) }
}

extension Record {
    /// No encoding of this record is longer.
    var encodedSizeBound: Int { cell.count + 51 }

    /// Lengths of key and value, the kind, both in one piece, then the numbers.
    func encode(into writer: inout ByteWriter) {
        writer.writeVarint(UInt64(cell.count - valueSize))
        writer.writeVarint(UInt64(valueSize))
        writer.write(kind.rawValue)
        writer.write(cell)
        writer.writeVarint(created)
        writer.writeVarint(modified)
        writer.writeVarint(version)
    }

    init(from fields: inout FieldReader) throws(Command.Failure) {
        let keyLength = try fields.number()
        let valueLength = try fields.number()
        let kind = try fields.byte()
        let key = try fields.bytes(keyLength)
        let bytes = try fields.bytes(valueLength)
        let value: Value
        switch Value.Kind(rawValue: kind) {
        case .data: value = .data(bytes)
        case .list:
            do { value = .list(try ItemList(validating: bytes)) } catch { throw .malformedList(error) }
        case nil: throw .unknownKindOfValue(kind)
        }
        self.init(
            key: key, value: value, created: try fields.number(), modified: try fields.number(),
            version: try fields.number())
    }
}

extension Session {
    func encode(into writer: inout ByteWriter) {
        writer.write(SnapshotFormat.SessionRecord.session)
        for number in [id, idleMs, window, lastUsedMs, lastUsed.rawValue, highest] { writer.writeVarint(number) }
    }

    func encode(_ remembered: Remembered, into writer: inout ByteWriter) {
        writer.write(SnapshotFormat.SessionRecord.answer)
        writer.writeVarint(remembered.sequence)
        switch remembered.answer {
        case .set(let revision):
            writer.write(SnapshotFormat.AnswerCode.set)
            writer.writeVarint(revision)
        case .appended(let revision, let length):
            writer.write(SnapshotFormat.AnswerCode.appended)
            writer.writeVarint(revision)
            writer.writeVarint(length)
        case .encoded(let bytes):
            writer.write(SnapshotFormat.AnswerCode.encoded)
            writer.writeCounted(bytes)
        case .forgotten:
            writer.write(SnapshotFormat.AnswerCode.forgotten)
        }
    }
}
