import Base
import Client
import Keyspace

/// Words into requests. One grammar for both the shell's command line and the prompt.
///
/// Options stand between a command and its first other word; for commands without free values they may stand
/// anywhere. `--` ends them. So `append counter -1` stores `-1`, and nobody has to think about it.
public struct Grammar: Sendable {
    /// What a command line can hold beside its request: set once, for the program or for this command.
    public struct Connection: Sendable, Equatable {
        public var endpoints: [Endpoint]?
        public var timeout: Interval?
        public var output: OutputFormat?

        public init(endpoints: [Endpoint]? = nil, timeout: Interval? = nil, output: OutputFormat? = nil) {
            self.endpoints = endpoints
            self.timeout = timeout
            self.output = output
        }
    }

    public enum Command: Equatable, Sendable {
        case request(Request)
        /// `transaction` without operations: they come from standard input.
        case transactionFromInput
        case help(about: String?)
        case exit
    }

    public struct Line: Equatable, Sendable {
        public var command: Command
        public var connection: Connection
    }

    public enum Place: Sendable { case prompt, commandLine }

    let place: Place

    public init(_ place: Place) { self.place = place }

    /// A line typed at the prompt: nil when it is empty. Several statements are a transaction.
    public func parse(line: String) throws(UsageError) -> Command? {
        var statements = try Self.statements(line.utf8)
        guard let first = statements.first else { return nil }
        if statements.count == 1, first[0] != "transaction" { return try parse(words: first).command }
        if first[0] == "transaction" {
            statements[0].removeFirst()
            if statements[0].isEmpty { statements.removeFirst() }
            if let asked = statements.first?.first, asked == "--help" || asked == "-h" {
                return .help(about: "transaction")
            }
            if statements.isEmpty { throw Self.wrongCount("transaction", "its operations are missing") }
        }
        return .request(try transaction(statements))
    }

    /// The words of one command.
    public func parse(words: [Bytes]) throws(UsageError) -> Line {
        guard let first = words.first else { throw UsageError("there is no command", hint: "try: help") }
        var name = first.utf8String ?? first.description
        var rest = words.dropFirst()
        if name == CommandReference.lab {
            // What the laboratory does is named by two words.
            guard let second = rest.popFirst(), second != "--help", second != "-h" else {
                return Line(command: .help(about: name), connection: Connection())
            }
            name += " \(second.utf8String ?? second.description)"
        }
        let known = place == .prompt ? CommandReference.atPrompt : CommandReference.oneShot
        guard let reference = known.first(where: { $0.name == name || $0.aliases.contains(name) }) else {
            throw unknownCommand(name, known)
        }
        var arguments = Arguments(reference, isOneShot: place == .commandLine)
        try arguments.read(rest)
        if arguments.wantsHelp {
            return Line(command: .help(about: reference.name), connection: Connection())
        }
        return Line(command: try command(reference.name, arguments), connection: arguments.connection)
    }

    private func unknownCommand(_ name: String, _ known: [CommandReference]) -> UsageError {
        if place == .prompt, CommandReference.named(name)?.needsShell == true {
            return UsageError("'\(name)' runs from the shell", hint: "leave with Ctrl-D, then: swiftwater \(name)")
        }
        let near = CommandReference.nearest(to: name, in: known).map { "did you mean: \($0)" }
        return UsageError("there is no command '\(name)'", hint: near ?? "try: \(helpCommand)")
    }

    private var helpCommand: String { place == .prompt ? "help" : "swiftwater help" }

    private func command(_ name: String, _ arguments: Arguments) throws(UsageError) -> Command {
        switch name {
        case "help":
            try arguments.expect(0...2)
            let words = arguments.words.map { $0.utf8String ?? $0.description }
            guard words.count < 2 || words[0] == CommandReference.lab else { throw Self.wrongCount(name, "it takes one command's name") }
            return .help(about: words.isEmpty ? nil : words.joined(separator: " "))
        case "exit":
            try arguments.expect(0...0)
            return .exit
        case "transaction":
            if arguments.words.isEmpty { return .transactionFromInput }
            return .request(try transaction(try Self.operations(arguments.words)))
        case _ where name.hasPrefix(CommandReference.lab + " "):
            return .request(.lab(try LabOrder(String(name.dropFirst(CommandReference.lab.count + 1)), arguments)))
        default:
            return .request(try request(name, arguments))
        }
    }

    private func request(_ name: String, _ arguments: Arguments) throws(UsageError) -> Request {
        switch name {
        case "ping", "status", "members":
            try arguments.expect(0...0)
            return name == "ping" ? .operation(.ping) : name == "status" ? .status : .members
        case "get", "strln", "keys":
            let operation = try read(name, arguments)
            return try arguments.consistency().map { .read(operation, $0) } ?? .operation(operation)
        case "set", "append", "del":
            return .operation(try write(name, arguments))
        default:
            return try clusterRequest(name, arguments)
        }
    }

    private func read(_ name: String, _ arguments: Arguments) throws(UsageError) -> Operation {
        if name == "keys" {
            try arguments.expect(0...1)
            return .keys(prefix: arguments.words.first ?? Bytes(), startAfter: Bytes(), limit: 0)
        }
        try arguments.expect(1...1)
        let key = try Self.key(arguments.words[0])
        return name == "get" ? .get(key: key) : .strlen(key: key)
    }

    private func write(_ name: String, _ arguments: Arguments) throws(UsageError) -> Operation {
        if name == "del" {
            try arguments.expect(1...1)
            return .delete(key: try Self.key(arguments.words[0]))
        }
        let isList = arguments.flags.contains("--list")
        try arguments.expect(isList ? 1...Int.max : 2...2)
        let key = try Self.key(arguments.words[0])
        if isList { return .set(key: key, value: .list(ItemList(try Self.items(arguments.words.dropFirst())))) }
        if name == "set" { return .set(key: key, value: .data(arguments.words[1])) }
        guard arguments.flags.contains("--item") else { return .append(key: key, suffix: arguments.words[1]) }
        return .appendItem(key: key, item: try Self.items(arguments.words.dropFirst())[0])
    }

    private func clusterRequest(_ name: String, _ arguments: Arguments) throws(UsageError) -> Request {
        switch name {
        case "request_log":
            try arguments.expect(0...0)
            return .requestLog(
                from: try arguments.number("--from") ?? 1, limit: try arguments.number("--limit"),
                node: try arguments.text("--node"))
        case "add-server":
            let (name, address) = try Self.nameAndAddress(arguments)
            return .addServer(name: name, address: address, isLearner: arguments.flags.contains("--learner"))
        case "replace-server":
            let (name, address) = try Self.nameAndAddress(arguments)
            return .replaceServer(name: name, address: address)
        case "remove-server":
            try arguments.expect(1...1)
            return .removeServer(name: try Self.text(arguments.words[0]))
        case "transfer-leadership":
            try arguments.expect(1...1)
            return .transferLeadership(name: try Self.text(arguments.words[0]))
        default:
            preconditionFailure("the reference lists '\(name)', which the grammar does not know")
        }
    }
}

extension Grammar {
    /// The operations of a transaction, each already cut into words.
    public func transaction(_ statements: [[Bytes]]) throws(UsageError) -> Request {
        guard !statements.isEmpty else { throw Self.wrongCount("transaction", "its operations are missing") }
        var operations: [Operation] = []
        for (place, words) in statements.enumerated() {
            let line: Line
            do {
                line = try Grammar(.prompt).parse(words: words)
            } catch {
                throw UsageError("operation \(place + 1): \(error.message)", hint: error.hint)
            }
            if case .request(.read) = line.command {
                throw UsageError("operation \(place + 1): a transaction reads where it writes, and takes no --consistency")
            }
            guard case .request(.operation(let operation)) = line.command else {
                throw UsageError(
                    "operation \(place + 1): '\(words[0])' cannot be part of a transaction",
                    hint: "these can: get, set, strln, del, append, keys")
            }
            operations.append(operation)
        }
        return .transaction(operations)
    }

    public static func statements(_ text: some Collection<UInt8>) throws(UsageError) -> [[Bytes]] {
        do { return try ShellWords.statements(in: text) } catch { throw UsageError("\(error)") }
    }

    /// From a shell: `transaction 'set a b; get a'`, `transaction 'set a b' 'get a'` or `transaction set a b \; get a`.
    private static func operations(_ words: [Bytes]) throws(UsageError) -> [[Bytes]] {
        let holdsText = words[0].withUnsafeBytes { $0.contains { $0 == 0x20 || $0 == 0x3b || $0 == 0x0a || $0 == 0x09 } }
        guard holdsText else {
            return words.split(separator: ";" as Bytes).map(Array.init)
        }
        var statements: [[Bytes]] = []
        for word in words {
            do {
                statements += try ShellWords.statements(in: word.array)
            } catch {
                throw UsageError("\(error)")
            }
        }
        return statements
    }

    static func wrongCount(_ name: String, _ message: String) -> UsageError {
        let usage = CommandReference.named(name)?.usage.joined(separator: "\n       ") ?? name
        return UsageError("\(name): \(message)", hint: "usage: \(usage)")
    }

    /// A key: 1 byte to 64 KiB.
    private static func key(_ word: Bytes) throws(UsageError) -> Bytes {
        guard !word.isEmpty else { throw UsageError("a key cannot be empty") }
        guard word.count <= 64 << 10 else {
            throw UsageError("a key takes 64 KiB at most, and this one has \(word.count) bytes")
        }
        return word
    }

    private static func items(_ words: ArraySlice<Bytes>) throws(UsageError) -> [Bytes] {
        for (place, word) in words.enumerated() where word.utf8String == nil {
            throw UsageError("item \(place + 1) is not text: the items of a list are UTF-8 strings")
        }
        return Array(words)
    }

    private static func nameAndAddress(_ arguments: Arguments) throws(UsageError) -> (String, String) {
        try arguments.expect(2...2)
        let address: Endpoint
        do { address = try Endpoint(try text(arguments.words[1])) } catch { throw UsageError("\(error)") }
        return (try text(arguments.words[0]), address.description)
    }

    static func text(_ word: Bytes) throws(UsageError) -> String {
        guard let text = word.utf8String, !text.isEmpty else { throw UsageError("'\(word)' is not a name") }
        return text
    }
}
