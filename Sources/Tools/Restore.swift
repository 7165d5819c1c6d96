import ArgumentParser
import Base
import Client
import Glibc
import Keyspace
import Server

/// `swiftwater restore FILE --data-dir DIR`
struct RestoreArguments: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftwater restore",
        abstract: "Make a new cluster out of a backup.",
        discussion: """
            Makes the data directory of the new cluster's first member, which is its only one until others join it: start \
            it with swiftwaterd --data-dir DIR, and every other with an empty directory and --join. They get the store from \
            it. The cluster has an id of its own, so that members of the old one are never taken for its members. Restore \
            one member only: two restores make two clusters.

            Every key keeps its value, its revisions and its version; the store its revision. Sessions end: clients open \
            new ones, and learn of writes whose outcome nobody knows. DIR must not be there; it is when all of it is on the \
            disk. FILE may be - for standard input. Ends with 65 when FILE is not a whole backup, which is named by byte.
            """)

    @Argument(help: "What swiftwater backup wrote; - for standard input.") var file: String
    @Option(help: ArgumentHelp("The new member's data directory.", valueName: "DIR")) var dataDir: String
    @Option(help: ArgumentHelp("The new member's name.", valueName: "NAME")) var name = "n1"
    @Option(help: ArgumentHelp("How others will reach it.", valueName: "HOST:PORT")) var advertise = "127.0.0.1:7401"
    @Option(help: "How to print the result: text or json.") var output: String?
}

extension Program {
    func restore(_ words: [String], _ format: OutputFormat?) throws(UsageError) -> Printed {
        guard case .arguments(let arguments) = try RestoreArguments.read(words) else {
            return Printed(line: RestoreArguments.helpMessage())
        }
        let format = try OutputFormat.read(arguments.output, before: format)
        try Self.check(arguments)
        guard !Restoring.isTaken(arguments.dataDir) else {
            throw UsageError("\(arguments.dataDir) is there already: a restore makes a new directory")
        }
        do throws(RestoreFailure) {
            var keyspace = Keyspace()
            let summary = try BackupFile.read(arguments.file, into: &keyspace)
            let restoring = Restoring(name: arguments.name, address: arguments.advertise, behind: summary.head.index)
            do { try restoring.make(arguments.dataDir, of: keyspace) } catch { throw .directory(error) }
            return Self.printed(restoring, summary, arguments, format)
        } catch {
            return Printed(errors: "swiftwater: \(error)\n", code: error.code)
        }
    }

    private static func check(_ arguments: RestoreArguments) throws(UsageError) {
        guard (1...255).contains(arguments.name.utf8.count) else { throw UsageError("--name is 1 to 255 bytes long") }
        do {
            guard try Endpoint.list(arguments.advertise).count == 1 else { throw UsageError("--advertise is one HOST:PORT") }
        } catch {
            throw UsageError("--advertise: \(error)")
        }
    }

    private static func printed(
        _ restoring: Restoring, _ summary: BackupSummary, _ arguments: RestoreArguments, _ format: OutputFormat
    ) -> Printed {
        guard format == .text else {
            return Printed(line: JSONText.object([
                ("data_dir", .string(arguments.dataDir)), ("name", .string(restoring.name)),
                ("address", .string(restoring.address)), ("member_id", .string("\(restoring.member)")),
                ("cluster_id", .string("\(restoring.cluster)")), ("log_begins_behind", .unsigned(restoring.base.rawValue)),
                ("backup", summary.json),
            ]).text)
        }
        return Printed(lines: [
            "\(BenchReport.grouped(UInt64(summary.content.keyCount))) keys at revision \(summary.content.revision), "
                + "from cluster \(summary.head.cluster) as of entry \(summary.head.index)",
            "\(arguments.dataDir) holds \(restoring.name), the first member of the new cluster \(restoring.cluster)",
            "",
            "start it:    swiftwaterd --name \(restoring.name) --data-dir \(arguments.dataDir) --listen \(restoring.address)",
            "add others:  swiftwaterd --name NAME --data-dir EMPTY-DIR --listen HOST:PORT --join \(restoring.address)",
        ])
    }
}

/// Why nothing was restored.
enum RestoreFailure: Error, CustomStringConvertible {
    case reading(path: String, code: Int32)
    case damaged(path: String, BackupFault)
    case directory(StartFailure)

    var code: ExitCode {
        switch self {
        case .reading: .diskError
        case .damaged: .damaged
        case .directory(let failure): ExitCode(rawValue: failure.exitCode) ?? .diskError
        }
    }

    var description: String {
        switch self {
        case .reading(let path, let code): "\(path): \(String(cString: strerror(code)))"
        case .damaged(let path, let fault): "\(path): \(fault)"
        case .directory(let failure): failure.description
        }
    }
}

/// A backup in a file, or on standard input.
enum BackupFile {
    private static let pieceBytes = 1 << 20

    /// Whether that is a file, and no directory.
    static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Puts what it holds into `keyspace`.
    static func read(_ path: String, into keyspace: inout Keyspace) throws(RestoreFailure) -> BackupSummary {
        var decoder = BackupDecoder()
        let content = try feed(&decoder, path)
        do throws(BackupFault) {
            keyspace = try decoder.finish()
            return try summary(decoder, content)
        } catch {
            throw .damaged(path: path, error)
        }
    }

    /// The same without a keyspace.
    static func check(_ path: String) throws(RestoreFailure) -> BackupSummary {
        var decoder = BackupDecoder(checking: ())
        let content = try feed(&decoder, path)
        do { return try summary(decoder, content) } catch { throw .damaged(path: path, error) }
    }

    private static func summary(
        _ decoder: borrowing BackupDecoder, _ content: SnapshotHead
    ) throws(BackupFault) -> BackupSummary {
        guard let head = decoder.head else { throw .truncated(at: 0) }
        return BackupSummary(
            head: head, content: content, bytes: decoder.byteCount, checksum: decoder.checksum, milliseconds: nil)
    }

    /// All of the file, and then its own verdict.
    private static func feed(_ decoder: inout BackupDecoder, _ path: String) throws(RestoreFailure) -> SnapshotHead {
        let isPiped = path == "-"
        let name = isPiped ? "standard input" : path
        let descriptor = isPiped ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .reading(path: name, code: errno) }
        defer { if !isPiped { close(descriptor) } }
        var status = stat()
        let size = fstat(descriptor, &status) == 0 && status.st_size > 0 ? UInt64(status.st_size) : 0
        let bar = ProgressBar()
        defer { bar.clear() }
        var buffer = [UInt8](repeating: 0, count: pieceBytes)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .reading(path: name, code: errno) }
            do throws(BackupFault) {
                guard count > 0 else { return try decoder.finishChecking() }
                try decoder.feed(Bytes(buffer[..<count]))
            } catch {
                throw .damaged(path: name, error)
            }
            bar.show(
                decoder.byteCount, of: size,
                "\(ProgressBar.size(decoder.byteCount)), \(BenchReport.grouped(UInt64(decoder.keyCount))) keys")
        }
    }
}
