/// Small promises about how the work is left.

/// Words that promise work instead of doing it, anywhere in a file, comments included.
private let promises = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]

func promiseFindings(in file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    for (offset, line) in file.textLines.enumerated() {
        for word in words(of: line) where promises.contains(String(word)) {
            findings.append(Finding(file: file.path, line: offset + 1, message: "'\(word)': do it, or write down in docs/ why not"))
        }
    }
    return findings
}

/// `x?.part = value` and `x!.part = value`: in a method of a `~Copyable` struct they leak what `part` held (Swift 6.3). The
/// pure rooms are full of such structs; `Optional.update` does the same and leaks nothing.
func leakFindings(in file: SourceFile) -> [Finding] {
    guard Rooms.pure.contains(file.room), file.room != "Simulation", !file.isTest else { return [] }
    var findings: [Finding] = []
    for (offset, line) in file.codeLines.enumerated() where line.contains(#/[\w)\]][?!]\.[\w.]+(\[.*\])? [-+*|&]?= /#) {
        findings.append(Finding(file: file.path, line: offset + 1, message: "an assignment that leaks: write x.update { $0.part = value }"))
    }
    return findings
}

/// Tests that do not run, and tests in the old framework, which `scripts/test` would not count.
func skippedTestFindings(in file: SourceFile) -> [Finding] {
    guard file.isTest else { return [] }
    var findings: [Finding] = []
    for (offset, line) in file.codeLines.enumerated() {
        let line = String(line)
        let found = words(of: line)
        let isTrait = line.contains(".disabled") || (line.contains("@Test") || line.contains("@Suite")) && line.contains(".enabled")
        if isTrait || found.contains("XCTSkip") || found.contains("withKnownIssue") {
            findings.append(Finding(file: file.path, line: offset + 1, message: "a test that may be skipped proves nothing"))
        }
        if found.contains("XCTest") {
            findings.append(Finding(file: file.path, line: offset + 1, message: "tests here are Swift Testing"))
        }
    }
    return findings
}

/// Files that stand for a room until it is built.
func placeholderFindings(in file: SourceFile) -> [Finding] {
    words(of: file.code).isEmpty ? [Finding(file: file.path, line: 0, message: "a file without code")] : []
}

/// Relative links of a Markdown document that lead nowhere.
func linkFindings(in document: String, text: String, exists: (String) -> Bool) -> [Finding] {
    var findings: [Finding] = []
    let directory = document.split(separator: "/").dropLast().joined(separator: "/")
    for (offset, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        for match in String(line).matches(of: #/\]\(([^)#\s]+)(#[^)]*)?\)/#) {
            let target = String(match.1)
            guard !target.contains("://"), !target.hasPrefix("mailto:") else { continue }
            let path = directory.isEmpty ? target : "\(directory)/\(target)"
            if !exists(path) {
                findings.append(Finding(file: document, line: offset + 1, message: "a link that leads nowhere: \(target)"))
            }
        }
    }
    return findings
}
