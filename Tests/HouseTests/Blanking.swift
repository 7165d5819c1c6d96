/// `text` with the insides of comments and string literals replaced by spaces; newlines stay. What
/// stands in an interpolation, `\(…)`, is code and stays. Raw strings (`#"…"#`), `"""` and nested block
/// comments are understood; regex literals (`/…/`) are not, and are read as code.
func blankingCommentsAndStrings(_ text: String) -> String {
    var blanker = Blanker(text: Array(text.utf8))
    blanker.code(untilClosingParenthesis: false)
    return String(decoding: blanker.output, as: UTF8.self)
}

private struct Blanker {
    let text: [UInt8]
    var output: [UInt8] = []
    var at = 0

    init(text: [UInt8]) {
        self.text = text
        output.reserveCapacity(text.count)
    }

    func looking(at pattern: String, offset: Int = 0) -> Bool {
        let bytes = pattern.utf8
        return at + offset + bytes.count <= text.count && text[(at + offset)..<(at + offset + bytes.count)].elementsEqual(bytes)
    }

    mutating func keep(_ count: Int = 1) {
        output.append(contentsOf: text[at..<(at + count)])
        at += count
    }

    mutating func blank(_ count: Int = 1) {
        for byte in text[at..<(at + count)] { output.append(byte == UInt8(ascii: "\n") ? byte : UInt8(ascii: " ")) }
        at += count
    }

    mutating func code(untilClosingParenthesis: Bool) {
        var depth = 0
        while at < text.count {
            if looking(at: "//") { lineComment(); continue }
            if looking(at: "/*") { blockComment(); continue }
            if let hashes = stringStart() { string(hashes: hashes); continue }
            switch text[at] {
            case UInt8(ascii: "("): depth += 1
            case UInt8(ascii: ")"):
                if untilClosingParenthesis && depth == 0 { return }
                depth -= 1
            default: break
            }
            keep()
        }
    }

    mutating func lineComment() {
        while at < text.count && text[at] != UInt8(ascii: "\n") { blank() }
    }

    mutating func blockComment() {
        var depth = 0
        repeat {
            if looking(at: "/*") {
                depth += 1
                blank(2)
            } else if looking(at: "*/") {
                depth -= 1
                blank(2)
            } else {
                blank()
            }
        } while depth > 0 && at < text.count
    }

    /// How many `#` stand before the quote here, or nil when no string starts.
    func stringStart() -> Int? {
        var hashes = 0
        while at + hashes < text.count && text[at + hashes] == UInt8(ascii: "#") { hashes += 1 }
        return looking(at: "\"", offset: hashes) ? hashes : nil
    }

    mutating func string(hashes: Int) {
        let fence = String(repeating: "#", count: hashes)
        let isLong = looking(at: "\"\"\"", offset: hashes)
        let end = (isLong ? "\"\"\"" : "\"") + fence
        keep(end.utf8.count)
        while at < text.count {
            if looking(at: end) { keep(end.utf8.count); return }
            if !isLong && text[at] == UInt8(ascii: "\n") { return }
            if looking(at: "\\" + fence + "(") {
                blank(1 + hashes)
                keep()
                code(untilClosingParenthesis: true)
                if at < text.count { keep() }
            } else if looking(at: "\\" + fence) {
                blank(min(1 + hashes + 1, text.count - at))
            } else {
                blank()
            }
        }
    }
}
