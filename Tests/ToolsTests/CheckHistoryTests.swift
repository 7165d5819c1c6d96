import Base
import Foundation
import Testing

@testable import Tools

@Suite("check-history")
struct CheckHistoryTests {
    private func check(_ lines: [String]) throws -> Printed {
        let path = NSTemporaryDirectory() + "history-\(UUID().uuidString).jsonl"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        var printed = try Program { _ in nil }.checkHistory([path])
        printed.output = Array(String(decoding: printed.output, as: UTF8.self).replacingOccurrences(of: path, with: "FILE").utf8)
        printed.errors = printed.errors.replacingOccurrences(of: path, with: "FILE")
        return printed
    }

    private static let set = #"{"process":1,"op":"set","key":"k","arg":"a","out":null,"start":1,"end":2,"ok":true}"#

    @Test("A history that could have happened is counted")
    func fine() throws {
        let lost = #"{"process":2,"op":"append","key":"k","arg":"b","out":null,"start":1,"end":null,"ok":null}"#
        let printed = try check([Self.set, lost, #"{"process":3,"op":"get","key":"k","arg":null,"out":"ab","start":3,"end":4,"ok":true}"#])
        #expect(String(decoding: printed.output, as: UTF8.self) == "FILE: ok, 3 operations, 1 keys\n")
        #expect(printed.code == .done)
    }

    @Test("One that could not is told, and ends with 1")
    func refused() throws {
        let printed = try check([Self.set, #"{"process":3,"op":"get","key":"k","arg":null,"out":null,"start":3,"end":4,"ok":true}"#])
        #expect(String(decoding: printed.output, as: UTF8.self).hasPrefix("FILE: not linearizable: key k: "))
        #expect(printed.code.rawValue == 1)
    }

    @Test("A line that says nothing clear is named", arguments: [
        (#"{"process":3,"op":"get","key":"k","arg":null,"out":null,"start":3,"end":4}"#, "no \"ok\""),
        (#"{"process":3,"op":"get","key":"k","arg":null,"out":null,"start":3,"end":4,"ok":true,"x":1}"#, "an unknown member, \"x\""),
        (#"{"process":3,"op":"got","key":"k","arg":null,"out":null,"start":3,"end":4,"ok":true}"#, "an unknown \"op\", \"got\""),
        (#"{"process":3,"op":"get","key":"k","arg":null,"out":null,"start":3,"end":2,"ok":true}"#, "it ends before it starts"),
        (#"{"process":1,"op":"get","key":"k","arg":null,"out":"a","start":1,"end":4,"ok":true}"#, "process 1 begins it before its last one ended"),
        (#"{"process":3,"#, "no member's name at byte 13"),
    ])
    func unclear(line: String, what: String) throws {
        let printed = try check([Self.set, line])
        #expect(printed.errors == "FILE: line 2: \(what)\n")
        #expect(printed.code.rawValue == 1)
    }
}
