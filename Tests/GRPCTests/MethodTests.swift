import Base
import Testing

@testable import GRPC

@Suite("Methods that come and go", .timeLimit(.minutes(1)))
struct MethodTests {
    @Test("A method that is registered anew answers on connections that knew the old one")
    func replaced() async throws {
        let harness = try await Harness { server in
            server.register("/t.T/Changing") { call, _ in call.reply("old") }
        }
        let channel = await harness.channel()
        // Often enough for the path to be known by its address.
        for _ in 0..<3 { #expect(await harness.unary(channel, "/t.T/Changing", "x").message == "old") }
        await harness.onServer { harness.server.withdraw("/t.T/Changing") }
        #expect(await harness.unary(channel, "/t.T/Changing", "x").status.code == .unimplemented)
        await harness.onServer { harness.server.register("/t.T/Changing") { call, _ in call.reply("new") } }
        for _ in 0..<3 { #expect(await harness.unary(channel, "/t.T/Changing", "x").message == "new") }
        await harness.stop()
    }
}
