import Base
import Keyspace
import Testing

@testable import Tools

@Suite("How results are printed")
struct ResultPrinterTests {
    private let get = Operation.get(key: "k")

    private func text(_ style: Style, _ result: OperationResult, _ operation: Operation) -> (String, String, ExitCode) {
        let printed = ResultPrinter(style).printed(result, of: operation, revision: 7)
        return (String(decoding: printed.output, as: UTF8.self), printed.errors, printed.code)
    }

    @Test("In a shell: the value as it is, a list as JSON, nothing for a missing key")
    func plain() {
        #expect(text(.plain, .pong, .ping) == ("PONG\n", "", .done))
        #expect(text(.plain, .value(.data("a b\"c"), revision: 3), get) == ("a b\"c\n", "", .done))
        #expect(text(.plain, .value(.list(ItemList(["cat", "a\"b"] as [Bytes])), revision: 3), get) == ("[\"cat\",\"a\\\"b\"]\n", "", .done))
        #expect(text(.plain, .value(nil, revision: 0), get) == ("", "key not found: k\n", .noSuchKey))
        #expect(text(.plain, .set, .set(key: "k", value: .data("v"))) == ("OK\n", "", .done))
        #expect(text(.plain, .length(0), .strlen(key: "k")) == ("0\n", "", .done))
        #expect(text(.plain, .deleted(previous: .data("v")), .delete(key: "k")) == ("v\n", "", .done))
        #expect(text(.plain, .deleted(previous: nil), .delete(key: "k")) == ("", "key not found: k\n", .noSuchKey))
        #expect(text(.plain, .appended(length: 9), .append(key: "k", suffix: "v")) == ("OK\n", "", .done))
        let keys = Operation.keys(prefix: "", startAfter: "", limit: 0)
        #expect(text(.plain, .keys(["a", "b c"]), keys) == ("a\nb c\n", "", .done))
        #expect(text(.plain, .keys([]), keys) == ("", "", .done))
    }

    @Test("Bytes that are no text go to a shell untouched")
    func binary() {
        let printed = ResultPrinter(.plain).printed(.value(.data([0xff, 0x00]), revision: 1), of: get, revision: 1)
        #expect(printed.output == [0xff, 0x00, 0x0a])
    }

    @Test("At the prompt: values in quotes, a missing one as (nil)")
    func prompt() {
        #expect(text(.prompt, .value(.data("a \"b\""), revision: 3), get) == ("\"a \\\"b\\\"\"\n", "", .done))
        #expect(text(.prompt, .value(nil, revision: 0), get) == ("(nil)\n", "", .noSuchKey))
        #expect(text(.prompt, .deleted(previous: nil), .delete(key: "k")) == ("(nil)\n", "", .noSuchKey))
        #expect(text(.prompt, .keys(["a", "b c"]), .keys(prefix: "", startAfter: "", limit: 0)) == ("a\n\"b c\"\n", "", .done))
    }

    @Test("As JSON: one object a line")
    func json() {
        #expect(text(.json, .pong, .ping).0 == #"{"message":"PONG"}"# + "\n")
        #expect(text(.json, .value(.data("é\n"), revision: 3), get).0 == #"{"key":"k","value":"é\n","revision":3}"# + "\n")
        #expect(text(.json, .value(nil, revision: 0), get) == (#"{"key":"k","value":null,"revision":0}"# + "\n", "", .noSuchKey))
        #expect(text(.json, .value(.data([0xff, 0xfe]), revision: 3), get).0 == #"{"key":"k","value":{"base64":"//4="},"revision":3}"# + "\n")
        #expect(text(.json, .set, .set(key: "k", value: .data("v"))).0 == #"{"key":"k","revision":7}"# + "\n")
        #expect(text(.json, .length(3), .strlen(key: "k")).0 == #"{"key":"k","length":3}"# + "\n")
        #expect(text(.json, .deleted(previous: .list(ItemList())), .delete(key: "k")).0 == #"{"key":"k","previous":[],"revision":7}"# + "\n")
        #expect(text(.json, .appended(length: 9), .append(key: "k", suffix: "v")).0 == #"{"key":"k","length":9,"revision":7}"# + "\n")
        #expect(text(.json, .keys(["a"]), .keys(prefix: "", startAfter: "", limit: 0)).0 == #"{"keys":["a"]}"# + "\n")
    }

    @Test("A transaction prints one result a line")
    func transaction() {
        let operations: [Operation] = [.set(key: "a", value: .data("b")), .get(key: "x"), .get(key: "a"), .keys(prefix: "", startAfter: "", limit: 0)]
        let results: [OperationResult] = [.set, .value(nil, revision: 0), .value(.data("b"), revision: 7), .keys(["a", "b"])]
        func text(_ style: Style) -> String {
            String(decoding: ResultPrinter(style).printed(results, of: operations, revision: 7).output, as: UTF8.self)
        }
        #expect(text(.plain) == "OK\n(nil)\nb\n[\"a\",\"b\"]\n")
        #expect(text(.prompt) == "OK\n(nil)\n\"b\"\n[\"a\",\"b\"]\n")
        #expect(text(.json) == #"{"results":[{"key":"a"},{"key":"x","value":null,"revision":0},{"key":"a","value":"b","revision":7},{"keys":["a","b"]}],"revision":7}"# + "\n")
    }

    @Test("Base 64", arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")])
    func base64s(text: String, expected: String) { #expect(base64(Bytes(utf8: text)) == expected) }
}
