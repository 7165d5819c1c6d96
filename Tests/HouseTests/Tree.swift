import Foundation

/// Something in the tree that a law forbids.
struct Finding: Equatable, CustomStringConvertible {
    var file: String
    /// From 1; 0 when the finding is about the whole file.
    var line: Int
    var message: String

    var description: String { line > 0 ? "\(file):\(line): \(message)" : "\(file): \(message)" }
}

/// One Swift file: its text, and the same text with the insides of comments and strings blanked out,
/// newlines kept, so that both have the same lines.
struct SourceFile {
    /// From the package's root: `Sources/Base/Bytes.swift`.
    var path: String
    var text: String
    var code: String

    init(path: String, text: String) {
        self.path = path
        self.text = text
        self.code = blankingCommentsAndStrings(text)
    }

    /// The target a file belongs to: the second part of its path.
    var room: String {
        let parts = path.split(separator: "/")
        return parts.count > 2 ? String(parts[1]) : ""
    }

    var isTest: Bool { path.hasPrefix("Tests/") }

    var codeLines: [Substring] { code.split(separator: "\n", omittingEmptySubsequences: false) }
    var textLines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
}

/// The package as it lies on disk.
enum Tree {
    static let root: URL = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every Swift file under Sources and Tests, in a fixed order.
    static func swiftFiles() throws -> [SourceFile] {
        let paths = try files(under: "Sources") + files(under: "Tests")
        return try paths.filter { $0.hasSuffix(".swift") }.map {
            SourceFile(path: $0, text: try String(contentsOf: root.appendingPathComponent($0), encoding: .utf8))
        }
    }

    /// Paths from the root of all regular files below a directory.
    static func files(under directory: String) throws -> [String] {
        let base = root.appendingPathComponent(directory)
        return try FileManager.default.subpathsOfDirectory(atPath: base.path)
            .map { "\(directory)/\($0)" }
            .filter { path in
                var isDirectory: ObjCBool = false
                let isThere = FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path, isDirectory: &isDirectory)
                return isThere && !isDirectory.boolValue
            }
            .sorted()
    }

    /// Runs a program and gives back its exit status and everything it said.
    static func run(_ arguments: [String], in directory: URL = root) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.currentDirectoryURL = directory
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
