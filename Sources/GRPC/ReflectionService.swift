public import Base

/// grpc.reflection.v1.ServerReflection (proto/grpc/reflection/v1/reflection.proto): lets grpcurl and its like ask a
/// server what it can do. The same service answers as v1alpha, which older tools ask for.
public final class ReflectionService: @unchecked Sendable {
    private unowned let server: GRPCServer
    private let index: DescriptorIndex

    /// `files` is a serialized google.protobuf.FileDescriptorSet. Throws when it is none. Files named in `hidden` are not
    /// known here.
    public init(on server: GRPCServer, files: Bytes, except hidden: Set<Bytes> = []) throws(ByteReader.Failure) {
        self.server = server
        index = try DescriptorIndex(files, except: hidden)
        for path: MethodPath in [
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            server.register(stream: path) { [self] call in
                call.onMessage = { [self, unowned call] request in answer(Bytes(copying: request), on: call) }
                call.onHalfClose = { [unowned call] in call.finish() }
            }
        }
    }

    private func answer(_ request: Bytes, on call: ServerCall) {
        guard call.isWritable else {
            return call.fail(Status(.resourceExhausted, "read some answers before you ask for more"))
        }
        do throws(ByteReader.Failure) {
            call.send(try response(to: request))
        } catch {
            call.fail(Status(.invalidArgument, "malformed ServerReflectionRequest"))
        }
    }

    // MARK: Messages

    private enum Field {
        static let validHost = 1
        static let originalRequest = 2
        static let fileDescriptors = 4
        static let extensionNumbers = 5
        static let services = 6
        static let error = 7
    }

    private func response(to request: Bytes) throws(ByteReader.Failure) -> Bytes {
        var host = Bytes()
        var answer: (field: Int, body: Bytes)?
        var reader = ByteReader(request)
        while !reader.isAtEnd {
            let (field, type) = try reader.readTag()
            guard type == .lengthDelimited else {
                try reader.skip(type)
                continue
            }
            let value = try reader.readLengthDelimited()
            switch field {
            case 1: host = value
            case 3: answer = files(index.file(named: value), "file", value)
            case 4: answer = files(index.file(declaring: value), "symbol", value)
            case 5: answer = try extensionFile(value)
            case 6: answer = extensionNumbers(of: value)
            case 7: answer = (Field.services, services())
            default: break
            }
        }
        let (field, body) = answer ?? error(.invalidArgument, "the request asks for nothing that is known here")
        var writer = ByteWriter(capacity: body.count + request.count + host.count + 32)
        if !host.isEmpty { writer.write(field: Field.validHost, host) }
        writer.write(field: Field.originalRequest, request)
        writer.write(field: field, body)
        return writer.finish()
    }

    /// FileDescriptorResponse: the file and all that it imports, as far as they are known.
    private func files(_ file: Int?, _ kind: String, _ name: Bytes) -> (Int, Bytes) {
        guard let file else { return error(.notFound, "unknown \(kind): \(name)") }
        var writer = ByteWriter(capacity: 4096)
        for descriptor in index.closure(of: file) { writer.write(field: 1, descriptor) }
        return (Field.fileDescriptors, writer.finish())
    }

    private func extensionFile(_ request: Bytes) throws(ByteReader.Failure) -> (Int, Bytes) {
        var type = Bytes()
        var number: UInt64 = 0
        var reader = ByteReader(request)
        while !reader.isAtEnd {
            let (field, wire) = try reader.readTag()
            switch (field, wire) {
            case (1, .lengthDelimited): type = try reader.readLengthDelimited()
            case (2, .varint): number = try reader.readVarint()
            default: try reader.skip(wire)
            }
        }
        return files(index.file(extending: type, number: number), "extension \(number) of", type)
    }

    /// ExtensionNumberResponse.
    private func extensionNumbers(of type: Bytes) -> (Int, Bytes) {
        guard index.file(declaring: type) != nil else { return error(.notFound, "unknown type: \(type)") }
        var writer = ByteWriter()
        writer.write(field: 1, type)
        var numbers = ByteWriter()
        for number in index.extensionNumbers(of: type) { numbers.writeVarint(number) }
        if numbers.count > 0 { writer.write(field: 2, numbers.finish()) }
        return (Field.extensionNumbers, writer.finish())
    }

    /// ListServiceResponse: the services that have methods here.
    private func services() -> Bytes {
        var names: [Bytes] = []
        for method in server.methods {
            // "/package.Service/Method"
            let path = method.bytes
            guard let end = (1..<path.count).last(where: { path[$0] == UInt8(ascii: "/") }) else { continue }
            let name = path[1..<end]
            if names.last != name { names.append(name) }
        }
        var writer = ByteWriter(capacity: 256)
        for name in names {
            var service = ByteWriter()
            service.write(field: 1, name)
            writer.write(field: 1, service.finish())
        }
        return writer.finish()
    }

    /// ErrorResponse.
    private func error(_ code: StatusCode, _ message: String) -> (Int, Bytes) {
        var writer = ByteWriter()
        writer.writeTag(field: 1, .varint)
        writer.writeVarint(UInt64(code.rawValue))
        writer.write(field: 2, Bytes(utf8: message))
        return (Field.error, writer.finish())
    }
}

extension ByteWriter {
    /// A length-delimited protobuf field.
    mutating func write(field: Int, _ bytes: Bytes) {
        writeTag(field: field, .lengthDelimited)
        writeVarint(UInt64(bytes.count))
        write(bytes)
    }
}
