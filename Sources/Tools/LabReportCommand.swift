import ArgumentParser
import Base
import Client
import EventLoop
import Glibc

/// `swiftwater lab report …`
struct LabReportArguments: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftwater lab report",
        abstract: "Run five experiments on a cluster of its own, and write what was seen.",
        discussion: """
            Five members are started in a temporary directory, on free ports; they are killed, cut off and started again, \
            while clients write. What was seen becomes report.md and report.html, a page that needs nothing else: who led, \
            in which terms, what was acknowledged and refused, how long each gap was, what each side of a partition could do, \
            and an answer to each question. It takes about a minute, and three at most; nothing of it is left running, \
            Ctrl-C or not.

            Ends with 0 when every promise that was tried was kept, and with 2 when one was broken, or when the experiments \
            could not be run to their end.
            """)

    @Option(help: ArgumentHelp("Where to write the report; made when it is missing.", valueName: "DIR")) var out = "swiftwater-lab-report"
    @Option(help: "How to print the summary: text or json.") var output: String?
}

extension Program {
    /// The contract of the report: it is over by then, come what may.
    static let reportPatience = Interval.seconds(170)

    func labReport(_ words: [String], _ format: OutputFormat?) throws(UsageError) -> ExitCode {
        guard case .arguments(let arguments) = try LabReportArguments.read(words) else {
            return finish(Printed(line: LabReportArguments.helpMessage()))
        }
        var connection = Grammar.Connection(output: format)
        if let output = arguments.output { _ = try connection.read("--output", output) }
        let isJSON = connection.output == .json
        do throws(LabFailure) {
            // First, so that nobody waits for a report that cannot be kept.
            try Self.prepare(arguments.out)
            let report = try run(LabRig(server: Self.siblingProgram("swiftwaterd")))
            try Self.write(report, in: arguments.out)
            let printed = isJSON ? [report.json.text] : report.summary(arguments.out)
            return finish(Printed(lines: printed, code: report.isSound ? .done : .clusterError))
        } catch {
            let text = isJSON ? JSONText.object([("error", .string("\(error)"))]).text : "swiftwater lab report: \(error)"
            return finish(Printed(errors: text + "\n", code: error.code))
        }
    }

    /// Runs the experiments; whatever happens, no process and no directory of theirs is left.
    private func run(_ rig: LabRig) throws(LabFailure) -> LabReport {
        let signals = [SIGINT, SIGTERM, SIGHUP]
        Interrupts.install(signals) { signal in
            rig.end()
            writeErrors("\nswiftwater lab report: interrupted; its members are stopped, and nothing is left of them\n")
            _exit(128 + signal)
        }
        defer {
            rig.end()
            Interrupts.restore(signals)
        }
        let result = blocking(within: Self.reportPatience) { () async -> Result<LabReport, LabFailure> in
            let reporter = LabReporter(rig) { line in
                guard isatty(STDERR_FILENO) == 1 else { return }
                writeErrors(line.isEmpty ? "\r\u{1b}[K" : "\r\(line)\u{1b}[K")
            }
            let result: Result<LabReport, LabFailure>
            do throws(LabFailure) { result = .success(try await reporter.run()) } catch { result = .failure(error) }
            await reporter.close()
            return result
        }
        guard let result else { throw LabFailure("not done within \(Durations.short(Self.reportPatience)): is the machine very busy?") }
        return try result.get()
    }

    private static func prepare(_ directory: String) throws(LabFailure) {
        do throws(FileFailure) {
            try makeDirectory(directory)
            guard access(directory, W_OK) == 0 else { throw FileFailure("write in", directory) }
        } catch {
            throw LabFailure("\(error)", hint: "name another directory with --out")
        }
    }

    private static func write(_ report: LabReport, in directory: String) throws(LabFailure) {
        do throws(FileFailure) {
            try writeSmallFile("\(directory)/report.md", report.markdown)
            try writeSmallFile("\(directory)/report.html", report.html)
        } catch {
            throw LabFailure("\(error)")
        }
    }
}

extension LabReport {
    /// What stands on the terminal.
    func summary(_ directory: String) -> [String] {
        experiments.flatMap { experiment in
            ["\(experiment.number) · \(experiment.title)"] + experiment.answer.map { "   " + $0 } + [""]
        } + [verdict, "", "The whole report: \(directory)/report.html (with pictures) and \(directory)/report.md; it took \(LabWords.span(seconds))."]
    }
}
