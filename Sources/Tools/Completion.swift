import Base
import Wire

/// How a half-typed line could go on.
public struct Completion: Equatable, Sendable {
    /// How many characters before the cursor `insertion` takes the place of.
    public var replaced = 0
    /// What to put there; nil when there is nothing to add.
    public var insertion: String?
    /// What could be meant, when it is more than one.
    public var choices: [String] = []

    /// What has to be looked up in the cluster.
    public enum Lookup: Equatable, Sendable {
        /// Keys that begin with these bytes.
        case keys(Bytes)
        case members
    }

    /// How many choices are shown.
    static let limit = 100

    /// Completes a command's name, an option, a key or a member's name.
    public init(of line: Substring, lookUp: (Lookup) -> [Bytes]) {
        let text = Array(line.utf8)
        let cursor = ShellWords.unfinished(text)
        let candidates = Self.candidates(cursor, lookUp)
        guard !candidates.isEmpty else { return }
        let typed = String(decoding: text.suffix(cursor.length), as: UTF8.self)
        if candidates.count == 1 {
            insertion = Quoting.word(candidates[0]) + " "
        } else if let shared = Self.commonPrefix(candidates), shared.count > cursor.word.count {
            // An open quote stays open: the word is not finished yet.
            let word = Quoting.word(shared)
            insertion = word.hasPrefix("\"") ? String(word.dropLast()) : word
        } else {
            choices = candidates.sorted().prefix(Self.limit).map { Quoting.word($0) }
            return
        }
        if insertion == typed + " " || insertion?.hasPrefix(typed) == true {
            insertion = String(insertion!.dropFirst(typed.count))
            replaced = 0
        } else {
            replaced = typed.unicodeScalars.count
        }
    }

    private static func candidates(_ cursor: ShellWords.Unfinished, _ lookUp: (Lookup) -> [Bytes]) -> [Bytes] {
        var before = cursor.before[...]
        if before.first == "transaction" || before.first == "help" {
            guard before.count > 1 || before.first == "help" else { return commands(cursor.word, chapter: .keys) }
            if before.count == 2, before.last == "lab" { return experiments(cursor.word) }
            before = before.first == "help" ? before : before.dropFirst()
        }
        guard var name = before.first?.utf8String else { return commands(cursor.word, chapter: nil) }
        if name == CommandReference.lab {
            guard before.count > 1 else { return experiments(cursor.word) }
            before = before.dropFirst()
            name += " \(before.first?.utf8String ?? "")"
        }
        guard let reference = CommandReference.atPrompt.first(where: { $0.name == name || $0.aliases.contains(name) })
        else { return [] }
        let (others, option) = words(before.dropFirst(), of: reference)
        if cursor.word.hasPrefix("--"), others == 0 {
            return reference.options.map { Bytes(utf8: $0.name) }.filter { $0.hasPrefix(cursor.word) }
        }
        if let option { return values(of: option, cursor.word, lookUp) }
        let isRepeated = reference.arguments.last == .members
        guard others < reference.arguments.count || isRepeated else { return [] }
        switch reference.arguments[isRepeated ? 0 : others] {
        case .key: return lookUp(.keys(cursor.word)).filter { $0.hasPrefix(cursor.word) }
        case .member: return members(cursor.word, lookUp)
        case .members: return side(before, cursor.word, lookUp)
        case .message: return Wire.MessageKind.allCases.map { Bytes(utf8: $0.name) }.filter { $0.hasPrefix(cursor.word) }
        case .command: return commands(cursor.word, chapter: nil)
        case .value, .newName, .address: return []
        }
    }

    /// How many of the words are arguments, neither options nor their values; and the option at the end whose value is next.
    private static func words(
        _ words: ArraySlice<Bytes>, of reference: CommandReference
    ) -> (arguments: Int, option: CommandReference.Option?) {
        var arguments = 0
        var option: CommandReference.Option?
        for word in words {
            if option != nil {
                option = nil
            } else if word.hasPrefix("--") {
                option = reference.options.first { $0.value != nil && Bytes(utf8: $0.name) == word }
            } else {
                arguments += 1
            }
        }
        return (arguments, option)
    }

    private static func values(of option: CommandReference.Option, _ word: Bytes, _ lookUp: (Lookup) -> [Bytes]) -> [Bytes] {
        if option.value == "NAME" { return members(word, lookUp) }
        guard option.name == "--consistency" else { return [] }
        return Wire.Consistency.all.map { Bytes(utf8: $0.name) }.filter { $0.hasPrefix(word) }
    }

    private static func members(_ word: Bytes, _ lookUp: (Lookup) -> [Bytes]) -> [Bytes] {
        lookUp(.members).filter { $0.hasPrefix(word) }
    }

    /// `n1,n2,n` goes on with those that are on no side yet.
    private static func side(_ before: ArraySlice<Bytes>, _ word: Bytes, _ lookUp: (Lookup) -> [Bytes]) -> [Bytes] {
        let text = word.utf8String ?? ""
        let comma = text.lastIndex(of: ",").map { text.index(after: $0) } ?? text.startIndex
        let named = (before.map { $0.utf8String ?? "" } + [String(text[..<comma])]).flatMap { $0.split(separator: ",").map(String.init) }
        return lookUp(.members).compactMap(\.utf8String).filter { $0.hasPrefix(text[comma...]) && !named.contains($0) }
            .map { Bytes(utf8: String(text[..<comma]) + $0) }
    }

    /// The second words of the laboratory's commands.
    private static func experiments(_ word: Bytes) -> [Bytes] {
        CommandReference.atPrompt.filter { $0.chapter == .lab }
            .map { Bytes(utf8: String($0.name.dropFirst(CommandReference.lab.count + 1))) }.filter { $0.hasPrefix(word) }
    }

    /// Names of commands, and aliases when no name fits.
    private static func commands(_ word: Bytes, chapter: CommandReference.Chapter?) -> [Bytes] {
        let known = CommandReference.atPrompt.filter { chapter == nil || $0.chapter == chapter }
        let alone = known.filter { $0.chapter != .lab }.map(\.name) + (known.contains { $0.chapter == .lab } ? [CommandReference.lab] : [])
        let names = alone.map { Bytes(utf8: $0) }.filter { $0.hasPrefix(word) }
        guard names.isEmpty else { return names }
        return known.flatMap(\.aliases).map { Bytes(utf8: $0) }.filter { $0.hasPrefix(word) }
    }

    /// The longest common beginning that ends between characters.
    private static func commonPrefix(_ words: [Bytes]) -> Bytes? {
        var length = words.map(\.count).min() ?? 0
        for word in words.dropFirst() {
            while length > 0, word[0..<length] != words[0][0..<length] { length -= 1 }
        }
        while length > 0, words[0][0..<length].utf8String == nil { length -= 1 }
        return length > 0 ? words[0][0..<length] : nil
    }

    /// The choices in columns, as `ls` shows names.
    func listing(columns: Int) -> String {
        let width = (choices.map(\.count).max() ?? 0) + 2
        let across = max(1, columns / width)
        let rows = (choices.count + across - 1) / across
        return (0..<rows).map { row in
            stride(from: row, to: choices.count, by: rows).map { place in
                let next = place + rows < choices.count
                return next ? choices[place] + String(repeating: " ", count: width - choices[place].count) : choices[place]
            }.joined()
        }.joined(separator: "\n")
    }
}
