extension JSONText {
    /// What is wrong with a text, and where: the byte's place, from 0.
    public struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        public var what: String
        public var at: Int

        public init(_ what: String, at: Int) {
            self.what = what
            self.at = at
        }

        public var description: String { "\(what) at byte \(at)" }
    }

    /// Deeper nesting is refused, so that no text can use up the stack.
    public static let maxDepth = 64

    /// Reads one JSON value and nothing behind it but blanks (RFC 8259), strictly: no member twice, no unpaired surrogates,
    /// no bytes that are not UTF-8. Whole numbers that fit are `unsigned`, or `integer` when they are negative.
    public init(reading bytes: Bytes) throws(Failure) {
        guard bytes.isValidUTF8 else { throw Failure("not UTF-8", at: 0) }
        var reader = JSONReader(bytes: bytes.array)
        self = try reader.readValue(depth: 0)
        reader.skipBlanks()
        guard reader.isAtEnd else { throw Failure("something behind the value", at: reader.offset) }
    }

    /// The member of an object with this name.
    public subscript(name: String) -> JSONText? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.0 == name }?.1
    }
}

private struct JSONReader {
    let bytes: [UInt8]
    var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }
    private var next: UInt8? { isAtEnd ? nil : bytes[offset] }

    mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { offset += 1 }
    }

    private func failure(_ what: String) -> JSONText.Failure { JSONText.Failure(what, at: offset) }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    mutating func readValue(depth: Int) throws(JSONText.Failure) -> JSONText {
        guard depth < JSONText.maxDepth else { throw failure("nested too deep") }
        skipBlanks()
        switch next {
        case UInt8(ascii: "{"): return try readObject(depth: depth)
        case UInt8(ascii: "["): return try readArray(depth: depth)
        case UInt8(ascii: "\""): return .string(try readString())
        case UInt8(ascii: "t"): return try readWord("true", .bool(true))
        case UInt8(ascii: "f"): return try readWord("false", .bool(false))
        case UInt8(ascii: "n"): return try readWord("null", .null)
        default: return try readNumber()
        }
    }

    private mutating func readWord(_ word: StaticString, _ value: JSONText) throws(JSONText.Failure) -> JSONText {
        let matches = word.withUTF8Buffer { bytes[offset...].starts(with: $0) }
        guard matches else { throw failure("no value") }
        offset += word.utf8CodeUnitCount
        return value
    }

    private mutating func readObject(depth: Int) throws(JSONText.Failure) -> JSONText {
        offset += 1
        var members: [(String, JSONText)] = []
        skipBlanks()
        if take("}") { return .object(members) }
        repeat {
            skipBlanks()
            guard next == UInt8(ascii: "\"") else { throw failure("no member's name") }
            let name = try readString()
            guard !members.contains(where: { $0.0 == name }) else { throw failure("the member \"\(name)\" a second time") }
            skipBlanks()
            guard take(":") else { throw failure("no colon behind a member's name") }
            members.append((name, try readValue(depth: depth + 1)))
            skipBlanks()
        } while take(",")
        guard take("}") else { throw failure("an object that does not end") }
        return .object(members)
    }

    private mutating func readArray(depth: Int) throws(JSONText.Failure) -> JSONText {
        offset += 1
        var values: [JSONText] = []
        skipBlanks()
        if take("]") { return .array(values) }
        repeat {
            values.append(try readValue(depth: depth + 1))
            skipBlanks()
        } while take(",")
        guard take("]") else { throw failure("an array that does not end") }
        return .array(values)
    }

    private mutating func readString() throws(JSONText.Failure) -> String {
        offset += 1
        var text: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): try readEscape(into: &text)
            case 0..<0x20: throw failure("a control character in a string")
            default:
                text.append(byte)
                offset += 1
            }
        }
        throw failure("a string that does not end")
    }

    private mutating func readEscape(into text: inout [UInt8]) throws(JSONText.Failure) {
        offset += 1
        guard let kind = next else { throw failure("a string that does not end") }
        offset += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(kind)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try readFourDigits()
            if code >> 10 == 0x36 {
                guard take("\\"), take("u") else { throw failure("half a surrogate pair") }
                let low = try readFourDigits()
                guard low >> 10 == 0x37 else { throw failure("half a surrogate pair") }
                code = 0x1_0000 + (code & 0x3ff) << 10 + low & 0x3ff
            }
            guard let scalar = Unicode.Scalar(code) else { throw failure("half a surrogate pair") }
            text.append(contentsOf: Array(String(Character(scalar)).utf8))
        default: throw JSONText.Failure("an escape that JSON does not have", at: offset - 1)
        }
    }

    private mutating func readFourDigits() throws(JSONText.Failure) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw failure("not four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            offset += 1
        }
        return code
    }

    private mutating func skipDigits() throws(JSONText.Failure) {
        let first = offset
        while let byte = next, byte >= 0x30, byte <= 0x39 { offset += 1 }
        guard offset > first else { throw failure("no value") }
    }

    private mutating func readNumber() throws(JSONText.Failure) -> JSONText {
        let first = offset
        let isNegative = take("-")
        let digits = offset
        try skipDigits()
        guard bytes[digits] != 0x30 || offset == digits + 1 else { throw JSONText.Failure("a number with a leading zero", at: digits) }
        var isWhole = true
        if take(".") {
            isWhole = false
            try skipDigits()
        }
        if take("e") || take("E") {
            isWhole = false
            if !take("+") { _ = take("-") }
            try skipDigits()
        }
        let text = String(decoding: bytes[first..<offset], as: UTF8.self)
        if isWhole, !isNegative, let number = UInt64(text) { return .unsigned(number) }
        if isWhole, let number = Int64(text) { return .integer(number) }
        guard let number = Double(text), number.isFinite else { throw JSONText.Failure("a number that is too large", at: first) }
        return .number(number)
    }
}

extension Bytes {
    /// The bytes of a base 64 text (RFC 4648, section 4), padded and without blanks; nil when it is none.
    public init?(base64 text: String) {
        let characters = Array(text.utf8)
        guard characters.count % 4 == 0 else { return nil }
        var result: [UInt8] = []
        var padding = 0
        for start in stride(from: 0, to: characters.count, by: 4) {
            var group: UInt32 = 0
            for character in characters[start..<start + 4] {
                let digit: UInt8
                switch character {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = character - 65
                case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = character - 71
                case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character + 4
                case UInt8(ascii: "+"): digit = 62
                case UInt8(ascii: "/"): digit = 63
                case UInt8(ascii: "="):
                    padding += 1
                    group <<= 6
                    continue
                default: return nil
                }
                guard padding == 0 else { return nil }
                group = group << 6 | UInt32(digit)
            }
            guard padding <= 2 else { return nil }
            for place in 0..<3 - padding { result.append(UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * place))) }
        }
        // One way to write each: the bits that the padding leaves over are zero.
        let written = Bytes(result)
        guard Base.base64(written) == text else { return nil }
        self = written
    }
}
