import ArgumentParser
import Base
import Glibc
import Simulation

/// `swiftwater check-history FILE.jsonl`
struct CheckHistoryArguments: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftwater check-history",
        abstract: "Judge what clients saw: could it have happened one operation at a time?",
        discussion: """
            FILE holds one JSON object a line for each operation, as simulate --history writes it: \
            {"process","op","key","arg","out","start","end","ok"}, and if known "rev", "local", "member". Times are \
            nanoseconds on one clock. "ok" is null when nobody knows what became of it; then "end" and "out" are null too.

            Prints `FILE: ok, N operations, K keys` and ends with 0; or with 1 and what is wrong: the operations that no \
            order fits, a line that cannot be read, or that the search was given up.
            """)

    @Argument(help: "The history.") var file: String
    @Option(help: ArgumentHelp("Steps after which the search for an order is given up (default: 2000000).", valueName: "N"))
    var budget: Int = Linearizability.standardBudget
}

extension Program {
    /// A longer file is no history that anybody could check.
    private static let maxHistory = 1 << 30

    func checkHistory(_ words: [String]) throws(UsageError) -> Printed {
        guard case .arguments(let arguments) = try CheckHistoryArguments.read(words) else {
            return Printed(line: CheckHistoryArguments.helpMessage())
        }
        let path = arguments.file
        let history: History
        do {
            history = try History(reading: try Self.contents(of: path))
        } catch let failure as HistoryFailure {
            return Printed(errors: "\(path): \(failure)\n", code: .noSuchKey)
        } catch {
            throw error as? UsageError ?? UsageError("\(error)")
        }
        let verdict = Linearizability.check(history, budget: arguments.budget)
        if let rejection = verdict.rejection {
            return Printed(lines: ["\(path): not linearizable: \(rejection.summary)"] + rejection.lines.map { "  " + $0 }, code: .noSuchKey)
        }
        guard verdict.undecided == 0 else {
            return Printed(
                line: "\(path): undecided after \(verdict.steps) steps, \(verdict.undecided) of \(verdict.operations) operations",
                code: .noSuchKey)
        }
        return Printed(line: "\(path): ok, \(verdict.operations) operations, \(verdict.keys) keys")
    }

    private static func contents(of path: String) throws(UsageError) -> Bytes {
        guard let file = fopen(path, "re") else { throw UsageError("cannot read \(path): \(String(cString: strerror(errno)))") }
        defer { fclose(file) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
            text += buffer[..<count]
            guard text.count <= maxHistory else { throw UsageError("\(path) is longer than a gibibyte") }
        }
        guard ferror(file) == 0 else { throw UsageError("cannot read \(path)") }
        return Bytes(text)
    }
}
