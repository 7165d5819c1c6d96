import Base
import Glibc

/// A line on a terminal's standard error that is written again and again; nothing where that is no terminal.
final class ProgressBar: @unchecked Sendable {
    private let isShown: Bool
    private let now: @Sendable () -> UInt64
    private var lastMs: UInt64 = 0
    private var isDrawn = false

    /// How often it is drawn anew, in milliseconds.
    private static let pauseMs: UInt64 = 100
    private static let width = 30

    init(isShown: Bool = isatty(STDERR_FILENO) == 1, now: @escaping @Sendable () -> UInt64 = monotonicMs) {
        self.isShown = isShown
        self.now = now
    }

    /// `text` stands behind the bar. `total` 0: there is no bar, as nobody knows how much it is.
    func show(_ done: UInt64, of total: UInt64, _ text: @autoclosure () -> String) {
        guard isShown, now() >= lastMs + Self.pauseMs || !isDrawn else { return }
        lastMs = now()
        isDrawn = true
        writeErrors("\r" + Self.bar(done, of: total) + text() + "\u{1b}[K")
    }

    /// Takes the line away.
    func clear() {
        if isDrawn { writeErrors("\r\u{1b}[K") }
        isDrawn = false
    }

    /// `[######……] 23 %  `
    static func bar(_ done: UInt64, of total: UInt64) -> String {
        guard total > 0 else { return "" }
        let share = min(1, Double(done) / Double(total))
        let full = Int(share * Double(width))
        let percent = String(Int(share * 100))
        return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: width - full) + "] "
            + String(repeating: " ", count: max(0, 3 - percent.count)) + percent + " %  "
    }

    /// 1.5 MiB, 12 KiB, 7 bytes.
    static func size(_ bytes: UInt64) -> String {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)]
        guard let (name, shift) = units.first(where: { bytes >= 1 << UInt64($0.1) }) else { return "\(bytes) bytes" }
        return Durations.fixed(Double(bytes) / Double(1 << UInt64(shift)), places: 1) + " " + name
    }
}

/// Of a clock that nobody sets.
@Sendable func monotonicMs() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
}
