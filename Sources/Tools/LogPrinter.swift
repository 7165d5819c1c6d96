import Base
import Consensus
import Keyspace
import Wire

/// Prints a member's log, a batch of entries at a time: a log can be longer than memory.
public struct LogPrinter: Sendable {
    let style: Style
    /// How much of a command is shown in text, in characters; JSON has all of it.
    static let commandLength = 60
    private var hasHeading = false
    private var count = 0

    public init(_ style: Style) { self.style = style }

    /// The lines of the next entries. In JSON each is an object on a line of its own.
    public mutating func lines(_ records: [Wire.LogRecord]) -> [String] {
        count += records.count
        if style == .json { return records.map { JSONText.object(Self.json($0)).text } }
        var lines: [String] = []
        if !hasHeading, !records.isEmpty {
            lines.append("   INDEX    TERM  KIND           COMMITTED  COMMAND")
            hasHeading = true
        }
        return lines + records.map(Self.row)
    }

    /// What stands below the last entry.
    public func ending(node: String) -> [String] {
        guard style != .json else { return [] }
        let of = node.isEmpty ? "" : " of \(node)'s log"
        return ["(\(count) \(count == 1 ? "entry" : "entries")\(of))"]
    }

    private static func row(_ record: Wire.LogRecord) -> String {
        func right(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        func left(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        let row = [
            right("\(record.index)", 8), right("\(record.term)", 6), left(kind(record.kind), 13),
            left(record.isCommitted ? "yes" : "not yet", 9), brief(description(record)),
        ].joined(separator: "  ")
        return String(row.reversed().drop { $0 == " " }.reversed())
    }

    static func kind(_ kind: Entry.Kind) -> String {
        switch kind {
        case .noOperation: "no-operation"
        case .command: "command"
        case .configuration: "configuration"
        case .openSession: "open session"
        case .closeSession: "close session"
        default: "kind \(kind.rawValue)"
        }
    }

    static func brief(_ text: String) -> String {
        text.count <= commandLength ? text : text.prefix(commandLength - 1) + "…"
    }

    /// An entry's kind, and the beginning of what it says.
    static func summary(_ record: Wire.LogRecord) -> String {
        let said = brief(description(record))
        return said.isEmpty ? kind(record.kind) : "\(kind(record.kind)): \(said)"
    }

    static func description(_ record: Wire.LogRecord) -> String {
        switch (record.command, record.configuration) {
        case (.single(let operation)?, _): typed(operation)
        case (.transaction(let operations)?, _): operations.map(typed).joined(separator: "; ")
        case (nil, let configuration?):
            configuration.members.sorted { $0.name < $1.name }
                .map { "\($0.name)=\($0.address)\($0.isVoter ? "" : " (learner)")" }.joined(separator: ", ")
        case (nil, nil): record.kind == .command ? "(\(record.size) bytes that this program cannot read)" : ""
        }
    }

    /// An operation as one would type it at the prompt.
    public static func typed(_ operation: Operation) -> String {
        switch operation {
        case .ping: "ping"
        case .get(let key): typed("get", [key])
        case .set(let key, .data(let data)): typed("set", [key, data])
        case .set(let key, .list(let items)): typed("set --list", [key] + items.prefix(commandLength))
        case .strlen(let key): typed("strln", [key])
        case .delete(let key): typed("del", [key])
        case .append(let key, let suffix): typed("append", [key, suffix])
        case .appendItem(let key, let item): typed("append --item", [key, item])
        case .keys(let prefix, _, _): prefix.isEmpty ? "keys" : typed("keys", [prefix])
        }
    }

    private static func typed(_ command: String, _ words: [Bytes]) -> String {
        // A word of which only the beginning will be seen needs no more than that.
        let words = words.map { $0.count > 4 * commandLength ? $0[0..<4 * commandLength] : $0 }
        let looksLikeOption = words.contains { $0.hasPrefix("--") || $0 == "-h" }
        return command + (looksLikeOption ? " -- " : " ") + words.map(Quoting.word).joined(separator: " ")
    }
}

extension LogPrinter {
    static func json(_ record: Wire.LogRecord) -> [(String, JSONText)] {
        var members: [(String, JSONText)] = [
            ("index", .unsigned(record.index.rawValue)), ("term", .unsigned(record.term.rawValue)),
            ("kind", .string(kind(record.kind))), ("time_ms", .unsigned(record.timeMs)),
            ("committed", .bool(record.isCommitted)), ("size", .unsigned(record.size)),
        ]
        switch record.command {
        case .single(let operation)?: members.append(("operations", .array([json(operation)])))
        case .transaction(let operations)?:
            members += [("transaction", .bool(true)), ("operations", .array(operations.map(json)))]
        case nil: break
        }
        if let configuration = record.configuration {
            members.append(("members", .array(configuration.members.map { member in
                .object([
                    ("name", .string(member.name)), ("address", .string(member.address)),
                    ("id", .string("\(member.id)")), ("voter", .bool(member.isVoter)),
                ])
            })))
        }
        if let request = record.requestID {
            members += [("session_id", .unsigned(request.sessionID)), ("sequence", .unsigned(request.sequence))]
        }
        return members
    }

    private static func json(_ operation: Operation) -> JSONText {
        let key: [(String, JSONText)] = operation.key.map { [("key", ResultPrinter.json($0))] } ?? []
        func named(_ name: String, _ rest: [(String, JSONText)] = []) -> JSONText {
            .object([("command", .string(name))] + key + rest)
        }
        switch operation {
        case .ping: return named("ping")
        case .get: return named("get")
        case .set(_, let value): return named("set", [("value", ResultPrinter.json(value))])
        case .strlen: return named("strln")
        case .delete: return named("del")
        case .append(_, let suffix): return named("append", [("suffix", ResultPrinter.json(suffix))])
        case .appendItem(_, let item): return named("append", [("item", ResultPrinter.json(item))])
        case .keys(let prefix, _, _): return named("keys", [("prefix", ResultPrinter.json(prefix))])
        }
    }
}
