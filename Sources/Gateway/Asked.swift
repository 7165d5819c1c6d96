import Base
import FoundationEssentials

/// A request as the routes see it.
struct Asked: Sendable {
    var method: String
    /// As it came: nothing decoded, without the query.
    var path: Substring
    /// What stands behind the question mark, undecoded.
    var query: Substring
    var body = Data()

    init(method: String, target: String, body: Data = Data()) {
        self.method = method
        let mark = target.firstIndex(of: "?")
        path = target[..<(mark ?? target.endIndex)]
        query = mark.map { target[target.index(after: $0)...] } ?? ""
        self.body = body
    }
}

/// Percent-decoding, once (RFC 3986, section 2.1). Nil where a percent sign is not followed by two digits. `+` is a plus.
func percentDecoded(_ text: Substring) -> Bytes? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        guard let high = rest.popFirst()?.hexDigit, let low = rest.popFirst()?.hexDigit else { return nil }
        bytes.append(high << 4 | low)
    }
    return Bytes(bytes)
}

extension UInt8 {
    fileprivate var hexDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// The parameters of a query, each once; throws for one that is unknown, repeated or no number.
struct NumbersInQuery {
    private var values: [String: UInt64] = [:]

    init(_ query: Substring, allowed: Set<String>) throws(BadRequest) {
        for part in query.split(separator: "&") {
            let sign = part.firstIndex(of: "=") ?? part.endIndex
            guard let name = percentDecoded(part[..<sign])?.utf8String, allowed.contains(name) else {
                throw BadRequest("there is no parameter '\(part[..<sign])'")
            }
            let text = percentDecoded(part[sign...].dropFirst())?.utf8String ?? ""
            guard let value = UInt64(text), text.utf8.first != UInt8(ascii: "+") else {
                throw BadRequest("'\(name)' must be a whole number")
            }
            guard values.updateValue(value, forKey: name) == nil else { throw BadRequest("'\(name)' occurs twice") }
        }
    }

    subscript(name: String) -> UInt64? { values[name] }
}

/// What is wrong with a request, for a person.
struct BadRequest: Error {
    var message: String
    init(_ message: String) { self.message = message }
}
