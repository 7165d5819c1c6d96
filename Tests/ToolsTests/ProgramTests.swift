import Base
import Client
import FakeMember
import GRPC
import Keyspace
import Synchronization
import Testing

@testable import Tools

@Suite("The program's words")
struct ProgramTests {
    private func task(_ words: String..., environment: [String: String] = [:]) throws -> Program.Task {
        try Program { environment[$0] }.task(words.map { Bytes(utf8: $0) })
    }

    @Test("Options stand before the command, and what follows is the command's")
    func options() throws {
        let connection = Grammar.Connection(endpoints: [Endpoint(host: "a", port: 1)], timeout: .seconds(2), output: .json)
        let get = Grammar.Command.request(.operation(.get(key: "k")))
        #expect(try task("--endpoints", "a:1", "--timeout=2s", "--output", "json", "get", "k") == .one(get, connection))
        #expect(try task("--timeout", "9s", "get", "--timeout", "2s", "k", "--endpoints", "a:1", "--output", "json") == .one(get, connection))
        #expect(try task("--timeout", "2s") == .prompt(Grammar.Connection(timeout: .seconds(2))))
        #expect(try task() == .prompt(Grammar.Connection()))
        #expect(try task("set", "k", "-1") == .one(.request(.operation(.set(key: "k", value: .data("-1")))), Grammar.Connection()))
        #expect(try task("set", "--", "--help", "-h") == .one(.request(.operation(.set(key: "--help", value: .data("-h")))), Grammar.Connection()))
        #expect(try task("up", "--nodes", "5") == .up(["--nodes", "5"]))
        #expect(try task("--output", "json", "bench", "--clients", "5") == .bench(["--clients", "5"], Grammar.Connection(output: .json)))
        #expect(try task("--output", "json", "simulate", "--seed", "5") == .simulate(["--seed", "5"], .json))
    }

    @Test("A value may be any bytes")
    func bytes() throws {
        let task = try Program { _ in nil }.task(["--output", "text", "set", [0xff], [0xfe, 0x80]])
        #expect(task == .one(.request(.operation(.set(key: [0xff], value: .data([0xfe, 0x80])))), Grammar.Connection(output: .text)))
    }

    @Test("Wrong usage", arguments: [
        (["--bogus", "get", "k"], "there is no option --bogus"), (["--timeuot", "5s"], "there is no option --timeuot"),
        (["--timeout", "soon", "get", "k"], "--timeout takes a length of time like 5s or 500ms, not 'soon'"),
        (["--output", "xml", "get", "k"], "--output is text or json, not 'xml'"),
        (["--endpoints", "nowhere", "ping"], "--endpoints: 'nowhere' has no port: write HOST:PORT, as in 127.0.0.1:7401"),
        (["lob"], "there is no command 'lob'"),
        (["help", "frob"], "there is no command 'frob'"),
    ] as [([String], String)])
    func usage(words: [String], message: String) {
        do {
            _ = try Program { _ in nil }.run(quietly: words)
            Issue.record("\(words) was understood")
        } catch {
            #expect(error.message == message)
        }
    }

    @Test("Endpoints come from the option, the environment, or are the usual one")
    func endpoints() throws {
        let program = Program { $0 == "SWIFTWATER_ENDPOINTS" ? "b:2,c:3" : nil }
        #expect(try program.endpoints(Grammar.Connection()) == [Endpoint(host: "b", port: 2), Endpoint(host: "c", port: 3)])
        let given = Grammar.Connection(endpoints: [Endpoint(host: "a", port: 1)])
        #expect(try program.endpoints(given) == [Endpoint(host: "a", port: 1)])
        #expect(try Program { _ in nil }.endpoints(Grammar.Connection()) == [Program.defaultEndpoint])
        #expect(throws: UsageError.self) { try Program { _ in "junk" }.endpoints(Grammar.Connection()) }
    }

    @Test("Help explains every command, and nothing that is not there")
    func help() throws {
        guard case .print(let overview) = try task("--help") else { throw UsageError("no help") }
        for reference in CommandReference.oneShot where reference.name != "help" {
            #expect(overview.contains { $0.hasPrefix("  \(reference.name)") }, "\(reference.name)")
            #expect(try Program { _ in nil }.run(quietly: ["help", reference.name]) == .done)
        }
        #expect(overview.allSatisfy { $0.count <= 110 })
        #expect(try task("-h") == .print(overview))
        #expect(try task("--version") == .print(["swiftwater \(Program.version)"]))
    }
}

extension Program {
    /// Whether the words are understood, without doing what they ask for.
    fileprivate func run(quietly words: [String]) throws(UsageError) -> ExitCode {
        switch try task(words.map { Bytes(utf8: $0) }) {
        case .one(.help(let name), _): _ = try help(about: name)
        default: break
        }
        return .done
    }
}

@Suite("Requests and the prompt, on a member", .timeLimit(.minutes(1)))
struct PromptTests {
    /// Answers to lines, as they stand on the terminal.
    private func conversation(_ lines: [String], with member: FakeMember, _ style: Style = .prompt) async throws -> [String] {
        let client = Client(
            endpoints: [Endpoint(host: "127.0.0.1", port: member.port)], options: ClientOptions(timeout: .milliseconds(500)))
        let streamed = Mutex<[UInt8]>([])
        var answers: [String] = []
        let prompt = Prompt(client: client, style: style) { bytes in
            streamed.withLock { $0 += bytes }
            return true
        }
        for line in lines {
            let printed: Printed
            switch prompt.understand(line) {
            case .leave:
                await client.close()
                return answers + ["(left)"]
            case .show(let shown): printed = shown
            case .ask(let request): printed = await prompt.runner.run(request)
            }
            let before = streamed.withLock { bytes in
                defer { bytes = [] }
                return bytes
            }
            answers.append(String(decoding: before + printed.output, as: UTF8.self) + printed.errors)
        }
        await client.close()
        return answers
    }

    @Test("A conversation reads like this")
    func conversation() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        let answers = try await conversation(
            [
                "set greeting 'hello, world'", "get greeting", "get nothing", "set a b; append a 1; get a", "strln a",
                "set --list pets cat", "append --item pets dog", "get pets", "append pets x", "keys", "del a", "del a", "gte a",
                "get 'a", "", "# nothing", "request_log --from 1 --limit 1", "exit", "never",
            ], with: member)
        #expect(answers == [
            "OK\n", "\"hello, world\"\n", "(nil)\n", "OK\nOK\n\"b1\"\n", "2\n", "OK\n", "OK\n", "[\"cat\",\"dog\"]\n",
            "key \"pets\" holds a list, not bytes\n", "a\ngreeting\npets\n", "\"b1\"\n", "(nil)\n",
            "there is no command 'gte'\ndid you mean: get\n", "the ' at column 5 is never closed\n", "", "",
            "   INDEX    TERM  KIND           COMMITTED  COMMAND\n       1       1  command        yes        set greeting \"hello, world\"\n(1 entry)\n",
            "(left)",
        ])
    }

    @Test("The same as JSON")
    func json() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        let answers = try await conversation(["set a b; set c d; set e f", "keys", "get a"], with: member, .json)
        #expect(answers[0] == #"{"results":[{"key":"a"},{"key":"c"},{"key":"e"}],"revision":1}"# + "\n")
        #expect(answers[1] == #"{"keys":["a","c","e"]}"# + "\n")
        #expect(answers[2] == #"{"key":"a","value":"b","revision":1}"# + "\n")
    }

    @Test("Errors of the cluster end with 2, silence with 3, and an unknown outcome is said to be one")
    func codes() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        let client = Client(
            endpoints: [Endpoint(host: "127.0.0.1", port: member.port)], options: ClientOptions(timeout: .seconds(1)))
        let runner = Runner(client: client, style: .json) { _ in true }
        member.next(.failure(Status(.failedPrecondition, "no, because")))
        let refused = await runner.run(.operation(.get(key: "k")))
        #expect(refused == Printed(errors: #"{"error":"no, because","outcome_unknown":false,"code":"FAILED_PRECONDITION"}"# + "\n", code: .clusterError))
        member.next(.silence)
        let unknown = await runner.run(.operation(.set(key: "k", value: .data("v"))))
        #expect(unknown.code == .noAnswer)
        #expect(unknown.errors.contains(#""outcome_unknown":true,"code":"DEADLINE_EXCEEDED""#))
        member.next(.appliedThen(Status(.unknown, "leadership was lost")))
        let plain = await Runner(client: client, style: .plain) { _ in true }.run(.operation(.delete(key: "k")))
        #expect(plain.code == .noAnswer)
        #expect(plain.errors.hasPrefix("the outcome is unknown: it may or may not have been done (leadership was lost)\n"))
        let missing = await Runner(client: client, style: .plain) { _ in true }.run(.operation(.get(key: "k")))
        #expect(missing == Printed(errors: "key not found: k\n", code: .noSuchKey))
        await client.close()
    }
}
