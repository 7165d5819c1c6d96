import Base
import Consensus
import Foundation
import Keyspace
import LogFormat
import Server
import Storage
import Testing

@testable import Tools

/// `inspect` over directories of the real disk.
@Suite("inspect")
struct InspectTests {
    /// A member's directory: entries 1 to 3, and a snapshot of 2.
    private func member(_ body: (_ path: String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "inspect-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        do {
            let directory = try RealDirectory(path: path)
            let configuration = Configuration(members: [.init(id: 7, name: "n1", address: "a:1")])
            _ = directory.executor.run(
                Storage.format(Identity(member: 7, name: "n1", cluster: 9, configuration: configuration.encode())))
            guard case .member(let recovered) = try Storage.recover(from: directory) else { return }
            var storage = Storage(recovered)
            var keyspace = Keyspace()
            let entries = (1...3 as ClosedRange<UInt64>).map { index in
                Entry(
                    term: 4, index: Index(index), kind: .command, timeMs: 1,
                    version: Command.version, data: Command.single(.set(key: "k\(index)".bytes, value: .data("v"))).encode())
            }
            storage.write(token: 1, hardState: HardState(term: 4, votedFor: 7), truncateFrom: nil, entries: entries)
            for entry in entries.prefix(2) { _ = try keyspace.apply(entry, wantsResult: false) }
            var encoder = SnapshotEncoder(
                keyspace.frozen(), term: 4, configurationIndex: 0, configuration: configuration.encode())
            storage.beginSnapshot(index: 2, term: 4)
            while let chunk = encoder.next() { storage.appendToSnapshot(chunk) }
            storage.finishSnapshot()
            var operations: [DiskOperation] = []
            var events: [StorageEvent] = []
            repeat {
                operations.removeAll()
                storage.nextOperations(into: &operations)
                for operation in operations {
                    storage.completed(operation.id, directory.executor.run(operation), now: .zero, into: &events)
                }
            } while !operations.isEmpty
        }
        try body(path)
    }

    private func inspect(_ words: String...) throws -> Printed { try Program { _ in nil }.inspect(words, nil) }

    private func text(_ printed: Printed) -> String { String(decoding: printed.output, as: UTF8.self) }

    @Test("A whole directory is told in text and in JSON, and nothing in it changes")
    func whole() throws {
        try member { path in
            let before = try contents(path)
            let printed = try inspect(path)
            #expect(printed.code == .done && printed.errors.isEmpty)
            let text = text(printed)
            #expect(text.contains("member n1") && text.contains("began with n1=a:1") && text.contains("term 4, voted for n1"))
            #expect(text.contains("entries 1 to 3") && text.hasSuffix("everything checks out\n"))
            let json = try inspect(path, "--output", "json")
            let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output)) as? [String: Any])
            #expect(object["intact"] as? Bool == true && object["last_index"] as? Int == 3)
            let snapshot = try #require((object["snapshots"] as? [[String: Any]])?.first)
            #expect(snapshot["keys"] as? Int == 2 && snapshot["index"] as? Int == 2 && snapshot["checksum"] is String)
            #expect(try contents(path) == before)
        }
    }

    @Test("Damage is named by file and byte, in the log and inside a snapshot, and ends with 65", arguments: [
        ("segment-0000000000000001.log", Format.framesStart + 80, Format.framesStart),
        ("snapshot-0000000000000002.dat", SnapshotHeader.contentStart + 20, SnapshotHeader.contentStart),
        ("state", 12, 0), ("identity", 20, 0),
    ])
    func damage(file: String, offset: Int, named: Int) throws {
        try member { path in
            var bytes = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)"))
            bytes[offset] ^= 4
            try bytes.write(to: URL(fileURLWithPath: "\(path)/\(file)"))
            let printed = try inspect(path)
            #expect(printed.code == .damaged && printed.code.rawValue == 65)
            #expect(text(printed).contains("DAMAGED: \(file), byte \(named): "), "\(text(printed))")
        }
    }

    @Test("Where a member runs, where there is none, and where there is nothing")
    func refusals() throws {
        try member { path in
            let running = try RealDirectory(path: path)
            let printed = try inspect(path)
            #expect(printed.code.rawValue == 69 && printed.errors.contains("running"))
            withExtendedLifetime(running) {}
        }
        let empty = NSTemporaryDirectory() + "inspect-\(UUID().uuidString)"
        #expect(try inspect(empty).code == .diskError)
        try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: empty) }
        #expect(try inspect(empty).code == .usage)
        #expect(throws: UsageError.self) { try inspect(empty, "--limit", "3") }
    }

    @Test("Records: each with its place, from an index on, and no more than asked for")
    func records() throws {
        try member { path in
            let directory = try ReadOnlyDirectory(path: path)
            var printer = RecordPrinter(.text, from: 2, limit: 1)
            var lines: [String] = []
            _ = Storage.inspect(directory) { lines += printer.lines($0) }
            #expect(lines.count == 2 && lines[1].hasSuffix("set k2 v") && lines[1].contains("\(Format.framesStart)"))
            var json = RecordPrinter(.json, from: 0, limit: .max)
            lines = []
            _ = Storage.inspect(directory) { lines += json.lines($0) }
            #expect(lines.count == 3 && lines[0].contains(#""offset":12288"#) && !lines[0].contains("committed"))
        }
    }

    private func contents(_ path: String) throws -> [String: Data] {
        var found: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: path) {
            found[name] = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)"))
        }
        return found
    }
}

extension String {
    fileprivate var bytes: Bytes { Bytes(utf8: self) }
}
