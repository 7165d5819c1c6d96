import Base

/// The header `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP/2, "Requests").
enum Timeout {
    private static let maxDigits = 8

    /// Nil when the text is no timeout.
    static func parse(_ text: UnsafeRawBufferPointer) -> Interval? {
        guard text.count >= 2, text.count <= maxDigits + 1 else { return nil }
        var number: UInt64 = 0
        for byte in text.dropLast() {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + UInt64(byte - UInt8(ascii: "0"))
        }
        let unit: UInt64
        switch text[text.count - 1] {
        case UInt8(ascii: "n"): unit = 1
        case UInt8(ascii: "u"): unit = 1_000
        case UInt8(ascii: "m"): unit = 1_000_000
        case UInt8(ascii: "S"): unit = 1_000_000_000
        case UInt8(ascii: "M"): unit = 60 * 1_000_000_000
        case UInt8(ascii: "H"): unit = 3600 * 1_000_000_000
        default: return nil
        }
        // 99,999,999 hours are 11,000 years, more than 64 bits of nanoseconds hold: a century is for ever.
        let (nanoseconds, overflow) = number.multipliedReportingOverflow(by: unit)
        let century: UInt64 = 100 * 365 * 86_400 * 1_000_000_000
        return Interval(nanoseconds: overflow ? century : min(nanoseconds, century))
    }

    /// The text, in the finest unit that eight digits hold; rounded up, and never zero.
    static func encode(_ interval: Interval) -> Bytes {
        let units: [(character: Character, nanoseconds: UInt64)] = [
            ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60 * 1_000_000_000),
            ("H", 3600 * 1_000_000_000),
        ]
        // Whole seconds stay whole seconds: the same few texts come again and again and compress to one byte.
        let second: UInt64 = 1_000_000_000
        if interval.nanoseconds > 0, interval.nanoseconds % second == 0, interval.nanoseconds / second < 100_000_000 {
            return Bytes(utf8: "\(interval.nanoseconds / second)S")
        }
        for unit in units {
            let (quotient, rest) = interval.nanoseconds.quotientAndRemainder(dividingBy: unit.nanoseconds)
            let number = max(1, quotient + (rest > 0 ? 1 : 0))
            if number < 100_000_000 { return Bytes(utf8: "\(number)\(unit.character)") }
        }
        return "99999999H"
    }
}
