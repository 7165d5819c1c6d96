import Base

/// What a command leaves behind: what goes to standard output, what to standard error, and the exit code.
public struct Printed: Equatable, Sendable {
    public var output: [UInt8]
    public var errors: String
    public var code: ExitCode

    public init(output: [UInt8] = [], errors: String = "", code: ExitCode = .done) {
        self.output = output
        self.errors = errors
        self.code = code
    }

    /// A line of text.
    public init(line: String, code: ExitCode = .done) {
        self.init(output: Array((line + "\n").utf8), code: code)
    }

    /// Lines of text.
    public init(lines: [String], code: ExitCode = .done) {
        self.init(output: lines.flatMap { Array($0.utf8) + [10] }, code: code)
    }
}

/// Where a command's answer is shown.
public enum Style: Sendable {
    /// A shell: values as they are, to be piped on.
    case plain
    /// The prompt: values in quotes, a missing one as `(nil)`.
    case prompt
    case json
}
