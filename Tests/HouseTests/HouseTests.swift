import Foundation
import Testing

/// The laws of the house that a program can check. Every check is also shown something that breaks its
/// law, in `FixtureTests`: a check that cannot fail proves nothing.
@Suite struct HouseTests {
    let files: [SourceFile]

    init() throws {
        files = try Tree.swiftFiles()
        try #require(files.count > 20, "the tree was not found at \(Tree.root.path)")
    }

    @Test("A room imports only rooms above it, and a sealed border has one room behind it")
    func imports() {
        expectNone(files.flatMap(importFindings))
    }

    @Test("No clock, generator, thread or device is named in a pure room")
    func bannedWords() {
        expectNone(files.flatMap(wordFindings))
    }

    @Test("No server, client or tool can plant a bug")
    func sabotage() {
        expectNone(files.flatMap(sabotageFindings))
        let setters = files.filter { !$0.isTest && $0.code.contains("sabotage = ") && !$0.code.contains("let sabotage = ") }
        #expect(setters.map(\.room).allSatisfy { $0 == "Simulation" })
    }

    @Test("Nothing is assigned through an optional where the compiler leaks it")
    func leaks() {
        expectNone(files.flatMap(leakFindings))
    }

    @Test("Files have about 400 lines at most, functions about 70")
    func lengths() {
        expectNone(files.flatMap(lengthFindings))
    }

    @Test("No test is skipped")
    func skippedTests() {
        expectNone(files.flatMap(skippedTestFindings))
    }

    @Test("Nothing is promised in a comment instead of done")
    func promises() throws {
        let others = try (Tree.files(under: "scripts") + Tree.files(under: "proto") + Tree.files(under: "Tests"))
            .filter { path in [".proto", ".py", ".sh"].contains(where: path.hasSuffix) || path.hasPrefix("scripts/") && !path.hasSuffix(".pyc") }
            .map { SourceFile(path: $0, text: try String(contentsOf: Tree.root.appendingPathComponent($0), encoding: .utf8)) }
        expectNone((files + others).flatMap(promiseFindings))
    }

    @Test("No file is empty of code")
    func placeholders() {
        expectNone(files.flatMap(placeholderFindings))
    }

    @Test("Every room on disk has its place in the order")
    func everyRoomIsKnown() {
        let rooms = Set(files.filter { !$0.isTest }.map(\.room))
        #expect(rooms.subtracting(Rooms.order).isEmpty, "Rooms.order does not name \(rooms.subtracting(Rooms.order).sorted())")
    }

    @Test("The generated code is what a fresh generation makes")
    func generatedCode() throws {
        let (status, output) = try Tree.run(["scripts/generate-proto", "--check"])
        #expect(status == 0, "\(output)")
    }

    @Test("A change by hand to generated code is noticed")
    func generatedCodeCheckCanFail() throws {
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent("house-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: copy) }
        try FileManager.default.createDirectory(at: copy.appendingPathComponent("Sources"), withIntermediateDirectories: true)
        for part in ["scripts", "proto", "Sources/CProto", "Sources/Wire"] {
            try FileManager.default.copyItem(at: Tree.root.appendingPathComponent(part), to: copy.appendingPathComponent(part))
        }
        #expect(try Tree.run(["scripts/generate-proto", "--check"], in: copy).status == 0)
        let headers = try FileManager.default.subpathsOfDirectory(atPath: copy.appendingPathComponent("Sources/CProto").path)
        let header = try #require(headers.sorted().first(where: { $0.hasSuffix(".pb-c.h") }))
        let file = copy.appendingPathComponent("Sources/CProto").appendingPathComponent(header)
        try (String(contentsOf: file, encoding: .utf8) + "\n").write(to: file, atomically: true, encoding: .utf8)
        #expect(try Tree.run(["scripts/generate-proto", "--check"], in: copy).status != 0)
    }

    @Test("What the build resolves is not committed")
    func packageResolved() throws {
        let ignored = try String(contentsOf: Tree.root.appendingPathComponent(".gitignore"), encoding: .utf8)
        #expect(ignored.split(separator: "\n").contains("Package.resolved"))
        // A tree unpacked from an archive has no git to ask.
        if FileManager.default.fileExists(atPath: Tree.root.appendingPathComponent(".git").path) {
            #expect(try Tree.run(["git", "ls-files", "Package.resolved"]).output == "")
        }
    }

    @Test("Links in the documents lead somewhere")
    func links() throws {
        let documents = try ["README.md"] + Tree.files(under: "docs").filter { $0.hasSuffix(".md") }
        expectNone(try documents.flatMap { document in
            linkFindings(in: document, text: try String(contentsOf: Tree.root.appendingPathComponent(document), encoding: .utf8)) {
                FileManager.default.fileExists(atPath: Tree.root.appendingPathComponent($0).path)
            }
        })
    }

    private func expectNone(_ findings: [Finding], sourceLocation: SourceLocation = #_sourceLocation) {
        let isKept = findings.isEmpty
        #expect(isKept, Comment(rawValue: findings.map(\.description).joined(separator: "\n")), sourceLocation: sourceLocation)
    }
}
