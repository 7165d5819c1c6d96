import Base
import EventLoop
import Synchronization
import Testing

@testable import GRPC

@Suite("Calls")
struct CallTests {
    @Test("A unary call is answered")
    func unary() async throws {
        let harness = try await Harness()
        let channel = await harness.channel()
        let result = await harness.unary(channel, "/t.T/Echo", "hello")
        #expect(result.status == .ok)
        #expect(result.message == "hello")
        let empty = await harness.unary(channel, "/t.T/Echo", Bytes())
        #expect(empty.status == .ok)
        #expect(empty.message.isEmpty)
        await harness.stop()
    }
}
