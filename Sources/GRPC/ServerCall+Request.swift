import Base
import CNGHTTP2
import Glibc

/// What came in a request's header fields.
struct RequestHead: ~Copyable {
    enum Fault { case method, contentType, path, timeout, headerList }

    /// Custom metadata, still in nghttp2's buffers.
    private var fields: [(name: OpaquePointer, value: OpaquePointer)] = []
    /// As RFC 9113, 6.5.2 counts: names, values, and 32 for each field.
    var listBytes = 0
    /// `ServerOptions.maxHeaderListBytes`.
    var listLimit = 0
    var isPost = false
    var isGRPC = false
    var timeout: Interval?
    var hasBadTimeout = false
    /// The compression that the client named; empty for identity.
    var encoding = ""

    mutating func add(_ name: OpaquePointer, _ value: OpaquePointer) {
        nghttp2_rcbuf_incref(name)
        nghttp2_rcbuf_incref(value)
        fields.append((name, value))
    }

    mutating func removeAll() {
        for field in fields {
            nghttp2_rcbuf_decref(field.name)
            nghttp2_rcbuf_decref(field.value)
        }
        fields.removeAll(keepingCapacity: true)
        listBytes = 0
        isPost = false
        isGRPC = false
        timeout = nil
        hasBadTimeout = false
        if !encoding.isEmpty { encoding = "" }
    }

    private func find(_ name: String) -> UnsafeRawBufferPointer? {
        var name = name
        return name.withUTF8 { wanted in
            fields.last { $0.name.contents.elementsEqual(wanted) }?.value.contents
        }
    }

    func text(_ name: String) -> String? {
        find(name).map { String(decoding: $0, as: UTF8.self) }
    }

    func bytes(_ name: String) -> Bytes? {
        guard let value = find(name) else { return nil }
        var metadata = Metadata()
        metadata.addReceived(name: name, value: value)
        return metadata.bytes(name)
    }

    var metadata: Metadata {
        var metadata = Metadata()
        for field in fields {
            metadata.addReceived(name: String(decoding: field.name.contents, as: UTF8.self), value: field.value.contents)
        }
        return metadata
    }
}

extension OpaquePointer {
    /// The bytes of a `nghttp2_rcbuf`: there as long as it is held.
    var contents: UnsafeRawBufferPointer {
        let text = nghttp2_rcbuf_get_buf(self)
        return UnsafeRawBufferPointer(start: text.base, count: text.len)
    }
}

extension UnsafeRawBufferPointer {
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let baseAddress else { return count == 0 && text.utf8CodeUnitCount == 0 }
        return memcmp(baseAddress, text.utf8Start, count) == 0
    }

    func hasPrefix(_ text: StaticString) -> Bool {
        count >= text.utf8CodeUnitCount
            && UnsafeRawBufferPointer(rebasing: self[..<text.utf8CodeUnitCount]).equals(text)
    }
}

extension ServerCall {
    /// Takes a header field. False when the list is out of all proportion: see `maxHeaderListBytes`.
    func headerReceived(_ name: OpaquePointer, _ value: OpaquePointer) -> Bool {
        let nameBytes = name.contents
        let limit = request.listLimit
        request.listBytes += nameBytes.count + value.contents.count + 32
        guard request.listBytes <= limit else { return request.listBytes <= 16 * limit }
        switch nameBytes.count {
        case 2 where nameBytes.equals("te"): break
        case 5 where nameBytes.equals(":path"): serverMethod = session?.method(at: value)
        case 7 where nameBytes.equals(":method"): request.isPost = value.contents.equals("POST")
        case 7 where nameBytes.equals(":scheme"): break
        case 10 where nameBytes.equals(":authority"): break
        case 12 where nameBytes.equals("content-type"): request.isGRPC = Self.isGRPC(value.contents)
        case 12 where nameBytes.equals("grpc-timeout"):
            request.timeout = Timeout.parse(value.contents)
            request.hasBadTimeout = request.timeout == nil
        case 13 where nameBytes.equals("grpc-encoding"):
            if !value.contents.equals("identity") { request.encoding = String(decoding: value.contents, as: UTF8.self) }
        case 20 where nameBytes.equals("grpc-accept-encoding"): break
        default: request.add(name, value)
        }
        return true
    }

    /// "application/grpc", with a subtype or parameters or without (gRPC over HTTP/2, "Content-Type").
    private static func isGRPC(_ value: UnsafeRawBufferPointer) -> Bool {
        guard value.hasPrefix("application/grpc") else { return false }
        return value.count == 16 || value[16] == UInt8(ascii: "+") || value[16] == UInt8(ascii: ";")
    }

    /// The header block is whole: judges it and starts the handler of a stream.
    func headersReceived(isLast: Bool) {
        guard let session else { return }
        isHalfClosed = isLast
        guard request.isPost else { return refuse(http: "405") }
        guard request.isGRPC else { return refuse(http: "415") }
        phase = .running
        let limit = session.core.options.maxHeaderListBytes
        guard request.listBytes <= limit else {
            return end(Status(.resourceExhausted, "the headers' \(request.listBytes) bytes are over the limit of \(limit)"))
        }
        guard let serverMethod else { return end(Status(.unimplemented, "there is no such method")) }
        guard !request.hasBadTimeout else { return end(Status(.internal, "grpc-timeout is malformed")) }
        if let timeout = request.timeout {
            let deadline = session.core.now + timeout
            self.deadline = deadline
            session.core.deadlines.schedule(self.timeout, at: deadline)
        }
        if case .stream(let handler) = serverMethod.handler { handler(self) }
        if isLast { requestEnded() }
    }

    /// A piece of the request's DATA.
    func dataReceived(_ bytes: UnsafeRawBufferPointer, isLastFrame: Bool) {
        guard let session else { return }
        let id = streamID
        if phase == .running {
            let held = assembler.capacity
            switch serverMethod?.handler {
            case .message(let handler): messageData(bytes, isLastFrame, handler)
            case .stream: streamData(bytes)
            case nil: break
            }
            account(session, heldBefore: held)
        }
        // The handler may have ended the call; the bytes were taken all the same.
        session.consume(bytes.count, stream: id, isHeldBack: isHeldBack)
        if isHeldBack { heldBackBytes += bytes.count }
    }

    private func account(_ session: ServerSession, heldBefore held: Int) {
        guard assembler.capacity != held else { return }
        session.inboundBytes += assembler.capacity - held
        let limit = session.core.options.maxInboundBytesPerConnection
        guard session.inboundBytes > limit, assembler.capacity > held else { return }
        abort(Status(.resourceExhausted, "messages in transfer on this connection are over the limit of \(limit) bytes"))
    }

    /// One message is expected, and the end. Mostly both come in one frame: then the handler reads the message
    /// where it lies.
    private func messageData(
        _ bytes: UnsafeRawBufferPointer, _ isLastFrame: Bool, _ handler: (ServerCall, RawSpan) -> Void
    ) {
        var rest = bytes
        while phase == .running, let message = nextMessage(&rest) {
            guard heldMessage == nil, !isDispatched else {
                return abort(Status(.internal, "more than one message where one is expected"))
            }
            if isLastFrame, rest.isEmpty {
                isHalfClosed = true
                isDispatched = true
                handler(self, message.bytes)
                return
            }
            heldMessage = Bytes(copying: message)
            session?.inboundBytes += message.count
        }
    }

    private func streamData(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while phase == .running, let message = nextMessage(&rest) { onMessage?(message.bytes) }
    }

    private func nextMessage(_ rest: inout UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let session else { return nil }
        do throws(MessageAssembler.Fault) {
            return try assembler.next(from: &rest, limit: session.core.options.maxMessageBytes)
        } catch {
            abort(error.status)
            return nil
        }
    }

    /// The client has said all it will.
    func requestEnded() {
        isHalfClosed = true
        guard phase == .running, !isDispatched, let serverMethod else { return }
        guard !assembler.isPartial else { return abort(Status(.internal, "the call ends in the middle of a message")) }
        isDispatched = true
        switch serverMethod.handler {
        case .stream:
            onHalfClose?()
        case .message(let handler):
            guard let message = heldMessage else { return abort(Status(.internal, "the call carries no message")) }
            heldMessage = nil
            session?.inboundBytes -= message.count
            message.withSpan { handler(self, $0) }
        }
    }
}
