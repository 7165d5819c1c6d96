import Base
import Consensus
import Foundation
@testable import Keyspace
import LogFormat
import Testing

/// Bytes that were written once, kept as they were: what is on somebody's disk or in somebody's backup must be read for ever,
/// and members of two builds must write the same. A format that changes gets a new version and a line of its own here; the
/// lines of the old one stay, and must still be read.
struct Golden {
    private let lines: [String: String]
    private let file: String

    /// `Golden/NAME` beside the test: a name and hexadecimal digits a line.
    init(_ name: String, beside path: String = #filePath) throws {
        file = URL(filePath: path).deletingLastPathComponent().appending(path: "Golden/\(name)").path
        let text = try String(contentsOfFile: file, encoding: .utf8)
        lines = Dictionary(
            uniqueKeysWithValues: text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
                let words = line.split(separator: " ", maxSplits: 1)
                return (String(words[0]), words.count > 1 ? String(words[1]) : "")
            })
    }

    var names: Set<String> { Set(lines.keys) }

    /// What stands under that name. Where it differs from `bytes`, which are what is written today, the test fails and says
    /// what would have to stand there.
    func bytes(_ name: String, today bytes: Bytes, sourceLocation: SourceLocation = #_sourceLocation) -> Bytes {
        let digits = bytes.array.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        guard let line = lines[name] else {
            Issue.record("\(file) has no line: \(name) \(digits)", sourceLocation: sourceLocation)
            return bytes
        }
        #expect(line == digits, "the format of \(name) has changed; today it is\n\(name) \(digits)", sourceLocation: sourceLocation)
        var kept: [UInt8] = []
        var rest = line[...]
        while let byte = UInt8(rest.prefix(2), radix: 16) {
            kept.append(byte)
            rest = rest.dropFirst(2)
        }
        return Bytes(kept)
    }
}

@Suite("Formats") struct GoldenTests {
    private static let configuration = Configuration(members: [
        .init(id: 0x0102_0304_0506_0708, name: "n1", address: "host:7401", standing: .voter, priority: 3),
        .init(id: 0xfff0, name: "é", address: "[::1]:7402", standing: .joining),
        .init(id: 9, name: "l", address: "h:1", isVoter: false),
    ])

    private static let operations: [(String, Command)] = [
        ("ping", .single(.ping)), ("get", .single(.get(key: "k"))),
        ("set", .single(.set(key: "k", value: .data("value")))),
        ("set-list", .single(.set(key: "k", value: .list(ItemList(["", "cat", "dog"]))))),
        ("strlen", .single(.strlen(key: "k"))), ("delete", .single(.delete(key: "k"))),
        ("append", .single(.append(key: "k", suffix: "more"))), ("append-item", .single(.appendItem(key: "k", item: "mouse"))),
        ("keys", .single(.keys(prefix: "p", startAfter: "pa", limit: 300))),
        ("transaction", .transaction([.set(key: "a", value: .data("1")), .append(key: "a", suffix: "2"), .get(key: "a")])),
    ]

    private static let entry = Entry(
        term: 5, index: 300, kind: .command, timeMs: 1_700_000_000_123, sessionID: 77, sequence: 3, version: Command.version,
        data: Command.single(.set(key: "k", value: .data("value"))).encode())

    /// Keys of both kinds, two sessions, and answers to remember.
    private static func keyspace() throws -> Keyspace {
        let set = Command.single(.set(key: "a", value: .data("1"))).encode()
        let append = Command.single(.append(key: "a", suffix: "2")).encode()
        let list = Command.single(.set(key: "b", value: .list(ItemList(["x", ""])))).encode()
        let refused = Command.single(.appendItem(key: "a", item: "no list")).encode()
        let open = SessionLimits().encode()
        let entries: [(Entry.Kind, Bytes, session: UInt64, sequence: UInt64)] = [
            (.openSession, open, 0, 0), (.command, set, 1, 1), (.command, append, 1, 2), (.command, list, 0, 0),
            (.command, refused, 1, 3), (.openSession, open, 0, 0),
        ]
        var keyspace = Keyspace()
        for (number, (kind, data, session, sequence)) in entries.enumerated() {
            let entry = Entry(
                term: 2, index: Index(UInt64(number + 1)), kind: kind, timeMs: 1_700_000_000_001 + UInt64(number),
                sessionID: session, sequence: sequence, version: 1, data: data)
            _ = try keyspace.apply(entry, wantsResult: false)
        }
        return keyspace
    }

    private static func content() throws -> SnapshotEncoder {
        SnapshotEncoder(
            try keyspace().frozen(), term: 2, configurationIndex: 1, configuration: configuration.encode(), chunkBytes: 64)
    }

    @Test("Entries, configurations, commands and sessions' limits are written as ever, and read as ever")
    func entries() throws {
        let golden = try Golden("formats-1")
        #expect(try Entry(unpacking: golden.bytes("entry", today: Self.entry.packed)) == Self.entry)
        #expect(
            try Configuration(decoding: golden.bytes("configuration", today: Self.configuration.encode())) == Self.configuration)
        for (name, command) in Self.operations {
            let kept = golden.bytes("command.\(name)", today: command.encode())
            #expect(try Command(decoding: kept, version: 1) == command)
        }
        let limits = golden.bytes("session-limits", today: SessionLimits().encode())
        #expect(try SessionLimits(decoding: limits, version: 1) == SessionLimits())
    }

    @Test("Answers, which members pass to each other and snapshots hold, are written as ever, and read as ever")
    func outcomes() throws {
        let golden = try Golden("formats-1")
        let results: [(String, Outcome.Result)] = [
            ("none", .none), ("set", .single(.set)), ("appended", .single(.appended(length: 300))),
            ("value", .single(.value(.data("v"), revision: 7))), ("missing", .single(.value(nil, revision: 0))),
            ("deleted", .single(.deleted(previous: .list(ItemList(["x"]))))), ("session", .session(500)),
            ("transaction", .transaction([.set, .length(3)])),
            ("failed", .failed(OperationFailure(operation: 2, reason: .sessionExpired(session: 9)))),
        ]
        for (name, result) in results {
            let outcome = Outcome(revision: 300, result: result)
            #expect(try Outcome(decoding: golden.bytes("outcome.\(name)", today: outcome.encode())) == outcome)
        }
    }

    @Test("Every record of a data directory is written as ever, and read as ever")
    func records() throws {
        let golden = try Golden("formats-1")
        let identity = Identity(member: 7, name: "n1", cluster: 9, configuration: Self.configuration.encode())
        #expect(try Identity(decoding: golden.bytes("identity", today: identity.encode())) == identity)
        let slot = StateSlot(number: 4, member: 7, term: 5, votedFor: 9)
        #expect(try StateSlot(decoding: golden.bytes("state-slot", today: slot.encode())) == slot)
        let segment = SegmentHeader(segment: 3, member: 7, size: 16 << 20)
        #expect(try SegmentHeader(decoding: golden.bytes("segment-header", today: segment.encode())) == segment)
        let (bytes, header) = Frame.encode(
            segment: 3, sequence: 12, firstIndex: 300, entries: [Self.entry], payloadBytes: Frame.size(of: Self.entry), member: 7,
            restarts: true)
        let frame = golden.bytes("frame", today: bytes)
        #expect(try FrameHeader(decoding: frame, member: 7) == header && Frame.payloadMatches(header, frame))
        #expect(try Frame.entries(header, frame) == [Self.entry])
        let witness = Witness(header, at: 12_288)
        #expect(try Witness(decoding: golden.bytes("witness", today: witness.encode(member: 7)), member: 7) == witness)
        let snapshot = SnapshotHeader(index: 300, term: 5, member: 7, length: 12_345)
        #expect(
            try SnapshotHeader(decoding: golden.bytes("snapshot-header", today: snapshot.encode()), member: 7) == snapshot)
    }

    @Test("Snapshots and backups are written as ever, and read as ever")
    func snapshots() throws {
        let golden = try Golden("formats-1")
        let expected = try Self.keyspace().contents
        var encoder = try Self.content()
        var content: [UInt8] = []
        while let chunk = encoder.next() { content += chunk.array }
        var decoder = SnapshotDecoder()
        try decoder.feed(golden.bytes("snapshot-content", today: Bytes(content)))
        #expect(decoder.head == encoder.head)
        try expectSame(try decoder.finish().contents, expected)

        var backup = BackupEncoder(try Self.content(), cluster: 9, member: 7, takenMs: 1_700_000_000_000)
        var bytes: [UInt8] = []
        while let piece = backup.next() { bytes += piece.array }
        var reader = BackupDecoder()
        try reader.feed(golden.bytes("backup", today: Bytes(bytes)))
        try expectSame(try reader.finish().contents, expected)
        #expect(reader.head == backup.head)
    }

    private func expectSame(_ a: KeyspaceContents, _ b: KeyspaceContents) throws {
        #expect(a.revision == b.revision && a.appliedIndex == b.appliedIndex && a.timeMs == b.timeMs && a.sessions == b.sessions)
        let entries = [a, b].map { FrozenKeyspace(contents: $0).entries(after: nil, maxEntries: .max, maxBytes: .max) }
        #expect(entries[0] == entries[1] && entries[0].count == 2)
    }
}
