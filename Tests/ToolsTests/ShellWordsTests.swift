import Base
import Testing

@testable import Tools

@Suite("Words and statements of a line")
struct ShellWordsTests {
    private func words(_ line: String) throws -> [[String]] {
        try ShellWords.statements(in: line).map { $0.map { $0.utf8String ?? "\($0)" } }
    }

    @Test(
        "A line is cut as a shell would cut it",
        arguments: [
            ("", []),
            ("   ", []),
            ("get a", [["get", "a"]]),
            ("  set\ta   b  ", [["set", "a", "b"]]),
            ("set a 'b c'", [["set", "a", "b c"]]),
            (#"set a "b c""#, [["set", "a", "b c"]]),
            (#"set a "say \"hi\" \\ \n""#, [["set", "a", #"say "hi" \ \n"#]]),
            (#"set a 'no \ escape'"#, [["set", "a", #"no \ escape"#]]),
            (#"set a b\ c\;d"#, [["set", "a", "b c;d"]]),
            ("set a ''", [["set", "a", ""]]),
            ("set a b'c'\"d\"e", [["set", "a", "bcde"]]),
            (#"set a $'x\ty\n\x41é\'\q'"#, [["set", "a", "x\ty\nAé'\\q"]]),
            ("set a b; append a 1; get a", [["set", "a", "b"], ["append", "a", "1"], ["get", "a"]]),
            ("set a 'b;c';get a;", [["set", "a", "b;c"], ["get", "a"]]),
            (";; get a ;\n; get b", [["get", "a"], ["get", "b"]]),
            ("get a # the first letter", [["get", "a"]]),
            ("# nothing; here\nget a#b", [["get", "a#b"]]),
            ("set preis 5€", [["set", "preis", "5€"]]),
            (#"set a $HOME"#, [["set", "a", "$HOME"]]),
        ] as [(String, [[String]])])
    func cuts(line: String, expected: [[String]]) throws {
        #expect(try words(line) == expected)
    }

    @Test("Any byte can be typed")
    func anyByte() throws {
        let line = "set a $'" + (0...255).map { "\\x" + String($0 + 256, radix: 16).dropFirst() }.joined() + "'"
        #expect(try ShellWords.statements(in: line) == [["set", "a", Bytes(Array(0...255))]])
    }

    @Test(
        "What is left open is named with its column",
        arguments: [
            ("set a 'b", .openQuote("'", column: 7)),
            (#"set "a"#, .openQuote("\"", column: 5)),
            (#"set a "b\""#, .openQuote("\"", column: 7)),
            ("set a $'b", .openQuote("'", column: 7)),
            (#"set a \"#, .lonelyBackslash(column: 7)),
            (#"set a $'\xg'"#, .badEscape(column: 9)),
            (#"set a $'\ud800'"#, .badEscape(column: 9)),
        ] as [(String, ShellWords.Failure)])
    func failures(line: String, failure: ShellWords.Failure) {
        #expect(throws: failure) { try ShellWords.statements(in: line) }
    }

    @Test("A half-typed line says where its cursor stands")
    func unfinished() {
        #expect(ShellWords.unfinished(Array("ge".utf8)) == .init(before: [], word: "ge", length: 2))
        #expect(ShellWords.unfinished(Array("get ".utf8)) == .init(before: ["get"], word: "", length: 0))
        #expect(ShellWords.unfinished(Array("set a b; ge".utf8)) == .init(before: [], word: "ge", length: 2))
        #expect(ShellWords.unfinished(Array("get 'my k".utf8)) == .init(before: ["get"], word: "my k", length: 5))
    }

    @Test("What the prompt prints, it reads back as the same bytes")
    func roundTrip() throws {
        var generator = SplitMix64(seed: 7)
        for _ in 0..<500 {
            let count = Int(generator.next(below: 12))
            let bytes = Bytes((0..<count).map { _ in
                generator.next(below: 3) == 0 ? UInt8(truncatingIfNeeded: generator.next()) : UInt8(generator.next(below: 96) + 32)
            })
            for text in [Quoting.quoted(bytes), Quoting.word(bytes)] {
                #expect(try ShellWords.statements(in: text) == [[bytes]], "\(text)")
            }
        }
    }

    @Test(
        "Values are shown in quotes, and what could play with a terminal is escaped",
        arguments: [
            ("hello", #""hello""#), ("", #""""#), (#"a "b" \c"#, #""a \"b\" \\c""#), ("grüße", #""grüße""#),
            ("a\nb'", #"$'a\nb\''"#), ("\u{1b}[31mred", #"$'\x1b[31mred'"#), ("a\u{202e}b", #"$'a\u202eb'"#),
        ])
    func shown(text: String, expected: String) {
        #expect(Quoting.quoted(Bytes(utf8: text)) == expected)
    }

    @Test("Bytes that are no text are shown byte by byte")
    func binary() {
        #expect(Quoting.quoted([0xff, 0x41, 0x00, 0xc3]) == #"$'\xffA\x00\xc3'"#)
    }

    @Test("A word is bare when nothing in it is special")
    func word() {
        #expect(Quoting.word("user/ada-1.x") == "user/ada-1.x")
        #expect(Quoting.word("two words") == #""two words""#)
        #expect(Quoting.word("") == #""""#)
        #expect(Quoting.word("a;b") == #""a;b""#)
        #expect(Quoting.word("#x") == ##""#x""##)
    }
}

@Suite("Durations")
struct DurationTests {
    @Test(
        "Lengths of time are read with their unit",
        arguments: [
            ("5s", Interval.seconds(5)), ("500ms", .milliseconds(500)), ("1.5s", .milliseconds(1500)), ("2m", .seconds(120)),
            ("1h", .seconds(3600)), ("100us", .microseconds(100)), ("7ns", Interval(nanoseconds: 7)),
        ])
    func reads(text: String, expected: Interval) { #expect(Durations.parse(text) == expected) }

    @Test("Everything else is refused", arguments: ["", "5", "s", "0s", "-1s", "1.2.3s", "5 s", "5sec", "9999h", "nan", "٣s"])
    func refuses(text: String) { #expect(Durations.parse(text) == nil) }

    @Test(
        "They are shown with three digits",
        arguments: [(412, "412 ns"), (41_200, "41.2 µs"), (412_000, "0.41 ms"), (12_345_678, "12.3 ms"), (1_204_000_000, "1.20 s")]
            as [(UInt64, String)])
    func shows(ns: UInt64, expected: String) { #expect(Durations.text(Interval(nanoseconds: ns)) == expected) }
}
