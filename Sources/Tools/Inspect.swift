import ArgumentParser
import Base
import Consensus
import Keyspace
import LogFormat
import Replica
import Server
import Storage
import Wire

/// `swiftwater inspect DATA-DIR`, `swiftwater inspect BACKUP`
struct InspectArguments: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftwater inspect",
        abstract: "Look at a stopped member's data directory, and verify all of it.",
        discussion: """
            Tells who the member is, its term and vote, what its segments and snapshots hold, and whether every checksum \
            holds. Nothing is changed, not even what a start would tidy up. A member that runs has its directory locked: \
            stop it first, or look at a copy. Of a file it says whether it is a whole backup.

            Ends with 0 when a member can start here; with 65 when something is damaged or newer than this program, which \
            is named by file and byte; with 69 when the member runs; with 74 when the disk fails. --output json prints \
            each entry of --records as an object on a line, and one object for the rest at the end.
            """)

    @Argument(help: "The data directory, or a backup.") var directory: String
    @Flag(help: "List the entries of the log too, in the order of the files.") var records = false
    @Option(help: ArgumentHelp("With --records: from this index on.", valueName: "I")) var from: UInt64 = 0
    @Option(help: ArgumentHelp("With --records: at most so many.", valueName: "N")) var limit: UInt64?
    @Option(help: "How to print it: text or json.") var output: String?
}

extension Program {
    func inspect(_ words: [String], _ format: OutputFormat?) throws(UsageError) -> Printed {
        guard case .arguments(let arguments) = try InspectArguments.read(words) else {
            return Printed(line: InspectArguments.helpMessage())
        }
        guard arguments.records || arguments.from == 0 && arguments.limit == nil else {
            throw UsageError("--from and --limit choose among --records", hint: "try: swiftwater inspect --help")
        }
        let format = try OutputFormat.read(arguments.output, before: format)
        if BackupFile.isFile(arguments.directory) { return Self.inspected(backup: arguments.directory, format) }
        let directory: ReadOnlyDirectory
        do {
            directory = try ReadOnlyDirectory(path: arguments.directory)
        } catch {
            return Self.refusal(error)
        }
        var records = RecordPrinter(format, from: Index(arguments.from), limit: arguments.limit ?? .max)
        let inspection = Storage.inspect(directory) { frame in
            guard arguments.records else { return }
            let text = records.lines(frame).map { $0 + "\n" }.joined()
            if !text.isEmpty { _ = writeAll(Array(text.utf8)) }
        }
        guard !inspection.isBlank else {
            return Printed(errors: "swiftwater: there is no member in \(arguments.directory)\n", code: .usage)
        }
        var report = InspectReport(directory: arguments.directory, inspection: inspection)
        for snapshot in inspection.snapshots { report.add(SnapshotCheck(snapshot, in: directory)) }
        return report.printed(format, after: records.count > 0)
    }

    private static func inspected(backup path: String, _ format: OutputFormat) -> Printed {
        do throws(RestoreFailure) {
            let summary = try BackupFile.check(path)
            guard format == .text else { return Printed(line: summary.json.text) }
            return Printed(lines: summary.lines(path) + ["", "everything checks out"])
        } catch {
            return Printed(errors: "swiftwater: \(error)\n", code: error.code)
        }
    }

    private static func refusal(_ failure: RealDirectory.Failure) -> Printed {
        switch failure {
        case .inUse(let path):
            Printed(
                errors: "swiftwater: \(path) is in use: its member is running. Stop it first, or look at a copy\n",
                code: .unavailable)
        case .disk(let path, let error):
            Printed(errors: "swiftwater: \(path): \(error.call) failed: \(error.message)\n", code: .diskError)
        }
    }
}

/// A snapshot, read from end to end.
struct SnapshotCheck {
    let header: SnapshotHeader
    /// Nil when its first chunk cannot be read.
    private(set) var head: SnapshotHead?
    private(set) var configuration: Configuration?
    /// Of its last chunk, which takes in all before it; nil when the content is damaged.
    private(set) var checksum: UInt32?
    private(set) var failure: RecoveryFailure?

    init(_ header: SnapshotHeader, in directory: some DirectoryImage) {
        self.header = header
        let file = DiskFile.snapshot(header.index.rawValue)
        var decoder = SnapshotDecoder(checking: ())
        do {
            try Storage.content(of: header, from: directory) { (piece) throws(SnapshotFault) in try decoder.feed(piece) }
        } catch {
            switch error {
            case .disk(let error): failure = .disk(error)
            case .content(let fault): failure = RecoveryFailure(fault, in: file)
            }
        }
        head = decoder.head
        guard failure == nil else { return }
        do {
            let head = try decoder.finishChecking()
            checksum = decoder.checksum
            failure = Self.contradiction(head, header, file)
            configuration = try Configuration(decoding: head.configuration)
        } catch let fault as SnapshotFault {
            failure = RecoveryFailure(fault, in: file)
        } catch {
            failure = .damaged(Damage(file, at: SnapshotHeader.contentStart, "its configuration cannot be read"))
        }
    }

    private static func contradiction(_ head: SnapshotHead, _ header: SnapshotHeader, _ file: DiskFile) -> RecoveryFailure? {
        guard head.index != header.index || head.term != header.term else { return nil }
        return .damaged(Damage(file, at: SnapshotHeader.contentStart, "it does not hold what its head announces"))
    }
}

/// Prints the log's entries as an inspection comes by them.
struct RecordPrinter {
    private let format: OutputFormat
    private let from: Index
    private let limit: UInt64
    private(set) var count: UInt64 = 0

    init(_ format: OutputFormat, from: Index, limit: UInt64) {
        self.format = format
        self.from = from
        self.limit = limit
    }

    /// Without line ends.
    mutating func lines(_ frame: InspectedFrame) -> [String] {
        var lines: [String] = []
        if frame.supersedes, format == .text, count > 0, count < limit {
            lines.append("          (what stood at \(frame.header.firstIndex) and behind it counts no more)")
        }
        for entry in frame.entries where entry.index >= from && count < limit {
            if count == 0, format == .text {
                lines.append("   INDEX    TERM  KIND           SEGMENT        BYTE  COMMAND")
            }
            count += 1
            let record = Wire.LogRecord(entry, isCommitted: false)
            lines.append(format == .json ? Self.json(record, frame) : Self.row(record, frame))
        }
        return lines
    }

    private static func row(_ record: Wire.LogRecord, _ frame: InspectedFrame) -> String {
        func right(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        let kind = LogPrinter.kind(record.kind)
        let row = [
            right("\(record.index)", 8), right("\(record.term)", 6),
            kind + String(repeating: " ", count: max(0, 13 - kind.count)), right("\(frame.header.segment)", 7),
            right("\(frame.offset)", 10), LogPrinter.brief(LogPrinter.description(record)),
        ].joined(separator: "  ")
        return String(row.reversed().drop { $0 == " " }.reversed())
    }

    private static func json(_ record: Wire.LogRecord, _ frame: InspectedFrame) -> String {
        // What is committed, a disk alone cannot say.
        let members = LogPrinter.json(record).filter { $0.0 != "committed" }
        return JSONText.object(members + [
            ("file", .string(DiskFile.segment(frame.header.segment).name)), ("offset", .integer(Int64(frame.offset))),
            ("frame", .unsigned(frame.header.sequence)),
        ]).text
    }
}
