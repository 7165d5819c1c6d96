import Base

/// How bytes are shown at the prompt: in quotes that the prompt itself reads back as the same bytes.
public enum Quoting {
    /// `"text"` for text that a terminal can show; `$'…'` with escapes for everything else.
    public static func quoted(_ bytes: Bytes) -> String {
        guard let text = bytes.utf8String, text.unicodeScalars.allSatisfy(isShowable) else {
            return escaped(bytes)
        }
        var result = "\""
        for character in text.unicodeScalars {
            if character == "\"" || character == "\\" { result.unicodeScalars.append("\\") }
            result.unicodeScalars.append(character)
        }
        return result + "\""
    }

    /// A word as one would type it: bare when nothing in it is special, quoted otherwise.
    public static func word(_ bytes: Bytes) -> String {
        let isBare = bytes.withUnsafeBytes { $0.allSatisfy(isPlain) }
        guard !bytes.isEmpty, isBare, let text = bytes.utf8String else { return quoted(bytes) }
        return text
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "/._-:,@%+=".utf8.contains(byte)
        }
    }

    /// Neither a control character nor one that reorders or hides the text around it: what is stored cannot
    /// play tricks on the terminal that shows it.
    static func isShowable(_ character: Unicode.Scalar) -> Bool {
        switch character.value {
        case 0..<0x20, 0x7f..<0xa0: false
        case 0x061c, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfeff, 0xfff9...0xfffb: false
        default: true
        }
    }

    private static func escaped(_ bytes: Bytes) -> String {
        var result = "$'"
        var rest = bytes.array[...]
        while let first = rest.first {
            let length = sequenceLength(first)
            let piece = rest.prefix(length)
            if length > 1, let text = String(validating: piece, as: UTF8.self), let scalar = text.unicodeScalars.first {
                result += isShowable(scalar) ? text : "\\u" + hexadecimal(scalar.value, digits: 4)
                rest = rest.dropFirst(length)
            } else {
                result += escaped(first)
                rest = rest.dropFirst()
            }
        }
        return result + "'"
    }

    /// The length that the first byte of a UTF-8 sequence announces.
    private static func sequenceLength(_ first: UInt8) -> Int {
        switch first {
        case 0xc2...0xdf: 2
        case 0xe0...0xef: 3
        case 0xf0...0xf4: 4
        default: 1
        }
    }

    private static func escaped(_ byte: UInt8) -> String {
        switch byte {
        case 9: "\\t"
        case 10: "\\n"
        case 13: "\\r"
        case UInt8(ascii: "'"): "\\'"
        case UInt8(ascii: "\\"): "\\\\"
        case 0x20..<0x7f: String(Unicode.Scalar(byte))
        default: "\\x" + hexadecimal(UInt32(byte), digits: 2)
        }
    }

    private static func hexadecimal(_ number: UInt32, digits: Int) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
