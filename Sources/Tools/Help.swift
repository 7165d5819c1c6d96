import Base

/// What `help` says: written for somebody who has a minute.
public struct Help: Sendable {
    let place: Grammar.Place

    public init(_ place: Grammar.Place) { self.place = place }

    /// Everything on one page.
    public var overview: [String] {
        place == .prompt ? promptOverview : commandLineOverview
    }

    private var commandLineOverview: [String] {
        [
            "swiftwater talks to a Swiftwater cluster: a key/value store that survives its machines.",
            "",
            "  swiftwater [OPTIONS] COMMAND …    do one thing",
            "  swiftwater [OPTIONS]              open a prompt",
            "",
            "New here? Start a cluster, and talk to it from another terminal:",
            "  swiftwater up",
            "  swiftwater set greeting hello",
            "  swiftwater get greeting",
        ] + chapters([.keys, .cluster, .lab, .tools]) + ["", "Options"] + Self.table(Self.globalOptions)
            + [
                "", "Exit codes",
                "  0 done   1 no such key, or a seed that fails   2 the cluster answered with an error",
                "  3 no answer in time (a write may or may not have been done; the message says so)   64 wrong usage",
                "", "More about one command: swiftwater help COMMAND",
            ]
    }

    private var promptOverview: [String] {
        Array(chapters([.keys, .cluster, .lab, .prompt]).dropFirst())
            + [
                "", "Several operations at once, all or none:  set a b; append a 1; get a",
                "Words with blanks go in quotes, as in a shell; Tab completes; the arrow keys bring lines back.",
            ]
    }

    private func chapters(_ chapters: [CommandReference.Chapter]) -> [String] {
        chapters.flatMap { chapter -> [String] in
            let known = place == .prompt ? CommandReference.atPrompt : CommandReference.all
            let rows = known.filter { $0.chapter == chapter }.map { reference in
                (Self.short(reference), reference.summary)
            }
            return ["", chapter.rawValue] + Self.table(rows)
        }
    }

    /// The shortest way to write a command.
    private static func short(_ reference: CommandReference) -> String {
        let usage = reference.usage[0]
        return usage.count <= 24 ? usage : reference.name + " …"
    }

    private static func table(_ rows: [(String, String)]) -> [String] {
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { "  " + $0.0 + String(repeating: " ", count: width - $0.0.count + 3) + $0.1 }
    }

    private static let globalOptions: [(String, String)] =
        table(Arguments.connectionOptions) + [("--version", "say which version this is"), ("--help", "this page")]

    private static func table(_ options: [CommandReference.Option]) -> [(String, String)] {
        options.map { option in (option.value.map { "\(option.name) \($0)" } ?? option.name, option.meaning) }
    }

    /// What the laboratory has.
    private var lab: [String] {
        ["lab: faults on purpose, on real members"] + chapters([.lab])
            + [
                "", "A cluster to try it on:  swiftwater up --nodes 5 --enable-faults",
                "The same is on the dashboard's page Lab. More about one:  \(place == .prompt ? "" : "swiftwater ")help lab partition",
            ]
    }

    /// All about one command; nil when there is none of that name.
    public func about(_ name: String) -> [String]? {
        if name == CommandReference.lab { return lab }
        guard let reference = CommandReference.named(name) else { return nil }
        let program = place == .prompt && !reference.needsShell ? "" : "swiftwater "
        var lines = ["\(reference.name): \(reference.summary)", ""]
        lines += reference.usage.map { "  \(program)\($0)" }
        if !reference.aliases.isEmpty { lines.append("  also: \(reference.aliases.joined(separator: ", "))") }
        if !reference.details.isEmpty { lines += [""] + reference.details }
        if !reference.options.isEmpty { lines += ["", "Options"] + Self.table(Self.table(reference.options)) }
        if !reference.examples.isEmpty {
            lines += ["", "For example"]
            for example in reference.examples {
                lines.append("  \(program.isEmpty ? "> " : "$ ")\(program)\(example.line)")
                lines += example.prints.split(separator: "\n").map { "  \($0)" }
            }
        }
        return lines
    }
}
