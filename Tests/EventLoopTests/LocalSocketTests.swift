import Base
import Foundation
import Testing

@testable import EventLoop

@Suite("Questions over a socket in a directory")
struct LocalSocketTests {
    private func withDirectory(_ body: (String) throws -> Void) throws {
        // Longer than the address of a Unix socket may be.
        let directory = NSTemporaryDirectory() + "swiftwater-\(UUID())/" + String(repeating: "long/", count: 30)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try body(directory)
        try FileManager.default.removeItem(atPath: directory)
    }

    @Test("A question gets its answer, one after the other, wherever the directory lies")
    func answers() throws {
        try withDirectory { directory in
            let listener = try LocalListener(in: directory) { "you said \($0)" }
            for question in ["one", "", String(repeating: "x", count: LocalSocket.maxQuestion)] {
                #expect(try LocalSocket.ask(question, in: directory, within: .seconds(10)) == "you said \(question)")
            }
            let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/control")
            #expect((attributes[.posixPermissions] as? Int).map { $0 & 0o077 } == 0)
            listener.close()
        }
    }

    @Test("A file that was left behind is taken over; when nobody listens, that is said")
    func absence() throws {
        try withDirectory { directory in
            let nobody = #expect(throws: LocalSocket.Failure.self) { try LocalSocket.ask("x", in: directory, within: .seconds(1)) }
            #expect(nobody?.isAbsent == true)
            #expect(throws: LocalSocket.Failure.self) { try LocalSocket.ask("x", in: directory + "nowhere", within: .seconds(1)) }
            let first = try LocalListener(in: directory) { _ in "first" }
            let second = try LocalListener(in: directory) { _ in "second" }
            #expect(try LocalSocket.ask("x", in: directory, within: .seconds(10)) == "second")
            first.close()
            second.close()
        }
    }

    @Test("Too long a question is refused, and too slow an answer given up")
    func bounds() throws {
        try withDirectory { directory in
            let listener = try LocalListener(in: directory) { question in
                if question == "slow" { Thread.sleep(forTimeInterval: 0.5) }
                return "late"
            }
            #expect(throws: LocalSocket.Failure.self) {
                try LocalSocket.ask(String(repeating: "x", count: LocalSocket.maxQuestion + 1), in: directory, within: .seconds(1))
            }
            #expect(throws: LocalSocket.Failure.self) { try LocalSocket.ask("slow", in: directory, within: .milliseconds(50)) }
            #expect(try LocalSocket.ask("x", in: directory, within: .seconds(10)) == "late")
            listener.close()
        }
    }
}
