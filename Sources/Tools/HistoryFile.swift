import Glibc

/// The lines typed at earlier prompts: one a line in a file that only its owner can read.
///
/// Each line is appended as it is typed, so that prompts that run side by side all keep theirs, and a killed one
/// loses nothing. Nothing here is worth an error: without its file a prompt works as well.
public struct HistoryFile: Sendable {
    public let path: String
    /// At most so many lines are read back; a file with twice as many is cut to that.
    static let limit = LineEditor.historyLength

    public init(path: String) { self.path = path }

    /// `SWIFTWATER_HISTORY` (empty: none), or `.swiftwater_history` in the home directory.
    public static func standard() -> HistoryFile? {
        if let path = getenv("SWIFTWATER_HISTORY").map({ String(cString: $0) }) {
            return path.isEmpty ? nil : HistoryFile(path: path)
        }
        guard let home = getenv("HOME").map({ String(cString: $0) }), !home.isEmpty else { return nil }
        return HistoryFile(path: home + "/.swiftwater_history")
    }

    /// The lines, oldest first.
    public func load() -> [String] {
        guard let file = fopen(path, "re") else { return [] }
        defer { fclose(file) }
        var lines: [String] = []
        var buffer: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(buffer) }
        while case let count = getline(&buffer, &capacity, file), count > 0, let buffer {
            var line = String(decoding: UnsafeRawBufferPointer(start: buffer, count: count), as: UTF8.self)
            if line.hasSuffix("\n") { line.removeLast() }
            if !line.isEmpty { lines.append(line) }
        }
        if lines.count > 2 * Self.limit { rewrite(Array(lines.suffix(Self.limit))) }
        return Array(lines.suffix(Self.limit))
    }

    /// Adds a line, unless it is blank or begins with a blank (as in many shells: not to be kept).
    public func append(_ line: String) {
        guard Self.isWorthKeeping(line) else { return }
        write([line], to: path, flags: O_APPEND)
    }

    static func isWorthKeeping(_ line: String) -> Bool {
        guard let first = line.first else { return false }
        return !first.isWhitespace && !line.contains("\n")
    }

    private func rewrite(_ lines: [String]) {
        let draft = path + ".new"
        if write(lines, to: draft, flags: O_TRUNC) { rename(draft, path) }
    }

    @discardableResult
    private func write(_ lines: [String], to path: String, flags: Int32) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o600)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let text = Array((lines.joined(separator: "\n") + "\n").utf8)
        return text.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) == $0.count }
    }
}
