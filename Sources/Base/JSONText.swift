/// A JSON value (RFC 8259), with its members in the order they were given.
public indirect enum JSONText: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case unsigned(UInt64)
    case number(Double)
    case string(String)
    case array([JSONText])
    case object([(String, JSONText)])

    /// On one line, without blanks.
    public var text: String {
        var result = ""
        write(to: &result)
        return result
    }

    private func write(to out: inout String) {
        switch self {
        case .null: out += "null"
        case .bool(let value): out += value ? "true" : "false"
        case .integer(let value): out += "\(value)"
        case .unsigned(let value): out += "\(value)"
        case .number(let value): out += value.isFinite ? "\(value)" : "null"
        case .string(let value): Self.write(value, to: &out)
        case .array(let values):
            out += "["
            for (place, value) in values.enumerated() {
                if place > 0 { out += "," }
                value.write(to: &out)
            }
            out += "]"
        case .object(let members):
            out += "{"
            for (place, (name, value)) in members.enumerated() {
                if place > 0 { out += "," }
                Self.write(name, to: &out)
                out += ":"
                value.write(to: &out)
            }
            out += "}"
        }
    }

    private static func write(_ text: String, to out: inout String) {
        out += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        out += "\""
    }
}

/// Base 64 (RFC 4648, section 4): how JSON shows bytes that are no text.
public func base64(_ bytes: Bytes) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".unicodeScalars)
    var result = ""
    var offset = 0
    while offset < bytes.count {
        let taken = min(3, bytes.count - offset)
        var group: UInt32 = 0
        for place in 0..<3 { group = group << 8 | (place < taken ? UInt32(bytes[offset + place]) : 0) }
        for place in 0..<4 {
            let digit = Int(group >> UInt32(18 - 6 * place) & 63)
            result.unicodeScalars.append(place <= taken ? alphabet[digit] : "=")
        }
        offset += 3
    }
    return result
}
