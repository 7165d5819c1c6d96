import Base

/// Lengths of time as people write them: `5s`, `500ms`, `1.5s`, `2m`, `100us`.
public enum Durations {
    private static let units: [(suffix: String, nanoseconds: Double)] = [
        ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
    ]

    /// Nil for anything else: a number without a unit, zero, a negative one, more than 24 hours.
    public static func parse(_ text: String) -> Interval? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let unit = units.first(where: { $0.suffix == text.dropFirst(digits.count) }),
            let number = Double(digits)
        else { return nil }
        let nanoseconds = number * unit.nanoseconds
        guard nanoseconds >= 1, nanoseconds <= 24 * 3600e9 else { return nil }
        return Interval(nanoseconds: UInt64(nanoseconds))
    }

    /// Three significant digits and a unit: `0.42 ms`, `12.3 ms`, `1.20 s`.
    public static func text(_ interval: Interval) -> String {
        let ns = Double(interval.nanoseconds)
        if ns < 1e3 { return "\(interval.nanoseconds) ns" }
        if ns < 1e5 { return decimal(ns / 1e3) + " µs" }
        if ns < 1e9 { return decimal(ns / 1e6) + " ms" }
        return decimal(ns / 1e9) + " s"
    }

    /// As one would type it: `5s`, `500ms`.
    public static func short(_ interval: Interval) -> String {
        let ns = interval.nanoseconds
        if ns % 1_000_000_000 == 0 { return "\(ns / 1_000_000_000)s" }
        if ns % 1_000_000 == 0 { return "\(ns / 1_000_000)ms" }
        return "\(ns / 1_000)us"
    }

    /// Three significant digits below a thousand.
    static func decimal(_ number: Double) -> String {
        let places = number < 10 ? 2 : number < 100 ? 1 : 0
        return fixed(number, places: places)
    }

    /// `number` with that many digits after the point.
    static func fixed(_ number: Double, places: Int) -> String {
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = UInt64((number * scale).rounded())
        guard places > 0 else { return "\(scaled)" }
        let fraction = String(scaled % UInt64(scale))
        return "\(scaled / UInt64(scale))." + String(repeating: "0", count: places - fraction.count) + fraction
    }
}
