/// How long files and functions may be. The law says "about": a tenth more than the number is let pass, so
/// that a line too many does not ask for a contrived split, and beyond that the file or function is cut.
///
/// What is measured: a file's lines, all of them; a function's lines from the one with `func`, `init`,
/// `deinit` or `subscript` to its closing brace, both counted, comments and blank lines too. Accessors
/// and closures are part of what they stand in. Generated code (Sources/CProto) is C and not looked at.
enum Lengths {
    static let file = 400
    static let function = 70
    static func tolerated(_ limit: Int) -> Int { limit + limit / 10 }
}

func lengthFindings(in file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    // The last line ends with a newline: what follows it is no line.
    let lines = file.text.hasSuffix("\n") ? file.textLines.count - 1 : file.textLines.count
    if lines > Lengths.tolerated(Lengths.file) {
        findings.append(Finding(file: file.path, line: 0, message: "\(lines) lines; about \(Lengths.file) is the limit"))
    }
    for function in functions(in: file.code) where function.length > Lengths.tolerated(Lengths.function) {
        findings.append(Finding(
            file: file.path, line: function.firstLine,
            message: "\(function.name) has \(function.length) lines; about \(Lengths.function) is the limit"))
    }
    return findings
}

/// A function with a body: where it starts, and how many lines it has.
struct FunctionExtent: Equatable {
    var name: String
    /// From 1.
    var firstLine: Int
    var length: Int
}

/// Finds the functions in code whose comments and strings are blank already.
func functions(in code: String) -> [FunctionExtent] {
    let text = Array(code.utf8)
    var found: [FunctionExtent] = []
    var line = 1
    var at = 0
    while at < text.count {
        if text[at] == UInt8(ascii: "\n") { line += 1 }
        guard isWordStart(text, at) else { at += 1; continue }
        let end = wordEnd(text, at)
        let word = String(decoding: text[at..<end], as: UTF8.self)
        let isCalled = at > 0 && (text[at - 1] == UInt8(ascii: ".") || text[at - 1] == UInt8(ascii: "`"))
        if ["func", "init", "deinit", "subscript"].contains(word), !isCalled,
           let open = bodyStart(text, after: end), let close = matchingBrace(text, open) {
            let length = text[at...close].count(where: { $0 == UInt8(ascii: "\n") }) + 1
            found.append(FunctionExtent(name: name(of: word, text, end), firstLine: line, length: length))
        }
        at = end
    }
    return found
}

private func isWordByte(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || byte >= 0x80 || (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a)
}

private func isWordStart(_ text: [UInt8], _ at: Int) -> Bool {
    isWordByte(text[at]) && (at == 0 || !isWordByte(text[at - 1]))
}

private func wordEnd(_ text: [UInt8], _ start: Int) -> Int {
    var end = start
    while end < text.count && isWordByte(text[end]) { end += 1 }
    return end
}

private func name(of keyword: String, _ text: [UInt8], _ end: Int) -> String {
    guard keyword == "func" else { return keyword }
    let rest = text[end...].drop(while: { $0 == UInt8(ascii: " ") })
    let name = rest.prefix(while: { $0 != UInt8(ascii: "(") && $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: " ") })
    return String(decoding: name, as: UTF8.self)
}

/// The opening brace of the body that a declaration has, or nil for a requirement of a protocol: the first
/// brace outside parentheses, brackets and defaults, before a line that no signature could continue on.
private func bodyStart(_ text: [UInt8], after start: Int) -> Int? {
    var depth = 0
    var at = start
    while at < text.count {
        switch text[at] {
        case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: ")"), UInt8(ascii: "]"): depth -= 1
        case UInt8(ascii: "{") where depth == 0: return at
        case UInt8(ascii: "}") where depth == 0, UInt8(ascii: ";") where depth == 0, UInt8(ascii: "=") where depth == 0 && !isOperatorName(text, start, at): return nil
        case UInt8(ascii: "\n") where depth == 0 && !continues(text, at): return nil
        default: break
        }
        if depth < 0 { return nil }
        at += 1
    }
    return nil
}

/// `==` or `=` in the name of an operator function: `static func == (a, b)`, or in `where T == U`.
private func isOperatorName(_ text: [UInt8], _ start: Int, _ at: Int) -> Bool {
    let neighbours = [at > 0 ? text[at - 1] : 0, at + 1 < text.count ? text[at + 1] : 0]
    return neighbours.contains(where: { "=!<>+-*/&|^%".utf8.contains($0) })
}

/// Whether the signature that reaches this newline goes on after it.
private func continues(_ text: [UInt8], _ newline: Int) -> Bool {
    let before = text[..<newline].last(where: { $0 != UInt8(ascii: " ") })
    if let before, before == UInt8(ascii: ",") || before == UInt8(ascii: ">") && text[..<newline].suffix(2).elementsEqual("->".utf8) { return true }
    let next = text[(newline + 1)...].drop(while: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\t") })
    return ["{", "->", "throws", "async", "where", "rethrows"].contains(where: { next.starts(with: $0.utf8) })
}

private func matchingBrace(_ text: [UInt8], _ open: Int) -> Int? {
    var depth = 0
    for at in open..<text.count {
        if text[at] == UInt8(ascii: "{") { depth += 1 }
        if text[at] == UInt8(ascii: "}") {
            depth -= 1
            if depth == 0 { return at }
        }
    }
    return nil
}
