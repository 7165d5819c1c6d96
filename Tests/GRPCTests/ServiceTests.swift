import Base
import Testing

@testable import GRPC

@Suite("Health and reflection", .timeLimit(.minutes(1)))
struct ServiceTests {
    private func named(_ name: String) -> Bytes {
        guard !name.isEmpty else { return Bytes() }
        var writer = ByteWriter()
        writer.write(field: 1, Bytes(utf8: name))
        return writer.finish()
    }

    @Test("Check tells the state of the server and of its services")
    func check() async throws {
        let health = Mutexed<HealthService?>(nil)
        let harness = try await Harness { server in health.set(HealthService(on: server)) }
        let channel = await harness.channel()
        let path: MethodPath = "/grpc.health.v1.Health/Check"
        #expect(await harness.unary(channel, path, "").message == Bytes())
        await harness.onServer {
            health.value?.set("", .serving)
            health.value?.set("swiftwater.v1.KV", .notServing)
        }
        #expect(await harness.unary(channel, path, "").message == Bytes([8, 1]))
        #expect(await harness.unary(channel, path, named("swiftwater.v1.KV")).message == Bytes([8, 2]))
        #expect(await harness.unary(channel, path, named("other")).status.code == .notFound)
        #expect(await harness.unary(channel, path, Bytes([10, 200])).status.code == .invalidArgument)
        health.set(nil)
        await harness.stop()
    }

    @Test("Watch tells each change, and ends when the server stops")
    func watch() async throws {
        let health = Mutexed<HealthService?>(nil)
        let harness = try await Harness { server in health.set(HealthService(on: server)) }
        let channel = await harness.channel()
        let states = Mutexed<[Bytes]>([])
        let ended = Mutexed<Status?>(nil)
        let request = named("kv")
        await harness.onClient {
            let stream = channel.stream("/grpc.health.v1.Health/Watch")
            stream.onMessage = { message in states.update { $0.append(Bytes(copying: message)) } }
            stream.onEnd = { status, _ in ended.set(status) }
            stream.send(request)
            stream.finishSending()
        }
        #expect(await harness.eventually { states.value == [Bytes([8, 3])] })
        await harness.onServer {
            health.value?.set("kv", .serving)
            health.value?.set("kv", .serving)
            health.value?.set("kv", .notServing)
        }
        #expect(await harness.eventually { states.value == [Bytes([8, 3]), Bytes([8, 1]), Bytes([8, 2])] })
        await harness.onServer { harness.server.shutdown(grace: .seconds(5)) }
        #expect(await harness.eventually { ended.value?.code == .unavailable })
        #expect(await harness.eventually { await harness.onServer { harness.server.connectionCount } == 0 })
        health.set(nil)
        await harness.stop(isServerStopped: true)
    }

    /// Two files: b.proto imports a.proto and declares a service, a nested message and an enum.
    private var files: Bytes {
        func message(_ fields: [(Int, Bytes)]) -> Bytes {
            var writer = ByteWriter()
            for (field, value) in fields { writer.write(field: field, value) }
            return writer.finish()
        }
        func extending(_ type: String, _ number: UInt64) -> Bytes {
            var writer = ByteWriter()
            writer.write(field: 1, "ext")
            writer.write(field: 2, Bytes(utf8: type))
            writer.writeTag(field: 3, .varint)
            writer.writeVarint(number)
            return writer.finish()
        }
        let a = message([(1, "a.proto"), (2, "p"), (4, message([(1, "A"), (2, message([(1, "field")]))]))])
        let b = message([
            (1, "b.proto"), (2, "p.q"), (3, "a.proto"),
            (4, message([(1, "B"), (3, message([(1, "Inner")])), (8, message([(1, "choice")]))])),
            (5, message([(1, "E"), (2, message([(1, "E_ONE")]))])),
            (6, message([(1, "S"), (2, message([(1, "Do")]))])),
            (7, extending(".p.A", 100)),
        ])
        return message([(1, a), (1, b)])
    }

    @Test("Reflection finds files by what they declare, on both of its names", arguments: ["v1", "v1alpha"])
    func reflection(version: String) async throws {
        let files = files
        let harness = try await Harness { server in
            #expect(throws: Never.self) { try ReflectionService(on: server, files: files) }
        }
        let channel = await harness.channel()
        let path = MethodPath("/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo")
        func ask(_ field: Int, _ value: Bytes) async -> [(Int, Bytes)] {
            var request = ByteWriter()
            request.write(field: 1, "host")
            request.write(field: field, value)
            let asked = request.finish()
            let result = await harness.stream(channel, path) { stream in
                stream.send(asked)
                stream.finishSending()
            }
            #expect(result.status == .ok)
            #expect(result.messages.count == 1)
            let fields = (try? Self.fields(result.messages.first ?? Bytes())) ?? []
            #expect(fields.contains { $0 == (1, "host") })
            #expect(fields.contains { $0 == (2, asked) })
            return fields
        }
        for symbol: Bytes in ["p.q.B", "p.q.B.Inner", "p.q.B.choice", "p.q.E", "p.q.E_ONE", "p.q.S", "p.q.S.Do"] {
            let found = try Self.fields(await ask(4, symbol).first { $0.0 == 4 }?.1 ?? Bytes())
            #expect(found.count == 2)
        }
        for symbol: Bytes in ["p.A", "p.A.field"] {
            #expect(try Self.fields(await ask(4, symbol).first { $0.0 == 4 }?.1 ?? Bytes()).count == 1)
        }
        #expect(try Self.fields(await ask(3, "b.proto").first { $0.0 == 4 }?.1 ?? Bytes()).count == 2)
        #expect(await ask(4, "p.Nothing").contains { $0.0 == 7 })
        #expect(await ask(5, Bytes([10, 3] + Array("p.A".utf8) + [16, 100])).contains { $0.0 == 4 })
        #expect(await ask(6, "p.A").first { $0.0 == 5 }?.1 == Bytes([10, 3] + Array("p.A".utf8) + [18, 1, 100]))
        let services = try Self.fields(await ask(7, "").first { $0.0 == 6 }?.1 ?? Bytes())
        let names = try services.compactMap { try Self.fields($0.1).first?.1 }
        #expect(names == ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "t.T"])
        await harness.stop()
    }

    @Test("What is no FileDescriptorSet is refused")
    func badFiles() async throws {
        let harness = try await Harness { server in
            #expect(throws: ByteReader.Failure.self) { try ReflectionService(on: server, files: Bytes([10, 255])) }
        }
        await harness.stop()
    }

    private static func fields(_ message: Bytes) throws -> [(Int, Bytes)] {
        var fields: [(Int, Bytes)] = []
        var reader = ByteReader(message)
        while !reader.isAtEnd {
            let (field, type) = try reader.readTag()
            if type == .lengthDelimited { fields.append((field, try reader.readLengthDelimited())) } else { try reader.skip(type) }
        }
        return fields
    }
}
