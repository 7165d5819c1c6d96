/// Who may know whom. The order is the one of docs/ARCHITECTURE.md: a room imports only rooms that stand
/// above it, and the three rooms at the heart import `Base` alone.
enum Rooms {
    static let order = [
        "Base", "Consensus", "Keyspace", "LogFormat", "Storage", "Replica", "Simulation",
        "EventLoop", "GRPC", "Wire", "Server", "Client", "Gateway", "Tools",
        "swiftwaterd", "swiftwater",
    ]
    static let pure: Set = ["Base", "Consensus", "Keyspace", "LogFormat", "Storage", "Replica", "Simulation"]
    static let knowsBaseAlone: Set = ["Consensus", "Keyspace", "LogFormat"]

    /// A sealed border: the only room that sees a C library.
    static let seals = [
        "CProto": "Wire", "CProtobufC": "Wire", "CUV": "EventLoop", "CNGHTTP2": "GRPC", "COpenSSL": "GRPC", "CEdit": "Tools",
        "CJemalloc": "swiftwaterd", "CISAL": "Base",
    ]

    /// What no pure room may say: each of these brings in a clock, a generator, a thread or a device.
    static let bannedWords = ["Foundation", ".random", "shuffled", "Date(", "Clock", "Task", "async", "await", "print"]

    /// Modules from outside that a pure room may use: data structures without a clock or a hash order.
    static let pureGuests: Set = ["DequeModule"]
}

/// The modules a file imports, with their lines. `@testable`, `public import`, `import struct M.T` and
/// several attributes before the word are understood.
func imports(of file: SourceFile) -> [(line: Int, module: String)] {
    var found: [(Int, String)] = []
    for (offset, line) in file.codeLines.enumerated() {
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
        guard let position = words.firstIndex(of: "import"),
              words[..<position].allSatisfy({ $0.hasPrefix("@") || ["public", "package", "internal", "private", "fileprivate"].contains($0) })
        else { continue }
        let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias", "actor"]
        guard let name = words[(position + 1)...].first(where: { !kinds.contains($0) }) else { continue }
        found.append((offset + 1, String(name.prefix(while: { $0 != "." && $0 != ";" }))))
    }
    return found
}

/// Import directions and sealed borders.
func importFindings(in file: SourceFile) -> [Finding] {
    let room = file.isTest && file.room.hasSuffix("Tests") ? String(file.room.dropLast("Tests".count)) : file.room
    return imports(of: file).compactMap { line, module in
        if let owner = Rooms.seals[module] {
            return owner == room ? nil : Finding(file: file.path, line: line, message: "only \(owner) sees \(module)")
        }
        if file.isTest { return nil }
        if let place = Rooms.order.firstIndex(of: room), let other = Rooms.order.firstIndex(of: module), module != room, other > place {
            return Finding(file: file.path, line: line, message: "\(module) stands below \(room)")
        }
        if Rooms.knowsBaseAlone.contains(room) && module != "Base" {
            return Finding(file: file.path, line: line, message: "\(room) imports Base alone, not \(module)")
        }
        if Rooms.pure.contains(room) && !Rooms.pure.contains(module) && !Rooms.pureGuests.contains(module) {
            return Finding(file: file.path, line: line, message: "\(room) is pure: it may not see \(module)")
        }
        return nil
    }
}

/// Planted bugs: the rooms whose rules they break carry the switch, the simulator sets it, and nothing at the edges can
/// see it, however it imports.
func sabotageFindings(in file: SourceFile) -> [Finding] {
    let mayKnow: Set = ["Base", "Consensus", "Keyspace", "Storage", "Replica", "Simulation"]
    guard !file.isTest, !mayKnow.contains(file.room) else { return [] }
    return file.codeLines.enumerated().compactMap { offset, line in
        guard line.contains("_spi(Sabotage)") || contains(line, "keepsBrokenLaws") else { return nil }
        return Finding(file: file.path, line: offset + 1, message: "only the simulator and tests plant bugs")
    }
}

/// Banned words in the pure rooms: whole words, outside comments and strings.
func wordFindings(in file: SourceFile) -> [Finding] {
    guard !file.isTest, Rooms.pure.contains(file.room) else { return [] }
    var findings: [Finding] = []
    for (offset, line) in file.codeLines.enumerated() {
        for word in Rooms.bannedWords where contains(line, word) {
            findings.append(Finding(file: file.path, line: offset + 1, message: "'\(word)' has no place in \(file.room), a pure room"))
        }
    }
    return findings
}

/// The identifiers of a line of code.
func words(of line: some StringProtocol) -> [Substring] {
    String(line).split(whereSeparator: { !($0.isLetter || $0.isNumber || $0 == "_") }).map { Substring($0) }
}

/// Whether a line of code holds `word` whole: `Task` is not in `Tasks`, nor `.random` in `.randomness`.
func contains(_ line: Substring, _ word: String) -> Bool {
    func isWord(_ character: Character?) -> Bool { character.map { $0.isLetter || $0.isNumber || $0 == "_" } ?? false }
    return line.ranges(of: word).contains { range in
        let before = range.lowerBound > line.startIndex ? line[line.index(before: range.lowerBound)] : nil
        let after = range.upperBound < line.endIndex ? line[range.upperBound] : nil
        return !(isWord(word.first) && isWord(before)) && !(isWord(word.last) && isWord(after))
    }
}
