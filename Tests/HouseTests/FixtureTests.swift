import Testing

/// Each check of the house, shown what it must find and what it must let pass.
@Suite struct FixtureTests {
    func source(_ room: String, _ text: String) -> SourceFile { SourceFile(path: "Sources/\(room)/Fixture.swift", text: text) }

    @Test("Comments and strings are blanked, lines and interpolations are kept")
    func blanking() {
        let text = """
        let a = "Task \\(count + "Clock".count) x" // print
        /* async /* nested */ Date( */ let b = #"raw \\(x) "quoted" Task"#
        let c = \"\"\"
          Foundation "x" \\(inner)
          \"\"\"
        """
        let blanked = blankingCommentsAndStrings(text)
        #expect(blanked.split(separator: "\n", omittingEmptySubsequences: false).count == text.split(separator: "\n", omittingEmptySubsequences: false).count)
        #expect(words(of: blanked) == ["let", "a", "count", "count", "let", "b", "let", "c", "inner"])
    }

    @Test("An import from below is found", arguments: [
        ("Consensus", "import Keyspace"), ("Consensus", "@testable import Storage"), ("Keyspace", "import DequeModule"),
        ("Storage", "import Foundation"), ("Base", "internal import Glibc"), ("GRPC", "import Wire"), ("Server", "import Client"),
        ("Replica", "import struct Server.Member"), ("EventLoop", "import CNGHTTP2"), ("Server", "import CUV"),
        ("Client", "import CProto"), ("swiftwater", "import CEdit"), ("LogFormat", "@preconcurrency import Storage"),
    ])
    func importFound(room: String, line: String) {
        #expect(importFindings(in: source(room, "// first\n\(line)\n")).map(\.line) == [2])
    }

    @Test("An import from above is let pass", arguments: [
        ("Consensus", "import Base"), ("Storage", "import DequeModule"), ("Wire", "import CProto\nimport CProtobufC"),
        ("EventLoop", "import CUV\nimport Glibc"), ("Server", "import Wire"), ("Tools", "import CEdit\nimport Client"),
        ("Consensus", "// import Foundation\nlet s = \"import Foundation\""),
    ])
    func importPasses(room: String, text: String) {
        #expect(importFindings(in: source(room, text)) == [])
    }

    @Test("Whoever could plant a bug outside the simulator is found", arguments: ["Server", "Tools", "Wire", "swiftwaterd"])
    func planting(room: String) {
        #expect(sabotageFindings(in: source(room, "@_spi(Sabotage) import Base")).count == 1)
        #expect(sabotageFindings(in: source(room, "parameters.keepsBrokenLaws = true")).count == 1)
        #expect(sabotageFindings(in: source(room, "let name = \"sabotage\"")) == [])
        #expect(sabotageFindings(in: source("Simulation", "@_spi(Sabotage) import Base")) == [])
    }

    @Test("A test may open its own room's border, not another's")
    func testBorders() {
        #expect(importFindings(in: SourceFile(path: "Tests/EventLoopTests/A.swift", text: "import CUV")) == [])
        #expect(importFindings(in: SourceFile(path: "Tests/ServerTests/A.swift", text: "import CUV")).count == 1)
    }

    @Test("A banned word is found in a pure room", arguments: [
        "let t = Task { }", "func f() async {}", "print(x)", "x.shuffled()", "UInt8.random(in: 0...1)", "let d = Date()",
        "some Clock", "\"\\(print(1))\"",
    ])
    func wordFound(line: String) {
        #expect(wordFindings(in: source("Storage", line)).count >= 1)
        #expect(wordFindings(in: source("Server", line)) == [], "only the pure rooms are held to it")
    }

    @Test("Words that only look alike are let pass", arguments: [
        "// print async Task", "let fingerprint = printing", "var random = SplitMix64(1)", "\"print\"", "Tasks", "struct Date {}", "isClockwise",
    ])
    func wordPasses(line: String) {
        #expect(wordFindings(in: source("Consensus", line)) == [])
    }

    @Test("An assignment through an optional is found", arguments: [
        "draft?.running = nil", "peers[place].transfer!.isSent = true", "draft?.waiting += 1", "a.b?.c.d[3] = 4",
    ])
    func leakFound(line: String) {
        #expect(leakFindings(in: source("Storage", line + "\n")).count == 1)
        #expect(leakFindings(in: source("Server", line + "\n")).isEmpty)
    }

    @Test("Comparisons and calls through an optional are let pass", arguments: [
        "if a?.b == c { }", "a?.b.append(c)", "let x = a?.b ?? c", "draft.update { $0.running = nil }", "if a?.b != c, d <= e { }",
    ])
    func leakPasses(line: String) {
        #expect(leakFindings(in: source("Storage", line + "\n")).isEmpty)
    }

    @Test("A file that is too long is found; a tenth over is let pass")
    func longFile() {
        #expect(lengthFindings(in: source("Base", String(repeating: "let a = 1\n", count: 440))) == [])
        #expect(lengthFindings(in: source("Base", String(repeating: "let a = 1\n", count: 441))).count == 1)
    }

    @Test("A function that is too long is found; a tenth over is let pass", arguments: [
        "func f(_ a: Int = { 3 }()) -> Int {", "init() {", "deinit {", "subscript(a: Int) -> Int {", "func f<T>(\n    a: T\n)\n    throws(E) -> Int\nwhere T: B\n{",
        "static func == (a: A, b: A) -> Bool {", "func g() where T == Int {",
    ])
    func longFunction(signature: String) {
        let lines = signature.split(separator: "\n").count
        func file(_ length: Int) -> SourceFile {
            source("Base", "struct S {\n\(signature)\n" + String(repeating: "  if a { b() }\n", count: length - lines - 1) + "}\n}\n")
        }
        #expect(lengthFindings(in: file(77)) == [])
        #expect(lengthFindings(in: file(78)).count == 1)
        #expect(functions(in: file(78).code).first?.length == 78)
    }

    @Test("Requirements, calls and stored closures are no functions")
    func noFunctions() {
        let text = """
        protocol P {
            func a()
            func b() -> Int
            init(x: Int)
            var c: Int { get }
        }
        let x = S.init(a: 1)
        let y: () -> Void = { print("}") }
        """
        #expect(functions(in: blankingCommentsAndStrings(text)) == [])
    }

    @Test("Two functions one after the other are told apart")
    func twoFunctions() {
        let text = "func a() {\n}\n\nfunc b() { if x { \"}\" }\n}\n"
        #expect(functions(in: blankingCommentsAndStrings(text)) == [
            FunctionExtent(name: "a", firstLine: 1, length: 2), FunctionExtent(name: "b", firstLine: 4, length: 2),
        ])
    }

    @Test("A skipped test is found", arguments: [
        "@Test(.disabled(\"later\")) func a() {}", "@Test(.enabled(if: isFast)) func a() {}", "throw XCTSkip()", "import XCTest",
        "withKnownIssue { }",
    ])
    func skipped(line: String) {
        #expect(skippedTestFindings(in: SourceFile(path: "Tests/BaseTests/A.swift", text: line)).count >= 1)
        #expect(skippedTestFindings(in: SourceFile(path: "Tests/BaseTests/A.swift", text: "// \(line)")) == [])
    }

    @Test("A promise is found, in comments too")
    func promise() {
        #expect(promiseFindings(in: source("Base", "// TO" + "DO: later\n")).count == 1)
        #expect(promiseFindings(in: source("Base", "// mastodon\n")) == [])
    }

    @Test("A file without code is found")
    func placeholder() {
        #expect(placeholderFindings(in: source("Base", "// Filled in later.\n")).count == 1)
        #expect(placeholderFindings(in: source("Base", "let a = 1\n")) == [])
    }

    @Test("A link that leads nowhere is found")
    func link() {
        let text = "see [a](A.md), [b](../B.md#part), [web](https://example.org/x), [here](#there)\n"
        #expect(linkFindings(in: "docs/X.md", text: text) { $0 == "docs/A.md" }.map(\.message) == ["a link that leads nowhere: ../B.md"])
        #expect(linkFindings(in: "docs/X.md", text: text) { _ in true } == [])
    }
}
