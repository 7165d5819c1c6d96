import Base
import Consensus
import Foundation
import Glibc
import Keyspace
import Testing
import Wire

@Suite("Round trips")
struct RoundTripTests {
    /// The root of the repository.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test("What Wire writes, Wire reads")
    func roundTrips() throws {
        let codec = Wire.Codec()
        var types: Set<String> = []
        for seed in 1...200 {
            var random = Random(seed: UInt64(seed))
            for sample in random.samples(codec) {
                types.insert(sample.type)
                #expect(try sample.check(sample.bytes), "\(sample.type), seed \(seed): \(sample.bytes)")
            }
        }
        // Every message of every call.
        #expect(types.count == 2 * (Wire.Path.all.count + Wire.Path.faults.count))
    }

    @Test("What goes out in pieces is what would go out whole, and no piece is large but an entry's own")
    func pieces() throws {
        let codec = Wire.Codec()
        var random = SplitMix64(seed: 77)
        for round in 0..<60 {
            // Small ones, some as large as a piece, and some much larger.
            let limits = [40, 300, 17_000, 200_000]
            let entries = (1...200).map { index in
                let size = random.next(below: UInt64(limits[index % 10 < 8 ? round % 2 : 2 + round % 2]))
                return Entry(
                    term: 3, index: Index(UInt64(index)), kind: .command, timeMs: 9, data: Bytes([UInt8](repeating: UInt8(index), count: Int(size))))
            }
            // The first decides whether it is worth it.
            let first = Entry(term: 3, index: 1, kind: .command, timeMs: 9, data: Bytes([UInt8](repeating: 1, count: 200)))
            let body = AppendEntries(
                prevLogIndex: 0, prevLogTerm: 0, entries: [first] + entries[1...], leaderCommit: 12, round: 4)
            let message = Message(cluster: 1, from: 2, to: 3, term: 3, body: .appendEntries(body))
            var pieces = try #require(codec.encodeInPieces(message))
            let whole = codec.encode(message)
            #expect(pieces.count == whole.count)
            var joined: [UInt8] = []
            while true {
                let piece = pieces.next()
                if piece.isEmpty { break }
                #expect(piece.count <= 17 << 10 || entries.contains { $0.packed == piece })
                joined += piece.array
            }
            #expect(Bytes(joined) == whole)
        }
        let small = Message(cluster: 1, from: 2, to: 3, term: 3, body: .appendEntries(
            AppendEntries(prevLogIndex: 0, prevLogTerm: 0, entries: [Entry(term: 3, index: 1, kind: .command, timeMs: 9, data: "x")], leaderCommit: 0, round: 1)))
        #expect(codec.encodeInPieces(small) == nil)
        #expect(codec.encodeInPieces(Message(cluster: 1, from: 2, to: 3, term: 3, body: .timeoutNow)) == nil)
    }

    @Test("Python's protobuf reads what Wire writes, means the same by it, and Wire reads it from any writer")
    func python() throws {
        let codec = Wire.Codec()
        let directory = FileManager.default.temporaryDirectory.appending(path: "wire-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let written = directory.appending(path: "samples")
        let variants = directory.appending(path: "variants")

        var samples: [Sample] = []
        for seed in 1001...1020 {
            var random = Random(seed: UInt64(seed))
            samples += random.samples(codec)
        }
        var file = Data()
        for sample in samples {
            let json = try JSONSerialization.data(withJSONObject: sample.json, options: .sortedKeys)
            for part in [Data(sample.type.utf8), Data(sample.bytes.array), json] {
                withUnsafeBytes(of: UInt32(part.count).littleEndian) { file.append(contentsOf: $0) }
                file.append(part)
            }
        }
        try file.write(to: written)

        let (status, output) = try run(
            Self.python, [Self.root.appending(path: "Tests/python/wire_cross_check.py").path, written.path, variants.path])
        #expect(status == 0, "\(output)")
        #expect(output.hasSuffix("\(samples.count) checked, 0 wrong\n"))

        var reader = ByteReader(Bytes(try Data(contentsOf: variants)))
        for sample in samples {
            let type = try reader.read(count: Int(try reader.read(UInt32.self)))
            let variant = try reader.read(count: Int(try reader.read(UInt32.self)))
            #expect(type.utf8String == sample.type)
            #expect(try sample.check(variant), "\(sample.type): \(variant)")
        }
        #expect(reader.isAtEnd)
    }

    @Test("What stands beside the answer to a local read")
    func header() throws {
        let codec = Wire.Codec()
        let answers: [(KeyOperation, OperationResult)] = [
            (.get(key: "k"), .value(.data("v"), revision: 3)), (.strlen(key: "k"), .length(1)),
            (.keys(prefix: "", startAfter: "", limit: 0), .keys(["k"])),
        ]
        for (operation, result) in answers {
            for header in [nil, Wire.ResponseHeader(appliedIndex: 7, leaderHeardMs: nil), .init(appliedIndex: .init(.max), leaderHeardMs: 0)] {
                let bytes = codec.encode(result, revision: 0, header: header)
                let read = try decoding(bytes) { span throws(Wire.DecodeFailure) in
                    (try codec.decodeResponse(to: operation, span).result, try codec.decodeHeader(ofResponseTo: operation, span))
                }
                #expect(read.0 == .single(result) && read.1 == header)
            }
        }
    }

    @Test("The generated C is what the .proto files generate")
    func generated() throws {
        let (status, output) = try run(Self.root.appending(path: "scripts/generate-proto").path, ["--check"])
        #expect(status == 0, "\(output)")
    }

    @Test("The descriptors for reflection name every call")
    func descriptors() {
        let text = Wire.fileDescriptorSet.array
        for path in Wire.Path.all + Wire.Path.faults {
            let parts = path.split(separator: "/")
            #expect(parts[0].hasPrefix("swiftwater.v1."))
            for name in [parts[0].dropFirst("swiftwater.v1.".count), parts[1]] {
                #expect(text.firstRange(of: Array(name.utf8)) != nil, "\(name)")
            }
        }
    }

    /// The Python that scripts/test names, the one that scripts/setup made, or else the machine's.
    private static var python: String {
        if let named = ProcessInfo.processInfo.environment["SWIFTWATER_PYTHON"] { return named }
        let own = root.appending(path: ".venv/bin/python").path
        return FileManager.default.isExecutableFile(atPath: own) ? own : "python3"
    }

    /// Runs a program to its end; its status, and what it printed. Not with Foundation's Process: it leaks a little at
    /// each run, which LeakSanitizer counts as ours.
    private func run(_ program: String, _ arguments: [String]) throws -> (Int32, String) {
        let words = ([program] + arguments).map { "'" + $0.replacing("'", with: "'\\''") + "'" }
        let pipe = try #require(popen(words.joined(separator: " ") + " 2>&1", "r"))
        var output: [UInt8] = []
        var byte = fgetc(pipe)
        while byte != EOF {
            output.append(UInt8(truncatingIfNeeded: byte))
            byte = fgetc(pipe)
        }
        let status = pclose(pipe)
        return (status, String(decoding: output, as: UTF8.self))
    }
}
