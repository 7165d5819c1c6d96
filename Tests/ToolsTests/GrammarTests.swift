import Base
import Client
import Keyspace
import Testing
import Wire

@testable import Tools

@Suite("The grammar of commands")
struct GrammarTests {
    private func request(_ words: [String], _ place: Grammar.Place = .commandLine) throws -> Grammar.Command {
        try Grammar(place).parse(words: words.map { Bytes(utf8: $0) }).command
    }

    @Test(
        "Every command of the contract is understood",
        arguments: [
            ("ping", .operation(.ping)),
            ("get k", .operation(.get(key: "k"))),
            ("get --consistency lease k", .read(.get(key: "k"), .lease)),
            ("keys --consistency=local", .read(.keys(prefix: "", startAfter: "", limit: 0), .local)),
            ("set k v", .operation(.set(key: "k", value: .data("v")))),
            ("set --list k a b", .operation(.set(key: "k", value: .list(ItemList(["a", "b"] as [Bytes]))))),
            ("set --list k", .operation(.set(key: "k", value: .list(ItemList())))),
            ("strln k", .operation(.strlen(key: "k"))),
            ("strlen k", .operation(.strlen(key: "k"))),
            ("del k", .operation(.delete(key: "k"))),
            ("append k v", .operation(.append(key: "k", suffix: "v"))),
            ("append --item k v", .operation(.appendItem(key: "k", item: "v"))),
            ("keys", .operation(.keys(prefix: "", startAfter: "", limit: 0))),
            ("keys user/", .operation(.keys(prefix: "user/", startAfter: "", limit: 0))),
            ("status", .status),
            ("members", .members),
            ("request_log", .requestLog(from: 1, limit: nil, node: nil)),
            ("request-log --from 7 --limit=2 --node n3", .requestLog(from: 7, limit: 2, node: "n3")),
            ("add-server n4 127.0.0.1:7404", .addServer(name: "n4", address: "127.0.0.1:7404", isLearner: false)),
            ("add-server --learner n4 h:1", .addServer(name: "n4", address: "h:1", isLearner: true)),
            ("replace-server n2 h:1", .replaceServer(name: "n2", address: "h:1")),
            ("add-server n4 [::1]:7404", .addServer(name: "n4", address: "[::1]:7404", isLearner: false)),
            ("remove-server n4", .removeServer(name: "n4")),
            ("transfer-leadership n2", .transferLeadership(name: "n2")),
            ("transaction set a b; append a 1; get a", Self.three),
        ] as [(String, Request)])
    func understands(line: String, expected: Request) throws {
        #expect(try Grammar(.prompt).parse(line: line) == .request(expected))
        if !line.hasPrefix("transaction") {
            #expect(try request(line.split(separator: " ").map(String.init)) == .request(expected))
        }
    }

    private static let three = Request.transaction([
        .set(key: "a", value: .data("b")), .append(key: "a", suffix: "1"), .get(key: "a"),
    ])

    @Test("A transaction is written in any of the ways a shell makes easy")
    func transactions() throws {
        let spellings = [
            ["transaction", "set a b; append a 1; get a"],
            ["transaction", "set a b", "append a 1", "get a"],
            ["transaction", "set", "a", "b", ";", "append", "a", "1", ";", "get", "a"],
            ["transaction", "set a b\nappend a 1\nget a\n"],
        ]
        for words in spellings { #expect(try request(words) == .request(Self.three), "\(words)") }
        #expect(try request(["transaction"]) == .transactionFromInput)
        let prompt = Grammar(.prompt)
        #expect(try prompt.parse(line: "set a b; append a 1; get a") == .request(Self.three))
        #expect(try prompt.parse(line: "transaction; set a b; append a 1; get a") == .request(Self.three))
        #expect(try prompt.parse(line: "transaction get a") == .request(.transaction([.get(key: "a")])))
    }

    @Test("Values that begin with a dash need no ceremony; those that look like options, only --")
    func dashes() throws {
        #expect(try request(["append", "k", "-1"]) == .request(.operation(.append(key: "k", suffix: "-1"))))
        #expect(try request(["set", "k", "--x"]) == .request(.operation(.set(key: "k", value: .data("--x")))))
        #expect(try request(["set", "--", "--k", "--list"]) == .request(.operation(.set(key: "--k", value: .data("--list")))))
        #expect(try request(["get", "-k"]) == .request(.operation(.get(key: "-k"))))
        #expect(try request(["set", "k", ""]) == .request(.operation(.set(key: "k", value: .data("")))))
    }

    @Test("Values may be any bytes")
    func bytes() throws {
        let line = try Grammar(.commandLine).parse(words: ["set", [0xff], [0x00, 0xfe]])
        #expect(line.command == .request(.operation(.set(key: [0xff], value: .data([0x00, 0xfe])))))
    }

    @Test("On the command line the connection's options stand on either side of the command")
    func connection() throws {
        let words: [Bytes] = ["get", "--timeout", "2s", "k", "--endpoints=a:1,[::1]:2", "--output", "json"]
        let line = try Grammar(.commandLine).parse(words: words)
        #expect(line.command == .request(.operation(.get(key: "k"))))
        #expect(line.connection.timeout == .seconds(2))
        #expect(line.connection.endpoints == [Endpoint(host: "a", port: 1), Endpoint(host: "::1", port: 2)])
        #expect(line.connection.output == .json)
        let outer = Grammar.Connection(timeout: .seconds(9), output: .text)
        #expect(outer.overridden(by: line.connection).timeout == .seconds(2))
        #expect(line.connection.overridden(by: outer).endpoints?.count == 2)
    }

    @Test(
        "Wrong usage says what is wrong and what would be right",
        arguments: [
            ("gte a", "there is no command 'gte'", "did you mean: get"),
            ("frobnicate", "there is no command 'frobnicate'", "try: swiftwater help"),
            ("get", "get: the key is missing", "usage: get K"),
            ("get a b", "get: there is one word too many", "usage: get K"),
            ("set", "set: the key is missing", "usage: set K V\n       set --list K V…"),
            ("set k", "set: the value is missing", "usage: set K V\n       set --list K V…"),
            (
                "set k v w", "set: there is one word too many: put a value with blanks in quotes",
                "usage: set K V\n       set --list K V…"
            ),
            ("ping x", "ping: it takes no arguments", "usage: ping"),
            ("append --itme k v", "append: there is no option --itme", "did you mean: --item"),
            ("append k --item v", "append: --item stands after the key",
             "put options before the key; to store the word '--item' itself, put -- before the key"),
            ("set --list k a --timeout 2s", "set: --timeout stands after the key",
             "put options before the key; to store the word '--timeout' itself, put -- before the key"),
            ("request_log --from x", "--from takes a number from 1, not 'x'", nil),
            ("request_log --from", "--from needs a value: --from I", nil),
            ("get k --timeout 5", "--timeout takes a length of time like 5s or 500ms, not '5'", nil),
            ("get --consistency strong k", "--consistency is linearizable, lease or local, not 'strong'", nil),
            ("get k --output xml", "--output is text or json, not 'xml'", nil),
            ("get k --endpoints nowhere",
             "--endpoints: 'nowhere' has no port: write HOST:PORT, as in 127.0.0.1:7401", nil),
            ("add-server n4", "add-server: the address is missing", "usage: add-server [--learner] NAME ADDR"),
            ("add-server n4 here", "'here' has no port: write HOST:PORT, as in 127.0.0.1:7401", nil),
            ("remove-server", "remove-server: the member's name is missing", "usage: remove-server NAME"),
        ] as [(String, String, String?)])
    func usage(line: String, message: String, hint: String?) {
        #expect(throws: UsageError(message, hint: hint)) {
            try request(line.split(separator: " ").map(String.init))
        }
    }

    @Test("A mistake inside a transaction is named by its operation")
    func transactionMistakes() {
        let grammar = Grammar(.prompt)
        #expect(throws: UsageError("operation 2: get: the key is missing", hint: "usage: get K")) {
            try grammar.parse(line: "set a b; get")
        }
        #expect(throws: UsageError(
            "operation 1: 'status' cannot be part of a transaction",
            hint: "these can: get, set, strln, del, append, keys")) { try grammar.parse(line: "status; get a") }
        #expect(throws: UsageError("the ' at column 7 is never closed")) { try grammar.parse(line: "set a 'b; get a") }
    }

    @Test("The prompt knows its own words, and sends tools back to the shell")
    func prompt() throws {
        let grammar = Grammar(.prompt)
        #expect(try grammar.parse(line: "") == nil)
        #expect(try grammar.parse(line: "  # just a thought") == nil)
        #expect(try grammar.parse(line: "help") == .help(about: nil))
        #expect(try grammar.parse(line: "help set") == .help(about: "set"))
        #expect(try grammar.parse(line: "set --help") == .help(about: "set"))
        #expect(try grammar.parse(line: "quit") == .exit)
        #expect(throws: UsageError("'bench' runs from the shell", hint: "leave with Ctrl-D, then: swiftwater bench")) {
            try grammar.parse(line: "bench")
        }
        #expect(throws: UsageError("--timeout cannot change at the prompt", hint: "start again with: swiftwater --timeout …")) {
            try grammar.parse(line: "get --timeout 1s a")
        }
    }

    @Test("A key has 1 byte to 64 KiB")
    func keyLimits() throws {
        #expect(throws: UsageError("a key cannot be empty")) { try request(["get", ""]) }
        let longest = String(repeating: "k", count: 65536)
        #expect(try request(["get", longest]) == .request(.operation(.get(key: Bytes(utf8: longest)))))
        #expect(throws: UsageError("a key takes 64 KiB at most, and this one has 65537 bytes")) {
            try request(["get", longest + "k"])
        }
    }

    @Test("An item of a list is text")
    func items() {
        #expect(throws: UsageError("item 2 is not text: the items of a list are UTF-8 strings")) {
            try Grammar(.commandLine).parse(words: ["set", "--list", "k", "a", [0xff]])
        }
    }

    @Test("Every command of the reference that the grammar should know, it knows")
    func reference() {
        for reference in CommandReference.all where !reference.needsShell {
            for name in [reference.name] + reference.aliases {
                #expect(throws: Never.self, "\(name)") { try Grammar(.prompt).parse(words: [Bytes(utf8: name), "--help"]) }
            }
        }
    }
}
