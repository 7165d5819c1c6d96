import Foundation
import Testing

/// Golden scenarios: every text file in Scenarios, run and compared with itself.
@Suite struct ScenarioTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scenarios")

    static let names: [String] = {
        let files = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
        return (files ?? []).filter { $0.hasSuffix(".txt") }.sorted()
    }()

    @Test("there are scenarios")
    func exist() { #expect(Self.names.count > 10) }

    @Test("a scenario happens as it is told", arguments: names)
    func scenario(name: String) throws {
        let file = Self.folder.appending(path: name)
        let told = try String(contentsOf: file, encoding: .utf8)
        let happened = try Scenario.run(told)
        if ProcessInfo.processInfo.environment["SWIFTWATER_REGENERATE"] != nil {
            try happened.write(to: file, atomically: true, encoding: .utf8)
            return
        }
        if told != happened { Issue.record("\(name): \(firstDifference(told, happened))") }
    }

    private func firstDifference(_ told: String, _ happened: String) -> String {
        let told = told.split(separator: "\n", omittingEmptySubsequences: false)
        let happened = happened.split(separator: "\n", omittingEmptySubsequences: false)
        for line in 0..<max(told.count, happened.count) {
            let a = line < told.count ? String(told[line]) : "(the end)"
            let b = line < happened.count ? String(happened[line]) : "(the end)"
            if a != b { return "line \(line + 1) tells\n  \(a)\nbut this happened\n  \(b)" }
        }
        return "only the line ends differ"
    }
}
