import Base
import EventLoop
import Testing

@Suite("TCP")
struct EchoTests {
    @Test("echoes what it was sent", arguments: ["127.0.0.1", "localhost", "::1"])
    func echo(host: String) async throws {
        try await withTestLoop { test in
            let answer: String = await test.until { loop, done in
                do throws(NetworkError) {
                    let listener = try TCPListener(loop, host: host, port: 0)
                    listener.onAccept = { connection in
                        connection.onRead = { [unowned connection] in connection.write($0) }
                        connection.onClose = { _ in listener.close() }
                        connection.resumeReading()
                    }
                    TCPConnection.connect(to: host, port: listener.port, on: loop, timeout: .seconds(5)) { result in
                        guard case .success(let connection) = result else { return done("\(result)") }
                        connection.onRead = { [unowned connection] in
                            let text = Bytes(copying: $0).utf8String ?? "?"
                            connection.onClose = { _ in done(text) }
                            connection.finish()
                        }
                        connection.resumeReading()
                        connection.write("hello" as Bytes)
                    }
                } catch { done("\(error)") }
            }
            #expect(answer == "hello")
        }
    }
}
