import Base
import Client
import Wire

/// How answers are printed.
public enum OutputFormat: String, Sendable, CaseIterable {
    case text, json

    /// What a tool's own --output says, or else what stood before the tool's name.
    static func read(_ own: String?, before: OutputFormat?) throws(UsageError) -> OutputFormat {
        var connection = Grammar.Connection(output: before)
        if let own { _ = try connection.read("--output", own) }
        return connection.output ?? .text
    }
}

/// The options and the other words of one command.
struct Arguments {
    let reference: CommandReference
    /// On the shell's command line the connection's options are understood here too.
    let isOneShot: Bool
    var words: [Bytes] = []
    var flags: [String] = []
    var values: [String: Bytes] = [:]
    var connection = Grammar.Connection()
    var wantsHelp = false

    /// The options that every command of the shell's command line takes.
    static let connectionOptions: [CommandReference.Option] = [
        .init(name: "--endpoints", value: "H:P,…", meaning: "members to ask (127.0.0.1:7401, or $SWIFTWATER_ENDPOINTS)"),
        .init(name: "--timeout", value: "5s", meaning: "how long to go on trying"),
        .init(name: "--output", value: "text|json", meaning: "how to print answers"),
    ]

    init(_ reference: CommandReference, isOneShot: Bool) {
        self.reference = reference
        self.isOneShot = isOneShot
    }

    private var known: [CommandReference.Option] {
        reference.options + (isOneShot ? Self.connectionOptions : [])
    }

    /// Commands with values of the user's own take no options after their first word.
    private var takesFreeValues: Bool { reference.arguments.contains(.value) || reference.name == "transaction" }

    mutating func read(_ all: ArraySlice<Bytes>) throws(UsageError) {
        var rest = all
        var optionsEnded = false
        while let word = rest.popFirst() {
            if optionsEnded || !word.hasPrefix("--") && word != "-h" {
                words.append(word)
            } else if word == "--" {
                optionsEnded = true
            } else if takesFreeValues, !words.isEmpty {
                try refuseKnownOption(word)
                words.append(word)
            } else {
                try readOption(word, &rest)
            }
        }
    }

    /// `set k v --timeout 2s` surely does not mean to store five words.
    private func refuseKnownOption(_ word: Bytes) throws(UsageError) {
        guard known.contains(where: { Bytes(utf8: $0.name) == word }) else { return }
        throw UsageError(
            "\(reference.name): \(word) stands after the key",
            hint: "put options before the key; to store the word '\(word)' itself, put -- before the key")
    }

    private mutating func readOption(_ word: Bytes, _ rest: inout ArraySlice<Bytes>) throws(UsageError) {
        if word == "--help" || word == "-h" {
            wantsHelp = true
            return
        }
        let parts = word.array.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(decoding: parts[0], as: UTF8.self)
        guard let option = known.first(where: { $0.name == name }) else { throw unknownOption(name) }
        guard let value = option.value else {
            guard parts.count == 1 else { throw UsageError("\(name) takes no value") }
            flags.append(name)
            return
        }
        let text: Bytes
        if parts.count == 2 {
            text = Bytes(parts[1])
        } else if let next = rest.popFirst() {
            text = next
        } else {
            throw UsageError("\(name) needs a value: \(name) \(value)")
        }
        if try connection.read(name, String(decoding: text.array, as: UTF8.self)) { return }
        values[name] = text
    }

    private func unknownOption(_ name: String) -> UsageError {
        if !isOneShot, Self.connectionOptions.contains(where: { $0.name == name }) {
            return UsageError("\(name) cannot change at the prompt", hint: "start again with: swiftwater \(name) …")
        }
        let near = Nearest.to(name, among: known.map(\.name)).map { "did you mean: \($0)" }
        let dashes = takesFreeValues ? "to use '\(name)' as a word, put -- before it" : nil
        let usage = "usage: " + reference.usage.joined(separator: "\n       ")
        return UsageError("\(reference.name): there is no option \(name)", hint: near ?? dashes ?? usage)
    }

    func expect(_ counts: ClosedRange<Int>) throws(UsageError) {
        guard !counts.contains(words.count) else { return }
        throw Grammar.wrongCount(reference.name, countProblem(counts))
    }

    private func countProblem(_ counts: ClosedRange<Int>) -> String {
        guard counts.upperBound > 0 else { return "it takes no arguments" }
        if words.count < counts.lowerBound {
            return "the \(reference.arguments[min(words.count, reference.arguments.count - 1)].rawValue) is missing"
        }
        let surplus = words.count - counts.upperBound
        let problem = surplus == 1 ? "there is one word too many" : "there are \(surplus) words too many"
        return reference.arguments.contains(.value) ? problem + ": put a value with blanks in quotes" : problem
    }

    func number(_ name: String) throws(UsageError) -> UInt64? {
        guard let value = values[name] else { return nil }
        guard let number = UInt64(value.utf8String ?? ""), number > 0 else {
            throw UsageError("\(name) takes a number from 1, not '\(value)'")
        }
        return number
    }

    func consistency() throws(UsageError) -> Wire.Consistency? {
        guard let value = values["--consistency"] else { return nil }
        return try Wire.Consistency(named: value.utf8String ?? value.description)
    }

    func text(_ name: String) throws(UsageError) -> String? {
        guard let value = values[name] else { return nil }
        guard let text = value.utf8String, !text.isEmpty else { throw UsageError("\(name) takes a name") }
        return text
    }
}

extension Wire.Consistency {
    static let all: [Self] = [.linearizable, .lease, .local]

    /// As it is typed.
    var name: String {
        switch self {
        case .linearizable: "linearizable"
        case .lease: "lease"
        case .local: "local"
        }
    }

    init(named name: String) throws(UsageError) {
        guard let known = Self.all.first(where: { $0.name == name }) else {
            throw UsageError("--consistency is linearizable, lease or local, not '\(name)'")
        }
        self = known
    }
}

extension Grammar.Connection {
    /// Takes over one of the connection's options; false when `name` is none of them.
    public mutating func read(_ name: String, _ value: String) throws(UsageError) -> Bool {
        switch name {
        case "--endpoints":
            do { endpoints = try Endpoint.list(value) } catch { throw UsageError("--endpoints: \(error)") }
        case "--timeout":
            guard let interval = Durations.parse(value) else {
                throw UsageError("--timeout takes a length of time like 5s or 500ms, not '\(value)'")
            }
            timeout = interval
        case "--output":
            guard let format = OutputFormat(rawValue: value) else {
                throw UsageError("--output is text or json, not '\(value)'")
            }
            output = format
        default:
            return false
        }
        return true
    }

    /// What `other` says counts, and what it leaves open is taken from here.
    public func overridden(by other: Self) -> Self {
        Self(
            endpoints: other.endpoints ?? endpoints, timeout: other.timeout ?? timeout, output: other.output ?? output)
    }
}
