import Base
import Client
import Consensus
import Glibc
import Synchronization
import Wire

/// The conversation: a line, an answer, a line.
public struct Prompt: Sendable {
    let client: Client
    let runner: Runner
    let grammar = Grammar(.prompt)
    /// The command under way, for Ctrl-C.
    private static let current = Mutex<Task<Printed, Never>?>(nil)

    public init(
        client: Client, style: Style = .prompt, write: @escaping @Sendable ([UInt8]) -> Bool = writeAll
    ) {
        self.client = client
        runner = Runner(client: client, style: style, write: write)
    }

    /// Until Ctrl-D or `exit`. On a terminal it ends with 0; lines from a pipe end with the worst that happened.
    public func run() -> ExitCode {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else {
            return converse(PlainLines(), isTerminal: false)
        }
        let history = HistoryFile.standard()
        let client = client
        guard
            let editor = LineEditor(
                prompt: "swiftwater> ", history: history?.load() ?? [],
                complete: { Completion(of: $0, lookUp: { Self.lookUp($0, client) }) })
        else {
            return converse(PlainLines(), isTerminal: true)
        }
        Interrupts.install([SIGINT]) { _ in Self.current.withLock { $0 }?.cancel() }
        show(interruptibly { await greeting() })
        return converse(editor, isTerminal: true) { line in
            editor.remember(line)
            history?.append(line)
        }
    }

    /// How long the greeting may look for a member.
    private static let greetingTimeout = Interval.seconds(2)

    /// Waits for a task that Ctrl-C cancels.
    private func interruptibly(_ body: @escaping @Sendable () async -> Printed) -> Printed {
        blocking {
            let task = Task { await body() }
            Self.current.withLock { $0 = task }
            defer { Self.current.withLock { $0 = nil } }
            return await task.value
        }
    }

    private func greeting() async -> Printed {
        do throws(ClientError) {
            let status = try await client.status(timeout: Self.greetingTimeout)
            let count = status.members.count
            let members = count == 1 ? "1 member" : "\(count) members"
            let leader = status.leader.isEmpty ? "no leader at the moment" : "\(status.leader) leads"
            return Printed(line: "Swiftwater \(status.version): \(members), \(leader). Type help, or Ctrl-D to leave.")
        } catch {
            return Printed(line: "No member answers yet: \(error)\nType help, or Ctrl-D to leave.")
        }
    }

    func converse(
        _ source: some LineSource, isTerminal: Bool, remember: (String) -> Void = { _ in }
    ) -> ExitCode {
        var worst = ExitCode.done
        while true {
            switch source.next() {
            case .end:
                if isTerminal { show(Printed(line: "")) }
                return isTerminal ? .done : worst
            case .interrupted:
                continue
            case .line(let line):
                if HistoryFile.isWorthKeeping(line) { remember(line) }
                let printed: Printed
                switch understand(line) {
                case .leave: return isTerminal ? .done : worst
                case .show(let answer): printed = answer
                case .ask(let request): printed = interruptibly { await runner.run(request) }
                }
                show(printed)
                worst = max(worst, printed.code)
            }
        }
    }

    /// What a line asks for.
    enum Step: Equatable {
        case show(Printed)
        case ask(Request)
        case leave
    }

    func understand(_ line: String) -> Step {
        do throws(UsageError) {
            switch try grammar.parse(line: line) {
            case nil:
                return .show(Printed())
            case .exit:
                return .leave
            case .help(nil):
                return .show(Printed(lines: Help(.prompt).overview))
            case .help(let name?):
                guard let lines = Help(.prompt).about(name) else {
                    throw UsageError("there is no command '\(name)'", hint: "try: help")
                }
                return .show(Printed(lines: lines))
            case .transactionFromInput:
                throw Grammar.wrongCount("transaction", "its operations are missing")
            case .request(let request):
                return .ask(request)
            }
        } catch {
            return .show(Printed(errors: "\(error)\n", code: .usage))
        }
    }

    private func show(_ printed: Printed) {
        _ = writeAll(printed.output)
        writeErrors(printed.errors)
    }

    // MARK: Completion

    /// How long Tab may wait for the cluster.
    private static let lookUpTimeout = Interval.milliseconds(400)

    /// Asked from the editor, which holds the thread: the answer is waited for.
    private static func lookUp(_ what: Completion.Lookup, _ client: Client) -> [Bytes] {
        blocking(within: lookUpTimeout) { () async -> [Bytes] in
            do throws(ClientError) {
                switch what {
                case .keys(let prefix):
                    // What this member has is good enough, and it has it without asking others.
                    return try await client.keys(
                        prefix: prefix, limit: UInt64(Completion.limit), consistency: .local)
                case .members:
                    return try await client.status().members.map { Bytes(utf8: $0.name) }.sorted()
                }
            } catch {
                return []
            }
        } ?? []
    }
}
