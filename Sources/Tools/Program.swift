import ArgumentParser
import Base
import Client
import Glibc

/// The program `swiftwater`, from its words to its exit code.
public struct Program: Sendable {
    public static let version = "0.1.0"
    public static let defaultEndpoint = Endpoint(host: "127.0.0.1", port: 7401)
    static let environmentVariable = "SWIFTWATER_ENDPOINTS"

    let environment: @Sendable (String) -> String?

    public init(
        environment: @escaping @Sendable (String) -> String? = { getenv($0).map { String(cString: $0) } }
    ) {
        self.environment = environment
    }

    /// `words` are the program's arguments without its own name, byte for byte. To be called on the program's first
    /// thread, which it keeps.
    public func run(_ words: [Bytes]) -> ExitCode {
        do throws(UsageError) {
            return try dispatch(words)
        } catch {
            writeErrors("swiftwater: \(error)\n")
            return .usage
        }
    }

    /// What a command line asks for, before anything is done.
    enum Task: Equatable, Sendable {
        case print([String])
        case prompt(Grammar.Connection)
        case one(Grammar.Command, Grammar.Connection)
        case up([String])
        case bench([String], Grammar.Connection)
        case simulate([String], OutputFormat?)
        case checkHistory([String])
        case inspect([String], OutputFormat?)
        case backup([String], Grammar.Connection)
        case restore([String], OutputFormat?)
        case labReport([String], OutputFormat?)
    }

    func task(_ words: [Bytes]) throws(UsageError) -> Task {
        let texts = words.map { String(decoding: $0.array, as: UTF8.self) }
        guard case .arguments(let invocation) = try Invocation.read(texts) else { return .print(Help(.commandLine).overview) }
        if invocation.version { return .print(["swiftwater \(Self.version)"]) }
        var connection = Grammar.Connection()
        for (name, value) in [
            ("--endpoints", invocation.endpoints), ("--timeout", invocation.timeout), ("--output", invocation.output),
        ] {
            if let value { _ = try connection.read(name, value) }
        }
        let command = invocation.words
        if invocation.help { return .print(try help(about: command.first)) }
        if command.starts(with: ["lab", "report"]) { return .labReport(Array(command.dropFirst(2)), connection.output) }
        guard let name = command.first else { return .prompt(connection) }
        if name.hasPrefix("-") { throw unknownOption(name) }
        if name == "up" { return .up(Array(command.dropFirst())) }
        if name == "bench" { return .bench(Array(command.dropFirst()), connection) }
        if name == "simulate" { return .simulate(Array(command.dropFirst()), connection.output) }
        if name == "check-history" { return .checkHistory(Array(command.dropFirst())) }
        if name == "inspect" { return .inspect(Array(command.dropFirst()), connection.output) }
        if name == "backup" { return .backup(Array(command.dropFirst()), connection) }
        if name == "restore" { return .restore(Array(command.dropFirst()), connection.output) }
        // The words as they were typed: a value need not be text.
        let line = try Grammar(.commandLine).parse(words: words.suffix(command.count))
        return .one(line.command, connection.overridden(by: line.connection))
    }

    private func unknownOption(_ name: String) -> UsageError {
        let known = Arguments.connectionOptions.map(\.name) + ["--help", "--version"]
        let bare = String(name.prefix { $0 != "=" })
        let near = Nearest.to(bare, among: known).map { "did you mean: \($0)" }
        return UsageError("there is no option \(bare)", hint: near ?? "try: swiftwater --help")
    }

    func help(about name: String?) throws(UsageError) -> [String] {
        guard let name else { return Help(.commandLine).overview }
        if name == "lab report" { return [LabReportArguments.helpMessage()] }
        if name == "bench" { return [BenchArguments.helpMessage()] }
        if name == "up" { return [UpArguments.helpMessage()] }
        if name == "simulate" { return [SimulateArguments.helpMessage()] }
        if name == "check-history" { return [CheckHistoryArguments.helpMessage()] }
        if name == "inspect" { return [InspectArguments.helpMessage()] }
        if name == "backup" { return [BackupArguments.helpMessage()] }
        if name == "restore" { return [RestoreArguments.helpMessage()] }
        guard let lines = Help(.commandLine).about(name) else {
            let near = CommandReference.nearest(to: name, in: CommandReference.oneShot).map { "did you mean: \($0)" }
            throw UsageError("there is no command '\(name)'", hint: near ?? "try: swiftwater help")
        }
        return lines
    }

    private func dispatch(_ words: [Bytes]) throws(UsageError) -> ExitCode {
        switch try task(words) {
        case .print(let lines):
            return finish(Printed(lines: lines))
        case .prompt(let connection):
            let client = try client(connection)
            let style: Style? = connection.output == .json ? .json : nil
            let code = Prompt(client: client, style: style ?? .prompt).run()
            blocking { await client.close() }
            return code
        case .one(let command, let connection):
            return try one(command, connection)
        case .up(let words):
            return try up(words)
        case .bench(let words, let connection):
            return try bench(words, connection)
        case .simulate(let words, let format):
            return try simulate(words, format)
        case .checkHistory(let words):
            return finish(try checkHistory(words))
        case .inspect(let words, let format):
            return finish(try inspect(words, format))
        case .backup(let words, let connection):
            return finish(try backup(words, connection))
        case .restore(let words, let format):
            return finish(try restore(words, format))
        case .labReport(let words, let format):
            return try labReport(words, format)
        }
    }

    private func one(_ command: Grammar.Command, _ connection: Grammar.Connection) throws(UsageError) -> ExitCode {
        switch command {
        case .help(let name):
            return finish(Printed(lines: try help(about: name)))
        case .exit:
            return .done
        case .transactionFromInput:
            let statements = try Grammar.statements(readAllInput())
            return try one(.request(try Grammar(.commandLine).transaction(statements)), connection)
        case .request(let request):
            let client = try client(try Lab.connection(connection, for: request, environment(Self.environmentVariable)))
            let runner = Runner(client: client, style: connection.output == .json ? .json : .plain, write: writeAll)
            let printed = blocking {
                let printed = await runner.run(request)
                await client.close()
                return printed
            }
            return finish(printed)
        }
    }

    func finish(_ printed: Printed) -> ExitCode {
        _ = writeAll(printed.output)
        writeErrors(printed.errors)
        return printed.code
    }

    // MARK: Settings

    func endpoints(_ connection: Grammar.Connection) throws(UsageError) -> [Endpoint] {
        if let endpoints = connection.endpoints { return endpoints }
        guard let text = environment(Self.environmentVariable), !text.isEmpty else { return [Self.defaultEndpoint] }
        do {
            return try Endpoint.list(text)
        } catch {
            throw UsageError("\(Self.environmentVariable): \(error)")
        }
    }

    func client(_ connection: Grammar.Connection) throws(UsageError) -> Client {
        let options = connection.timeout.map { ClientOptions(timeout: $0) } ?? ClientOptions()
        return Client(endpoints: try endpoints(connection), options: options)
    }

    private func readAllInput() -> [UInt8] {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while text.count < Self.maxInput, case let count = read(STDIN_FILENO, &buffer, buffer.count), count != 0 {
            if count > 0 { text += buffer[..<count] } else if errno != EINTR { break }
        }
        return text
    }

    /// The most that is read of a transaction from standard input: more than a request may hold.
    private static let maxInput = 16 << 20
}

extension Program {
    private func up(_ words: [String]) throws(UsageError) -> ExitCode {
        guard case .arguments(let arguments) = try readUp(words) else { return finish(Printed(line: UpArguments.helpMessage())) }
        var plan = try UpPlan(
            directory: arguments.dataDir, nodes: arguments.nodes, basePort: arguments.basePort,
            httpBasePort: arguments.httpBasePort, stored: try Up.stored(in: arguments.dataDir))
        plan.enablesFaults = arguments.enableFaults
        let up = Up(plan: plan, server: Self.siblingProgram("swiftwaterd")) { line in
            _ = writeAll(Array((line + "\n").utf8))
        }
        return blocking { await up.run() }
    }

    private func readUp(_ words: [String]) throws(UsageError) -> ReadArguments<UpArguments> {
        try UpArguments.read(words)
    }

    private func bench(_ words: [String], _ connection: Grammar.Connection) throws(UsageError) -> ExitCode {
        guard case .arguments(let arguments) = try BenchArguments.read(words) else {
            return finish(Printed(line: BenchArguments.helpMessage()))
        }
        var own = Grammar.Connection()
        for (name, value) in [
            ("--endpoints", arguments.endpoints), ("--timeout", arguments.timeout), ("--output", arguments.output),
        ] {
            if let value { _ = try own.read(name, value) }
        }
        let all = connection.overridden(by: own)
        let settings = try arguments.settings(try endpoints(all), timeout: all.timeout ?? .seconds(5))
        let format = all.output ?? .text
        let report = blocking {
            await Bench(settings: settings).run { line in
                guard isatty(STDERR_FILENO) == 1 else { return }
                writeErrors(line.isEmpty ? "\r\u{1b}[K" : "\r\(line)\u{1b}[K")
            }
        }
        return finish(report.printed(format))
    }

    /// The path of a program that lies beside this one.
    static func siblingProgram(_ name: String) -> String {
        let own = Up.program(of: getpid()) ?? CommandLine.arguments[0]
        guard let slash = own.lastIndex(of: "/") else { return name }
        return own[...slash] + name
    }
}
