import Base
import Wire

/// What the laboratory can do to a cluster: the words behind `swiftwater lab`.
public enum LabOrder: Equatable, Sendable {
    /// What stands: cut links, orders to drop messages, processes.
    case show(directory: String?)
    /// Members on different sides hear nothing of each other; a member in no list is on a side with all others that are in none.
    case partition([[String]])
    case heal
    /// `from` nil: every member drops its next ones; `to` empty: whoever they go to.
    case drop(Wire.MessageKind, from: String?, to: String, count: UInt64)
    /// The member's election timer runs out.
    case timeout(String)
    case splitVote
    case process(ProcessOrder, directory: String?)

    /// What only `swiftwater up` can do, which started the processes.
    public enum ProcessOrder: Equatable, Sendable {
        /// At once, as a power cut would (SIGKILL); or in order, leadership handed over (SIGTERM).
        case stop(String, gently: Bool)
        /// SIGSTOP: it is there, and does nothing.
        case freeze(String)
        /// SIGCONT. Nil: all that are frozen.
        case resume(String?)
        case restart(String)
    }

    /// The most messages that one order drops.
    static let maxDrops: UInt64 = 1_000_000
    /// The most sides that a partition has: as many as a cluster has members.
    static let maxSides = UpPlan.maxNodes
}

extension LabOrder {
    /// Reads the words behind `lab NAME`. `name` is one of `CommandReference.labCommands`, without `lab` before it.
    init(_ name: String, _ arguments: Arguments) throws(UsageError) {
        switch name {
        case "show", "heal", "split-vote":
            try arguments.expect(0...0)
            self = name == "show" ? .show(directory: try arguments.text("--data-dir")) : name == "heal" ? .heal : .splitVote
        case "partition":
            self = .partition(try Self.sides(arguments))
        case "drop":
            try arguments.expect(1...1)
            let count = try arguments.number("--count") ?? 1
            guard count <= Self.maxDrops else { throw UsageError("--count takes a number up to \(Self.maxDrops)") }
            self = .drop(
                try Self.kind(arguments.words[0]), from: try arguments.text("--from"), to: try arguments.text("--to") ?? "",
                count: count)
        case "timeout":
            try arguments.expect(1...1)
            self = .timeout(try Grammar.text(arguments.words[0]))
        default:
            self = .process(try Self.processOrder(name, arguments), directory: try arguments.text("--data-dir"))
        }
    }

    private static func processOrder(_ name: String, _ arguments: Arguments) throws(UsageError) -> ProcessOrder {
        try arguments.expect(name == "resume" ? 0...1 : 1...1)
        let member = try arguments.words.first.map { word throws(UsageError) in try Grammar.text(word) }
        switch (name, member) {
        case ("stop", let member?): return .stop(member, gently: arguments.flags.contains("--gently"))
        case ("freeze", let member?): return .freeze(member)
        case ("resume", let member): return .resume(member)
        case ("restart", let member?): return .restart(member)
        default: preconditionFailure("the reference lists 'lab \(name)', which the grammar does not know")
        }
    }

    /// `n1,n2,n3 / n4,n5`, with blanks wherever one likes.
    private static func sides(_ arguments: Arguments) throws(UsageError) -> [[String]] {
        guard !arguments.words.isEmpty else { throw Grammar.wrongCount("lab partition", "the sides are missing") }
        var text = ""
        for word in arguments.words { text += try Grammar.text(word) + " " }
        let sides = text.split(separator: "/", omittingEmptySubsequences: false).map { side in
            side.split { $0 == "," || $0 == " " }.map(String.init)
        }
        guard sides.allSatisfy({ !$0.isEmpty }), sides.count <= maxSides else {
            throw Grammar.wrongCount("lab partition", "a side has no members: put names on both sides of the slash")
        }
        var seen: Set<String> = []
        if let twice = sides.joined().first(where: { !seen.insert($0).inserted }) {
            throw UsageError("lab partition: \(twice) is named twice", hint: "each member stands on one side")
        }
        return sides
    }

    /// `AppendEntries`, `append-entries` and `append_entries` are the same.
    private static func kind(_ word: Bytes) throws(UsageError) -> Wire.MessageKind {
        func plain(_ text: String) -> String { text.lowercased().filter(\.isLetter) }
        let typed = word.utf8String ?? ""
        if let kind = Wire.MessageKind.allCases.first(where: { plain($0.name) == plain(typed) }) { return kind }
        let names = Wire.MessageKind.allCases.map(\.name)
        let near = Nearest.to(plain(typed), among: names.map(plain)).flatMap { near in names.first { plain($0) == near } }
        throw UsageError(
            "there is no message '\(word)'", hint: near.map { "did you mean: \($0)" } ?? "there are: \(names.joined(separator: ", "))")
    }
}
