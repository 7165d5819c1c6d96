import Base

/// Cuts a line into words and statements as a shell does, without any of a shell's expansions.
///
/// - Blanks separate words; `;` and the end of a line separate statements; `#` at the start of a word begins a
///   comment that ends with the line.
/// - `'…'` keeps everything; `"…"` keeps everything but the backslash before `"`, `\`, `$`, a backquote or the end
///   of a line; a backslash outside of quotes keeps the character after it.
/// - `$'…'` knows `\n`, `\t`, `\xNN`, `\uNNNN` and the rest of what bash knows: how any byte can be typed.
public struct ShellWords {
    /// What stands after a half-typed line: for completion.
    public struct Unfinished: Equatable {
        /// The words before it in the same statement.
        public var before: [Bytes]
        /// The word the cursor is in, as typed so far and without its quotes; empty after a blank.
        public var word: Bytes
        /// How many bytes of the line that word takes, quotes included.
        public var length: Int
    }

    public enum Failure: Error, Equatable {
        /// A quote that is never closed; columns count from 1.
        case openQuote(Character, column: Int)
        /// A backslash with nothing after it.
        case lonelyBackslash(column: Int)
        /// `\x` or `\u` in `$'…'` without hexadecimal digits.
        case badEscape(column: Int)
    }

    private let line: [UInt8]
    private var offset = 0
    private var statements: [[Bytes]] = []
    private var words: [Bytes] = []
    private var word: [UInt8] = []
    private var wordStart: Int?

    private init(_ line: [UInt8]) { self.line = line }

    /// The statements of a text, each a list of one or more words; empty ones are passed over.
    public static func statements(in text: some Collection<UInt8>) throws(Failure) -> [[Bytes]] {
        var lexer = ShellWords(Array(text))
        try lexer.run()
        lexer.endStatement()
        return lexer.statements
    }

    public static func statements(in text: String) throws(Failure) -> [[Bytes]] {
        try statements(in: Array(text.utf8))
    }

    /// Where a half-typed line ends. A quote may still be open.
    public static func unfinished(_ text: some Collection<UInt8>) -> Unfinished {
        var lexer = ShellWords(Array(text))
        do {
            try lexer.run()
        } catch {
            // The cursor stands inside of a quote or after a backslash: what was gathered is the word so far.
        }
        let length = lexer.wordStart.map { lexer.line.count - $0 } ?? 0
        return Unfinished(before: lexer.words, word: Bytes(lexer.word), length: length)
    }

    private mutating func run() throws(Failure) {
        while offset < line.count {
            let byte = line[offset]
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"):
                endWord()
                offset += 1
            case UInt8(ascii: ";"), UInt8(ascii: "\n"):
                endStatement()
                offset += 1
            case UInt8(ascii: "#") where wordStart == nil:
                while offset < line.count, line[offset] != UInt8(ascii: "\n") { offset += 1 }
            default:
                if wordStart == nil { wordStart = offset }
                try readPiece(byte)
            }
        }
    }

    /// One quoted run, one escaped character or one plain byte.
    private mutating func readPiece(_ byte: UInt8) throws(Failure) {
        switch byte {
        case UInt8(ascii: "'"):
            try readSingleQuoted()
        case UInt8(ascii: "\""):
            try readDoubleQuoted()
        case UInt8(ascii: "$") where offset + 1 < line.count && line[offset + 1] == UInt8(ascii: "'"):
            try readEscapedQuoted()
        case UInt8(ascii: "\\"):
            guard offset + 1 < line.count else { throw .lonelyBackslash(column: offset + 1) }
            if line[offset + 1] != UInt8(ascii: "\n") { word.append(line[offset + 1]) }
            offset += 2
        default:
            word.append(byte)
            offset += 1
        }
    }

    private mutating func readSingleQuoted() throws(Failure) {
        let opening = offset
        offset += 1
        while offset < line.count, line[offset] != UInt8(ascii: "'") {
            word.append(line[offset])
            offset += 1
        }
        guard offset < line.count else { throw .openQuote("'", column: opening + 1) }
        offset += 1
    }

    private mutating func readDoubleQuoted() throws(Failure) {
        let opening = offset
        offset += 1
        while offset < line.count, line[offset] != UInt8(ascii: "\"") {
            if line[offset] == UInt8(ascii: "\\"), offset + 1 < line.count {
                let next = line[offset + 1]
                if next == UInt8(ascii: "\n") {
                    offset += 2
                    continue
                }
                if "\"\\$`".utf8.contains(next) { offset += 1 }
            }
            word.append(line[offset])
            offset += 1
        }
        guard offset < line.count else { throw .openQuote("\"", column: opening + 1) }
        offset += 1
    }

    private mutating func endWord() {
        guard wordStart != nil else { return }
        words.append(Bytes(word))
        word.removeAll()
        wordStart = nil
    }

    private mutating func endStatement() {
        endWord()
        if !words.isEmpty { statements.append(words) }
        words.removeAll()
    }
}

extension ShellWords {
    /// `$'…'` (ANSI-C quoting, bash manual 3.1.2.4).
    private mutating func readEscapedQuoted() throws(Failure) {
        let opening = offset
        offset += 2
        while offset < line.count, line[offset] != UInt8(ascii: "'") {
            if line[offset] == UInt8(ascii: "\\"), offset + 1 < line.count {
                try readEscape()
            } else {
                word.append(line[offset])
                offset += 1
            }
        }
        guard offset < line.count else { throw .openQuote("'", column: opening + 1) }
        offset += 1
    }

    private mutating func readEscape() throws(Failure) {
        let column = offset + 1
        let letter = line[offset + 1]
        offset += 2
        switch letter {
        case UInt8(ascii: "n"): word.append(10)
        case UInt8(ascii: "t"): word.append(9)
        case UInt8(ascii: "r"): word.append(13)
        case UInt8(ascii: "a"): word.append(7)
        case UInt8(ascii: "b"): word.append(8)
        case UInt8(ascii: "f"): word.append(12)
        case UInt8(ascii: "v"): word.append(11)
        case UInt8(ascii: "e"): word.append(27)
        case UInt8(ascii: "0"): word.append(0)
        case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "?"): word.append(letter)
        case UInt8(ascii: "x"):
            guard let number = readHexadecimal(atMost: 2) else { throw .badEscape(column: column) }
            word.append(UInt8(number))
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let digits = letter == UInt8(ascii: "u") ? 4 : 8
            guard let number = readHexadecimal(atMost: digits), let scalar = Unicode.Scalar(number) else {
                throw .badEscape(column: column)
            }
            word.append(contentsOf: String(scalar).utf8)
        default: word.append(contentsOf: [UInt8(ascii: "\\"), letter])
        }
    }

    private mutating func readHexadecimal(atMost limit: Int) -> UInt32? {
        var number: UInt32 = 0
        var count = 0
        while count < limit, offset < line.count, let digit = Character(Unicode.Scalar(line[offset])).hexDigitValue {
            number = number << 4 | UInt32(digit)
            count += 1
            offset += 1
        }
        return count > 0 ? number : nil
    }
}

extension ShellWords.Failure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .openQuote(let quote, let column): "the \(quote) at column \(column) is never closed"
        case .lonelyBackslash(let column): "there is nothing after the backslash at column \(column)"
        case .badEscape(let column): "the escape at column \(column) needs hexadecimal digits of a character"
        }
    }
}
