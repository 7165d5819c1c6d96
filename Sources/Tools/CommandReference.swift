/// Everything there is to say about a command: what the grammar, the help and the completion read.
public struct CommandReference: Sendable {
    public struct Option: Sendable {
        /// With its two dashes.
        public var name: String
        /// What stands for its value in the help; nil for a flag.
        public var value: String?
        public var meaning: String
    }

    /// What a word after the command stands for, so that completion can offer the right ones.
    public enum Argument: String, Sendable {
        case key, value, command, address
        case members = "sides"
        case message
        case member = "member's name"
        case newName = "new member's name"
    }

    public enum Chapter: String, Sendable, CaseIterable {
        case keys = "Keys and values"
        case cluster = "The cluster"
        case lab = "The laboratory"
        case tools = "Tools"
        case prompt = "At the prompt"
    }

    public var name: String
    public var aliases: [String] = []
    public var chapter: Chapter
    /// What comes after the name.
    public var synopsis: [String]
    /// One line, for the list.
    public var summary: String
    /// A few lines more, for `help COMMAND`.
    public var details: [String] = []
    public var options: [Option] = []
    public var arguments: [Argument] = []
    /// A line to type and what it prints.
    public var examples: [(line: String, prints: String)] = []

    /// How it is written, one line for each form.
    public var usage: [String] { synopsis.map { $0.isEmpty ? name : "\(name) \($0)" } }

    public static func named(_ name: String) -> CommandReference? {
        all.first { $0.name == name || $0.aliases.contains(name) }
    }

    /// The command whose name is nearest to a mistyped one, if any is near enough.
    public static func nearest(to name: String, in references: [CommandReference] = all) -> String? {
        Nearest.to(name, among: references.flatMap { [$0.name] + $0.aliases })
    }
}

extension CommandReference {
    private static let consistency = Option(
        name: "--consistency", value: "C",
        meaning: "linearizable (unless you say otherwise), lease or local: how fresh the answer is")

    /// In the order of the help.
    public static let all: [CommandReference] = keyCommands + clusterCommands + labCommands + toolCommands + promptCommands

    /// Those that a prompt understands.
    public static let atPrompt = all.filter { !$0.needsShell }

    /// Those that a shell's command line understands.
    public static let oneShot = all.filter { $0.chapter != .prompt || $0.name == "help" }

    private static let keyCommands: [CommandReference] = [
        CommandReference(
            name: "get", chapter: .keys, synopsis: ["K"], summary: "the value of a key",
            details: [
                "A list prints as a JSON array. A missing key prints nothing and exits with 1;",
                "at the prompt values stand in quotes and a missing one is (nil).",
            ],
            options: [consistency], arguments: [.key], examples: [("get greeting", "hello")]),
        CommandReference(
            name: "set", chapter: .keys, synopsis: ["K V", "--list K V…"], summary: "give a key a value, or a list of them",
            details: ["Creates the key, or replaces what it had. OK means: committed by a majority, on disk."],
            options: [Option(name: "--list", value: nil, meaning: "the value is a list of strings, none or more")],
            arguments: [.key, .value],
            examples: [("set greeting hello", "OK"), ("set --list pets cat dog", "OK")]),
        CommandReference(
            name: "append", chapter: .keys, synopsis: ["K V", "--item K V"], summary: "add to the end of a value, or an item to a list",
            details: ["Creates the key when it is missing."],
            options: [Option(name: "--item", value: nil, meaning: "V becomes one more item of a list")],
            arguments: [.key, .value],
            examples: [("append greeting ', world'", "OK"), ("append --item pets mouse", "OK")]),
        CommandReference(
            name: "strln", aliases: ["strlen"], chapter: .keys, synopsis: ["K"], summary: "the length of a value in bytes, of a list in items",
            details: ["A missing key has length 0."], options: [consistency], arguments: [.key], examples: [("strln greeting", "12")]),
        CommandReference(
            name: "del", chapter: .keys, synopsis: ["K"], summary: "remove a key; prints the value it had",
            details: ["A missing key prints nothing and exits with 1."], arguments: [.key],
            examples: [("del greeting", "hello, world")]),
        CommandReference(
            name: "keys", chapter: .keys, synopsis: ["[PREFIX]"], summary: "the keys that begin with PREFIX, in byte order",
            options: [consistency], arguments: [.key], examples: [("keys user/", "user/ada\nuser/grace")]),
        CommandReference(
            name: "transaction", chapter: .keys, synopsis: ["'OPERATION; OPERATION; …'"],
            summary: "several operations as one log entry: all or none",
            details: [
                "The operations are get, set, strln, del, append and keys; later ones see earlier ones.",
                "One result a line. If one cannot be done, nothing is, and the answer names it.",
                "At the prompt the word may be left out: set a b; append a 1; get a",
                "Without operations, they are read from standard input.",
            ],
            arguments: [.command], examples: [("transaction 'set a b; append a 1; get a'", "OK\nOK\nb1")]),
        CommandReference(
            name: "ping", chapter: .keys, synopsis: [""], summary: "is anybody there? prints PONG",
            examples: [("ping", "PONG")]),
    ]

    private static let clusterCommands: [CommandReference] = [
        CommandReference(
            name: "status", chapter: .cluster, synopsis: [""], summary: "every member: role, term, leader, log, round trip",
            details: [
                "Asks each member by itself, so that members that disagree are seen to disagree.",
                "Those that do not answer are listed as unreachable, with the reason.",
            ]),
        CommandReference(
            name: "members", chapter: .cluster, synopsis: [""], summary: "who belongs to the cluster, and where they listen"),
        CommandReference(
            name: "request_log", aliases: ["request-log"], chapter: .cluster,
            synopsis: ["[--from I] [--limit N] [--node NAME]"], summary: "one member's own log, from its disk",
            details: ["Each entry's index, term, kind and command, and whether that member knows it committed."],
            options: [
                Option(name: "--from", value: "I", meaning: "the first index to show (the start of the log)"),
                Option(name: "--limit", value: "N", meaning: "how many entries at most (all)"),
                Option(name: "--node", value: "NAME", meaning: "whose log, by name (whoever answers first)"),
            ]),
        CommandReference(
            name: "add-server", chapter: .cluster, synopsis: ["[--learner] NAME ADDR"], summary: "let a new member in",
            details: [
                "The member must be running: swiftwaterd --name NAME --listen ADDR --join ADDR-OF-ANOTHER does this by itself.",
                "It catches up first, and then votes. A member that is in already gets a new address; a learner a vote.",
            ],
            options: [Option(name: "--learner", value: nil, meaning: "it receives everything, serves reads, and never votes")],
            arguments: [.newName, .address]),
        CommandReference(
            name: "remove-server", chapter: .cluster, synopsis: ["NAME"], summary: "let a member go", arguments: [.member]),
        CommandReference(
            name: "replace-server", chapter: .cluster, synopsis: ["NAME NEW-ADDR"],
            summary: "a new member in the place of a lost one",
            details: ["The new one runs at NEW-ADDR, under a new name. It is let in, catches up, votes; then NAME is let go."],
            arguments: [.member, .address]),
        CommandReference(
            name: "transfer-leadership", chapter: .cluster, synopsis: ["NAME"], summary: "ask the leader to hand over to NAME",
            arguments: [.member]),
    ]

    private static let toolCommands: [CommandReference] = [
        CommandReference(
            name: "up", chapter: .tools,
            synopsis: ["[--nodes 3] [--data-dir DIR] [--base-port 7401] [--http-base-port 8401] [--enable-faults]"],
            summary: "a whole cluster on this machine, until Ctrl-C",
            details: ["Members are real processes, each with a dashboard: kill one and see. The same directory brings the same cluster back."]),
        CommandReference(
            name: "bench", chapter: .tools, synopsis: ["[--clients C] [--inflight M] [--reads 0.0…1.0] [--seconds S] …"],
            summary: "load a cluster and measure it"),
        CommandReference(
            name: "simulate", chapter: .tools, synopsis: ["[--seed N | --seeds A..B] [--members M] [--faults F,…] [--duration 120s] …"],
            summary: "whole clusters under faults of every kind, in virtual time, from a seed"),
        CommandReference(
            name: "check-history", chapter: .tools, synopsis: ["FILE.jsonl"],
            summary: "could what clients saw have happened one operation at a time?"),
        CommandReference(
            name: "backup", chapter: .tools, synopsis: ["FILE"], summary: "the whole store at one moment, into a file"),
        CommandReference(
            name: "restore", chapter: .tools, synopsis: ["FILE --data-dir DIR …"],
            summary: "a new cluster out of a backup"),
        CommandReference(
            name: "inspect", chapter: .tools, synopsis: ["DATA-DIR"],
            summary: "what is in a stopped member's directory, or in a backup, and is all of it whole?"),
    ]

    private static let promptCommands: [CommandReference] = [
        CommandReference(
            name: "help", chapter: .prompt, synopsis: ["[COMMAND]"], summary: "this list, or all about one command",
            arguments: [.command]),
        CommandReference(
            name: "exit", aliases: ["quit"], chapter: .prompt, synopsis: [""], summary: "leave (so does Ctrl-D)"),
    ]
}

/// Finds the word that somebody probably meant.
enum Nearest {
    /// The candidate with the fewest edits, at most a third of the word's length (and at least one edit).
    static func to(_ word: String, among candidates: [String]) -> String? {
        let limit = max(1, word.count / 3)
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let distance = edits(Array(word.lowercased().unicodeScalars), Array(candidate.unicodeScalars))
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.candidate
    }

    /// Insertions, removals, replacements and swaps of neighbours (optimal string alignment).
    static func edits(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        var rows = [Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, rows[i - 1][j - 1] + 1) }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
