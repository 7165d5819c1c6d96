import Base
import Consensus
import Keyspace
import LogFormat
import Storage

/// What `inspect` found, for people and for programs.
struct InspectReport {
    let directory: String
    let inspection: Inspection
    private(set) var snapshots: [SnapshotCheck] = []
    private(set) var failures: [RecoveryFailure]

    init(directory: String, inspection: Inspection) {
        self.directory = directory
        self.inspection = inspection
        failures = inspection.failures
    }

    mutating func add(_ snapshot: SnapshotCheck) {
        snapshots.append(snapshot)
        if let failure = snapshot.failure { failures.append(failure) }
    }

    private var code: ExitCode {
        let isDisk = failures.contains { if case .disk = $0 { true } else { false } }
        return isDisk ? .diskError : failures.isEmpty ? .done : .damaged
    }

    /// `after`: something stands above it already.
    func printed(_ format: OutputFormat, after: Bool) -> Printed {
        switch format {
        case .json: Printed(line: json.text, code: code)
        case .text: Printed(lines: (after ? [""] : []) + lines, code: code)
        }
    }

    // MARK: Text

    private var lines: [String] {
        var lines = who + [""] + segmentLines
        if !snapshots.isEmpty { lines += [""] + snapshotLines }
        for draft in inspection.drafts {
            lines.append("\(draft.file.name): \(draft.size) bytes of a file that was not finished; a start removes it")
        }
        if let torn = inspection.torn {
            lines += ["", "\(torn.file.name), byte \(torn.offset): a start cuts the log here: \(torn.reason)"]
        }
        return lines + [""] + verdict
    }

    private var who: [String] {
        var lines: [String] = []
        if let identity = inspection.identity {
            let cluster = identity.cluster == 0 ? "no cluster yet" : "cluster \(identity.cluster)"
            lines.append("\(directory): member \(identity.name), id \(identity.member), \(cluster)")
        } else {
            lines.append("\(directory): a member whose identity cannot be read")
        }
        if let bootstrap = inspection.bootstrap, !bootstrap.members.isEmpty {
            lines.append("began with \(Self.text(bootstrap))")
        }
        if let state = inspection.hardState {
            let vote = state.votedFor.map { "voted for \(name(of: $0))" } ?? "no vote"
            lines.append("term \(state.term), \(vote)")
        }
        if let log = inspection.log {
            lines.append("log: entries \(log.lowerBound) to \(log.upperBound)")
        } else if failures.isEmpty {
            lines.append("log: no entries")
        }
        if inspection.setsLogAside {
            lines.append("the log does not go on from the snapshot, which came from another member: a start sets it aside")
        }
        return lines
    }

    private func name(of member: MemberID) -> String {
        let configurations = snapshots.compactMap(\.configuration) + [inspection.bootstrap].compactMap { $0 }
        return configurations.lazy.compactMap { $0[member]?.name }.first ?? "\(member)"
    }

    private var segmentLines: [String] {
        var table = TextTable([
            ("SEGMENT", .left), ("FIRST", .right), ("LAST", .right), ("TERMS", .right), ("FRAMES", .right),
            ("USED", .right), ("BYTES", .right),
        ])
        for segment in inspection.segments {
            let terms = segment.terms.map { $0.lowerBound == $0.upperBound ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            table.add([
                DiskFile.segment(segment.number).name, segment.indexes.map { "\($0.lowerBound)" } ?? "-",
                segment.indexes.map { "\($0.upperBound)" } ?? "-", terms ?? "-", "\(segment.frames)",
                "\(segment.used)", "\(segment.bytes)",
            ])
        }
        return table.lines
    }

    private var snapshotLines: [String] {
        var table = TextTable([
            ("SNAPSHOT", .left), ("INDEX", .right), ("TERM", .right), ("KEYS", .right), ("SESSIONS", .right),
            ("REVISION", .right), ("BYTES", .right), ("CHECKSUM", .right),
        ])
        for snapshot in snapshots {
            table.add([
                DiskFile.snapshot(snapshot.header.index.rawValue).name, "\(snapshot.header.index)",
                "\(snapshot.header.term)", snapshot.head.map { "\($0.keyCount)" } ?? "?",
                snapshot.head.map { "\($0.sessionCount)" } ?? "?", snapshot.head.map { "\($0.revision)" } ?? "?",
                "\(SnapshotHeader.contentStart + snapshot.header.length)",
                snapshot.checksum.map(Self.hexadecimal) ?? "damaged",
            ])
        }
        let configurations = snapshots.compactMap { snapshot -> String? in
            guard let configuration = snapshot.configuration, let head = snapshot.head else { return nil }
            return "\(snapshot.header.index) has the configuration of entry \(head.configurationIndex): "
                + Self.text(configuration)
        }
        return table.lines + configurations
    }

    private var verdict: [String] {
        guard !failures.isEmpty else { return ["everything checks out"] }
        return failures.map { failure in
            switch failure {
            case .damaged(let damage): "DAMAGED: \(damage.file.name), byte \(damage.offset): \(damage.reason)"
            case .newerFormat, .disk: "UNREADABLE: \(failure)"
            }
        } + [isStartable
            ? "a member starts here, as it needs nothing of what is damaged: it waits to be written over; look after the disk, though"
            : "a member does not start here: remove it from its cluster, and add it again with an empty data directory"]
    }

    private var isStartable: Bool {
        inspection.starts && failures.allSatisfy { failure in
            if case .damaged(let damage) = failure { inspection.superfluous.contains(damage.file) } else { false }
        }
    }

    static func text(_ configuration: Configuration) -> String {
        configuration.members.sorted { $0.name < $1.name }
            .map { "\($0.name)=\($0.address)\($0.isVoter ? "" : " (learner)")" }.joined(separator: ", ")
    }

    static func hexadecimal(_ checksum: UInt32) -> String {
        let digits = String(checksum, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

extension InspectReport {
    private var json: JSONText {
        var members: [(String, JSONText)] = [("directory", .string(directory)), ("intact", .bool(failures.isEmpty))]
        if let identity = inspection.identity {
            members += [
                ("name", .string(identity.name)), ("member_id", .string("\(identity.member)")),
                ("cluster_id", .string("\(identity.cluster)")),
            ]
        }
        if let bootstrap = inspection.bootstrap { members.append(("first_configuration", Self.json(bootstrap))) }
        if let state = inspection.hardState {
            members += [
                ("term", .unsigned(state.term.rawValue)), ("voted_for", state.votedFor.map { .string("\($0)") } ?? .null),
            ]
        }
        members += [
            ("first_index", inspection.log.map { .unsigned($0.lowerBound.rawValue) } ?? .null),
            ("last_index", inspection.log.map { .unsigned($0.upperBound.rawValue) } ?? .null),
            ("sets_log_aside", .bool(inspection.setsLogAside)),
            ("segments", .array(inspection.segments.map(Self.json))),
            ("snapshots", .array(snapshots.map(Self.json))),
            ("drafts", .array(inspection.drafts.map { .string($0.file.name) })),
            ("torn", inspection.torn.map(Self.json) ?? .null),
            ("damage", .array(failures.map(Self.json))),
        ]
        return .object(members)
    }

    private static func json(_ segment: Inspection.Segment) -> JSONText {
        .object([
            ("file", .string(DiskFile.segment(segment.number).name)),
            ("first_index", segment.indexes.map { .unsigned($0.lowerBound.rawValue) } ?? .null),
            ("last_index", segment.indexes.map { .unsigned($0.upperBound.rawValue) } ?? .null),
            ("first_term", segment.terms.map { .unsigned($0.lowerBound.rawValue) } ?? .null),
            ("last_term", segment.terms.map { .unsigned($0.upperBound.rawValue) } ?? .null),
            ("frames", .integer(Int64(segment.frames))), ("entries", .integer(Int64(segment.entries))),
            ("used", .integer(Int64(segment.used))), ("bytes", .integer(Int64(segment.bytes))),
        ])
    }

    private static func json(_ snapshot: SnapshotCheck) -> JSONText {
        var members: [(String, JSONText)] = [
            ("file", .string(DiskFile.snapshot(snapshot.header.index.rawValue).name)),
            ("index", .unsigned(snapshot.header.index.rawValue)), ("term", .unsigned(snapshot.header.term.rawValue)),
            ("bytes", .integer(Int64(SnapshotHeader.contentStart + snapshot.header.length))),
        ]
        if let head = snapshot.head {
            members += [
                ("keys", .integer(Int64(head.keyCount))), ("sessions", .integer(Int64(head.sessionCount))),
                ("revision", .unsigned(head.revision)), ("time_ms", .unsigned(head.timeMs)),
                ("configuration_index", .unsigned(head.configurationIndex.rawValue)),
            ]
        }
        if let configuration = snapshot.configuration { members.append(("configuration", json(configuration))) }
        members.append(("checksum", snapshot.checksum.map { .string(hexadecimal($0)) } ?? .null))
        return .object(members)
    }

    static func json(_ configuration: Configuration) -> JSONText {
        .array(configuration.members.map { member in
            .object([
                ("name", .string(member.name)), ("address", .string(member.address)), ("id", .string("\(member.id)")),
                ("voter", .bool(member.isVoter)),
            ])
        })
    }

    private static func json(_ damage: Damage) -> JSONText {
        .object([
            ("file", .string(damage.file.name)), ("offset", .integer(Int64(damage.offset))),
            ("reason", .string(damage.reason)),
        ])
    }

    private static func json(_ failure: RecoveryFailure) -> JSONText {
        switch failure {
        case .damaged(let damage): json(damage)
        case .newerFormat(let file, let version):
            .object([
                ("file", .string(file.name)), ("offset", .integer(0)),
                ("reason", .string("it has format \(version), which is newer than this program")),
            ])
        case .disk(let error):
            .object([
                ("file", error.file.map { .string($0.name) } ?? .null), ("offset", .null), ("reason", .string(error.description)),
            ])
        }
    }
}
