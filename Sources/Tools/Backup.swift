import ArgumentParser
import Base
import Client
import Glibc
import Keyspace
import Synchronization
import Wire

/// `swiftwater backup FILE`
struct BackupArguments: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftwater backup",
        abstract: "Copy the whole store, as it is at one moment, into a file.",
        discussion: """
            The moment is one entry of the log, not before any write that was acknowledged when the backup began; writes go \
            on meanwhile. Name a follower in --endpoints to spare the leader the work. Every byte is checked on its way \
            and once more as a whole; FILE gets its name, in the place of an older one, when all of it is on the disk. \
            With - the backup goes to standard output, and what is said of it to standard error.

            swiftwater restore makes a new cluster of it; swiftwater inspect verifies it. Ends with 74 when FILE cannot be \
            written.
            """)

    @Argument(help: "Where it goes; - for standard output.") var file: String
    @Option(help: ArgumentHelp("Members to ask (default: 127.0.0.1:7401, or $SWIFTWATER_ENDPOINTS).", valueName: "h:p,…"))
    var endpoints: String?
    @Option(help: "How long to wait for a member that says nothing, like 5s or 500ms.") var timeout: String?
    @Option(help: "How to print the result: text or json.") var output: String?

    func connection(_ before: Grammar.Connection) throws(UsageError) -> Grammar.Connection {
        var own = Grammar.Connection()
        for (name, value) in [("--endpoints", endpoints), ("--timeout", timeout), ("--output", output)] {
            if let value { _ = try own.read(name, value) }
        }
        return before.overridden(by: own)
    }
}

extension Program {
    func backup(_ words: [String], _ connection: Grammar.Connection) throws(UsageError) -> Printed {
        guard case .arguments(let arguments) = try BackupArguments.read(words) else {
            return Printed(line: BackupArguments.helpMessage())
        }
        let connection = try arguments.connection(connection)
        let client = try client(connection)
        let isPiped = arguments.file == "-"
        let target: BackupTarget
        do {
            target = try isPiped ? BackupTarget(descriptor: STDOUT_FILENO) : BackupTarget(path: arguments.file)
        } catch {
            return Self.printed(error)
        }
        let began = monotonicMs()
        let failure = blocking { () -> ClientError? in
            defer { blocking { await client.close() } }
            do throws(ClientError) {
                try await client.eachBackupPiece { pieces in target.take(pieces) }
                return nil
            } catch {
                return error
            }
        }
        target.bar.clear()
        let summary: BackupSummary
        do throws(BackupFailure) {
            if let problem = target.problem { throw problem }
            if let failure {
                target.giveUp()
                let style: Style = connection.output == .json ? .json : .plain
                return Runner(client: client, style: style, write: writeAll).printed(failure)
            }
            summary = try target.finish(milliseconds: monotonicMs() - began)
        } catch {
            target.giveUp()
            return Self.printed(error)
        }
        let lines = connection.output == .json ? [summary.json.text] : summary.lines(isPiped ? nil : arguments.file)
        return isPiped ? Printed(errors: lines.map { $0 + "\n" }.joined()) : Printed(lines: lines)
    }

    private static func printed(_ failure: BackupFailure) -> Printed {
        Printed(errors: "swiftwater: \(failure)\n", code: failure.code)
    }
}

/// Why a backup is not there, beside what a member says.
enum BackupFailure: Error, CustomStringConvertible {
    case file(call: String, path: String, code: Int32)
    case isBusy(path: String)
    /// What came is no backup.
    case damaged(BackupFault)

    var code: ExitCode {
        switch self {
        case .file: .diskError
        case .isBusy: .unavailable
        case .damaged: .damaged
        }
    }

    var description: String {
        switch self {
        case .file(let call, let path, let code): "\(path): \(call) failed: \(String(cString: strerror(code)))"
        case .isBusy(let path): "\(path) is being written by another backup"
        case .damaged(let fault): "what the member sent is no backup: \(fault)"
        }
    }
}

/// Where a backup goes: bytes are checked and written as they come.
final class BackupTarget: Sendable {
    let bar = ProgressBar()
    /// The file's own name; nil for a pipe.
    private let path: String?
    private let descriptor: Int32
    private struct State: ~Copyable {
        var decoder = BackupDecoder(checking: ())
        var problem: BackupFailure?
    }
    private let state = Mutex(State())

    /// A pipe.
    init(descriptor: Int32) throws(BackupFailure) {
        path = nil
        self.descriptor = descriptor
    }

    /// A file, which has another name until it is whole.
    init(path: String) throws(BackupFailure) {
        self.path = path
        let draft = Self.draft(path)
        descriptor = open(draft, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .file(call: "open", path: draft, code: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw .isBusy(path: draft)
        }
        guard ftruncate(descriptor, 0) == 0 else { throw .file(call: "ftruncate", path: draft, code: errno) }
    }

    private static func draft(_ path: String) -> String { path + ".partial" }

    var problem: BackupFailure? { state.withLock { $0.problem } }

    /// False when no more is wanted.
    func take(_ pieces: [Wire.BackupPiece]) -> Bool {
        state.withLock { state in
            for piece in pieces {
                do throws(BackupFailure) {
                    do throws(BackupFault) { try state.decoder.feed(piece.data) } catch { throw .damaged(error) }
                    guard write(piece.data.array, to: descriptor) else {
                        throw .file(call: "write", path: path.map(Self.draft) ?? "standard output", code: errno)
                    }
                } catch {
                    state.problem = error
                    return false
                }
                bar.show(
                    piece.keys, of: piece.totalKeys,
                    "\(BenchReport.grouped(piece.keys)) of \(BenchReport.grouped(piece.totalKeys)) keys, "
                        + ProgressBar.size(state.decoder.byteCount))
            }
            return true
        }
    }

    /// All of it came: it is checked as a whole, synced, and gets its name.
    func finish(milliseconds: UInt64) throws(BackupFailure) -> BackupSummary {
        let summary = try state.withLock { (state) throws(BackupFailure) in
            do throws(BackupFault) {
                let content = try state.decoder.finishChecking()
                guard let head = state.decoder.head else { throw .truncated(at: 0) }
                return BackupSummary(
                    head: head, content: content, bytes: state.decoder.byteCount, checksum: state.decoder.checksum,
                    milliseconds: milliseconds)
            } catch {
                throw BackupFailure.damaged(error)
            }
        }
        guard let path else { return summary }
        let draft = Self.draft(path)
        guard fsync(descriptor) == 0 else { throw .file(call: "fsync", path: draft, code: errno) }
        guard rename(draft, path) == 0 else { throw .file(call: "rename", path: draft, code: errno) }
        close(descriptor)
        try syncDirectory(of: path)
        return summary
    }

    private func syncDirectory(of path: String) throws(BackupFailure) {
        let slash = path.lastIndex(of: "/")
        let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let number = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw .file(call: "open", path: parent, code: errno) }
        defer { close(number) }
        guard fsync(number) == 0 else { throw .file(call: "fsync", path: parent, code: errno) }
    }

    /// What came of it is removed.
    func giveUp() {
        guard let path else { return }
        unlink(Self.draft(path))
        close(descriptor)
    }
}

/// What is told of a backup that is whole.
struct BackupSummary: Equatable {
    var head: BackupHead
    var content: SnapshotHead
    var bytes: UInt64
    var checksum: UInt32
    /// How long it took to make; nil where nobody made it.
    var milliseconds: UInt64?

    /// `file` nil: a pipe.
    func lines(_ file: String?) -> [String] {
        let took = milliseconds.map { " in \(Durations.fixed(Double($0) / 1_000, places: 1)) s" } ?? ""
        return [
            "\(file ?? "standard output"): \(BenchReport.grouped(UInt64(content.keyCount))) keys, "
                + "\(ProgressBar.size(bytes))\(took), checksum \(InspectReport.hexadecimal(checksum))",
            "cluster \(head.cluster) as of entry \(head.index), revision \(content.revision), "
                + "\(content.sessionCount) sessions",
        ]
    }

    var fields: [(String, JSONText)] {
        [
            ("cluster_id", .string("\(head.cluster)")), ("member_id", .string("\(head.member)")),
            ("taken_ms", .unsigned(head.takenMs)), ("index", .unsigned(head.index.rawValue)),
            ("term", .unsigned(content.term.rawValue)), ("revision", .unsigned(content.revision)),
            ("keys", .integer(Int64(content.keyCount))), ("sessions", .integer(Int64(content.sessionCount))),
            ("bytes", .unsigned(bytes)), ("checksum", .string(InspectReport.hexadecimal(checksum))),
        ]
    }

    var json: JSONText { .object(fields + (milliseconds.map { [("milliseconds", .unsigned($0))] } ?? [])) }
}
