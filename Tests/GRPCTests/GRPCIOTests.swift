import Base
import EventLoop
import Foundation
import Testing

@testable import GRPC

/// Google's client against our server: what two programs of ours agree on proves little.
@Suite("grpcio", .timeLimit(.minutes(2)))
struct GRPCIOTests {
    @Test("A grpcio client makes every kind of call")
    func client() async throws {
        let harness = try await Harness()
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "grpcio_client.py")
        let address = "127.0.0.1:\(harness.port)"
        let output = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<String, any Error>) in
            Thread.detachNewThread {
                continuation.resume(with: Result { try Self.run([Self.python, script.path(), address]) })
            }
        }
        #expect(output == "ok\n")
        await harness.stop()
    }

    /// The Python that scripts/setup made, with grpcio in it; else whichever is there.
    private static var python: String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let own = root.appending(path: ".venv/bin/python").path()
        return FileManager.default.isExecutableFile(atPath: own) ? own : "python3"
    }

    /// Runs a program and gives all that it printed.
    private static func run(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: output, as: UTF8.self)
    }
}
