import Base
import Client
import FakeMember
import GRPC
import Testing
import Wire

@testable import Tools

@Suite("The laboratory's commands")
struct LabTests {
    private func order(_ line: String, _ place: Grammar.Place = .commandLine) throws -> LabOrder? {
        guard case .request(.lab(let order)) = try Grammar(place).parse(words: line.split(separator: " ").map { Bytes(utf8: String($0)) }).command
        else { return nil }
        return order
    }

    @Test(
        "Each is understood, in a shell and at the prompt",
        arguments: [
            ("lab show", .show(directory: nil)), ("lab show --data-dir d", .show(directory: "d")), ("lab heal", .heal),
            ("lab partition n1,n2,n3 / n4,n5", .partition([["n1", "n2", "n3"], ["n4", "n5"]])),
            ("lab partition n1, n2/n3 ,n4", .partition([["n1", "n2"], ["n3", "n4"]])),
            ("lab partition n1 n2 / n3", .partition([["n1", "n2"], ["n3"]])),
            ("lab partition n1/n2/n3", .partition([["n1"], ["n2"], ["n3"]])), ("lab partition n4,n5", .partition([["n4", "n5"]])),
            ("lab drop AppendEntries", .drop(.appendEntries, from: nil, to: "", count: 1)),
            ("lab drop --from n1 --to n2 --count 3 request-vote", .drop(.requestVote, from: "n1", to: "n2", count: 3)),
            ("lab drop pre_vote_response", .drop(.preVoteResponse, from: nil, to: "", count: 1)),
            ("lab timeout n2", .timeout("n2")), ("lab split-vote", .splitVote),
            ("lab stop n2", .process(.stop("n2", gently: false), directory: nil)),
            ("lab stop --gently n2 --data-dir d", .process(.stop("n2", gently: true), directory: "d")),
            ("lab freeze n2", .process(.freeze("n2"), directory: nil)), ("lab resume n2", .process(.resume("n2"), directory: nil)),
            ("lab resume", .process(.resume(nil), directory: nil)), ("lab restart n2", .process(.restart("n2"), directory: nil)),
        ] as [(String, LabOrder)])
    func understands(line: String, expected: LabOrder) throws {
        #expect(try order(line) == expected)
        #expect(try order(line, .prompt) == expected)
    }

    @Test(
        "What is wrong is said, and what would be right",
        arguments: [
            ("lab partition", "the sides are missing"), ("lab partition n1 /", "a side has no members"),
            ("lab partition n1 / n1", "n1 is named twice"), ("lab partition ,", "a side has no members"),
            ("lab drop", "the message is missing"), ("lab drop AppendEntry", "did you mean: AppendEntries"),
            ("lab drop smoke", "there are: Hello, Heartbeat"), ("lab drop Heartbeat --count 0", "a number from 1"),
            ("lab heal now", "it takes no arguments"), ("lab timeout", "the member's name is missing"),
            ("lab stop", "the member's name is missing"), ("lab stop n1 n2", "one word too many"), ("lab stpo n1", "did you mean: lab stop"),
            ("lab nonsense", "try: swiftwater help"), ("lab freeze --gently n1", "there is no option --gently"),
        ])
    func refuses(line: String, expected: String) throws {
        let error = #expect(throws: UsageError.self) { try order(line) }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }

    @Test("Help tells of all of them, and of each")
    func help() throws {
        for words in [["lab"], ["lab", "--help"], ["lab", "-h"], ["help", "lab"]] {
            #expect(try Grammar(.commandLine).parse(words: words.map { Bytes(utf8: $0) }).command == .help(about: "lab"), "\(words)")
        }
        #expect(try Grammar(.prompt).parse(line: "help lab drop") == .help(about: "lab drop"))
        #expect(throws: UsageError.self) { try Grammar(.prompt).parse(line: "help get set") }
        for place in [Grammar.Place.prompt, .commandLine] {
            let overview = try #require(Help(place).about("lab")).joined(separator: "\n")
            for reference in CommandReference.labCommands where place == .commandLine || !reference.needsShell {
                #expect(overview.contains(reference.name))
                #expect(Help(place).overview.joined(separator: "\n").contains(reference.name))
                #expect(Help(place).about(reference.name)?.first == "\(reference.name): \(reference.summary)")
            }
        }
    }

    @Test(
        "Tab completes them, members on sides and kinds of messages",
        arguments: [
            ("la", "lab "), ("lab pa", "lab partition "), ("lab st", "lab stop "), ("help lab sp", "help lab split-vote "),
            ("lab stop n", "n1 n2 n3"), ("lab partition n1,", "lab partition n1,n"), ("lab partition n1,n", "n1,n2 n1,n3"), ("lab partition n1,n2 / n", "lab partition n1,n2 / n3 "),
            ("lab drop AppendEntriesR", "lab drop AppendEntriesResponse "), ("lab drop --from n", "n1 n2 n3"),
            ("lab freeze --d", "lab freeze --data-dir "),
        ])
    func completes(typed: String, expected: String) {
        let completion = Completion(of: typed[...]) { $0 == .members ? ["n1", "n2", "n3"] : [] }
        let line = completion.insertion.map { String(typed.dropLast(completion.replaced)) + $0 }
        #expect((line ?? completion.choices.joined(separator: " ")) == expected)
    }

    @Test("Without an `up` it is said what can be done instead; without the switch, how to get it")
    func instructions() async throws {
        let member = try await FakeMember()
        defer { member.stop() }
        let client = Client(endpoints: [Endpoint(host: "127.0.0.1", port: member.port)], options: ClientOptions(timeout: .seconds(1)))
        let lab = Lab(client: client, style: .plain)
        let stop = await lab.carryOut(.process(.stop("n1", gently: false), directory: "/nonexistent/directory"))
        #expect(stop.code == .clusterError)
        #expect(stop.errors.contains("no `swiftwater up` runs in /nonexistent/directory") && stop.errors.contains("--data-dir"))
        let json = await Lab(client: client, style: .json).carryOut(.process(.freeze("n1"), directory: "/nonexistent"))
        #expect(json.errors.hasPrefix(#"{"error":"no `swiftwater up` runs in /nonexistent"#) && json.errors.contains(#""hint":"#))
        let stranger = await lab.carryOut(.partition([["n1"], ["nobody"]]))
        #expect(stranger.errors.contains("there is no member 'nobody'\nthere are "), "\(stranger.errors)")
        await client.close()
        let nobody = Client(endpoints: [Endpoint(host: "127.0.0.1", port: 1)], options: ClientOptions(timeout: .seconds(1)))
        let silence = await Lab(client: nobody, style: .plain).carryOut(.heal)
        #expect(silence.code == .noAnswer && silence.errors.contains("no member answers") && silence.errors.contains("swiftwater up --enable-faults"))
        await nobody.close()
    }
}
