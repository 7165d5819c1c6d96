import Base
import Glibc
import Testing

@testable import Tools

@Suite("Completion")
struct CompletionTests {
    private let keys: [Bytes] = ["greeting", "grüße", "user/ada", "user/adam", "two words", [0xff, 0x01]]

    private func complete(_ line: String) -> Completion {
        Completion(of: line[...]) { lookup in
            switch lookup {
            case .keys(let prefix): keys.filter { $0.hasPrefix(prefix) }
            case .members: ["n1", "n2", "north"]
            }
        }
    }

    /// The line after Tab, or what it could become.
    private func line(_ line: String) -> String {
        let completion = complete(line)
        guard let insertion = completion.insertion else { return completion.choices.joined(separator: " ") }
        return String(String.UnicodeScalarView(line.unicodeScalars.dropLast(completion.replaced))) + insertion
    }

    @Test(
        "A word is finished, or shown with its choices",
        arguments: [
            ("st", "status strln"), ("stat", "status "), ("tr", "trans"), ("requ", "request_log "), ("request-", "request-log "),
            ("qu", "quit "), ("get gre", "get greeting "), ("get user/", "get user/ada"), ("get user/ada", "user/ada user/adam"),
            ("get tw", #"get "two words" "#), ("get \"two", #"get "two words" "#), ("get g", "get gr"), ("set k gre", ""),
            ("append --", "append --item "), ("set --", "set --list "), ("request_log --", "--from --limit --node"),
            ("request_log --node nor", "request_log --node north "), ("remove-server n", "n1 n2 north"),
            ("transfer-leadership no", "transfer-leadership north "), ("help stat", "help status "),
            ("transaction ge", "transaction get "), ("transaction get gre", "transaction get greeting "),
            ("set a b; ap", "set a b; append "), ("set a b; get gre", "set a b; get greeting "), ("zzz", ""), ("get zzz", ""),
            ("nonsense gre", ""), ("get greeting more", ""),
            ("get --consistency le", "get --consistency lease "), ("keys --consistency l", "lease linearizable local"),
            ("get --consistency lease gre", "get --consistency lease greeting "),
        ])
    func finishes(typed: String, expected: String) { #expect(line(typed) == expected) }

    @Test("A key that is no text is typed with escapes")
    func binary() { #expect(line("get $'\\xff") == #"get $'\xff\x01' "#) }

    @Test("Choices stand in columns")
    func columns() {
        var completion = Completion(of: "") { _ in [] }
        completion.choices = ["one", "two", "three", "four", "five"]
        #expect(completion.listing(columns: 21) == "one    three  five\ntwo    four")
        #expect(completion.listing(columns: 1) == "one\ntwo\nthree\nfour\nfive")
    }
}

@Suite("History")
struct HistoryTests {
    private func withFile(_ body: (HistoryFile) throws -> Void) rethrows {
        let path = "/tmp/swiftwater-history-\(UInt64.random(in: 0 ... .max))"
        defer { unlink(path) }
        try body(HistoryFile(path: path))
    }

    @Test("Lines come back in order; blank ones and those that begin with a blank are not kept")
    func comesBack() throws {
        withFile { file in
            #expect(file.load() == [])
            for line in ["set a b", "", "  secret", "get ä"] { file.append(line) }
            #expect(file.load() == ["set a b", "get ä"])
            var about = stat()
            #expect(stat(file.path, &about) == 0 && about.st_mode & 0o777 == 0o600)
        }
    }

    @Test("A long file is cut to its last lines")
    func cut() {
        withFile { file in
            for number in 1...(2 * HistoryFile.limit + 1) { file.append("get \(number)") }
            let lines = file.load()
            #expect(lines.count == HistoryFile.limit)
            #expect(lines.last == "get \(2 * HistoryFile.limit + 1)")
            file.append("one more")
            #expect(file.load().count == HistoryFile.limit)
        }
    }

    @Test("A file that cannot be written costs nothing but itself")
    func unwritable() {
        let file = HistoryFile(path: "/nonexistent/history")
        file.append("get a")
        #expect(file.load() == [])
    }
}
