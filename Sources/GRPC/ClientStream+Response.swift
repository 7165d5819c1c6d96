import Base
import CNGHTTP2

/// What came in an answer's header fields.
struct ResponseHead {
    var httpStatus = 0
    var isGRPC = false
    var status: StatusCode?
    var message = ""
    var headers = Metadata()
    var trailers = Metadata()
    var listBytes = 0

    mutating func reset() {
        httpStatus = 0
        isGRPC = false
        status = nil
        listBytes = 0
        if !message.isEmpty { message = "" }
        if !headers.isEmpty { headers = Metadata() }
        if !trailers.isEmpty { trailers = Metadata() }
    }
}

extension ClientStream {
    /// Takes a header field. False when the list is out of all proportion: see `maxHeaderListBytes`.
    func headerReceived(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, isTrailer: Bool) -> Bool {
        guard let session, !isEnded else { return true }
        let limit = session.options.maxHeaderListBytes
        head.listBytes += name.count + value.count + 32
        guard head.listBytes <= limit else {
            cancel(with: Status(.resourceExhausted, "the answer's headers are over the limit of \(limit) bytes"))
            return head.listBytes <= 16 * limit
        }
        switch name.count {
        case 7 where name.equals(":status"): head.httpStatus = Self.number(value) ?? 0
        case 12 where name.equals("content-type"): head.isGRPC = value.hasPrefix("application/grpc")
        case 11 where name.equals("grpc-status"):
            head.status = Self.number(value).flatMap { UInt8(exactly: $0) }.flatMap(StatusCode.init(rawValue:)) ?? .unknown
        case 12 where name.equals("grpc-message"): head.message = PercentEncoding.decode(value)
        case 13 where name.equals("grpc-encoding"), 20 where name.equals("grpc-accept-encoding"): break
        default:
            let text = String(decoding: name, as: UTF8.self)
            if isTrailer {
                head.trailers.addReceived(name: text, value: value)
            } else {
                head.headers.addReceived(name: text, value: value)
            }
        }
        return true
    }

    private static func number(_ text: UnsafeRawBufferPointer) -> Int? {
        guard text.count >= 1, text.count <= 3 else { return nil }
        var number = 0
        for byte in text {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return number
    }

    /// The first header block is whole. (One that ends the stream too comes as `responseEnded`.)
    func headersReceived() {
        guard !isEnded, head.httpStatus >= 200 else { return }
        guard head.httpStatus == 200, head.isGRPC else { return cancel(with: notGRPC) }
        onHeaders?(head.headers)
    }

    private var notGRPC: Status {
        if head.httpStatus != 200 {
            return Status(.fromHTTP(status: head.httpStatus), "the server answered with HTTP status \(head.httpStatus)")
        }
        return Status(.unknown, "the server did not answer in gRPC")
    }

    /// A piece of the answer's DATA.
    func dataReceived(_ bytes: UnsafeRawBufferPointer) {
        guard let session else { return }
        let id = streamID
        var rest = bytes
        let held = assembler.capacity
        while !isEnded, let message = nextMessage(&rest, session) {
            if completion == nil {
                onMessage?(message.bytes)
            } else if self.message == nil {
                self.message = Bytes(copying: message)
            } else {
                cancel(with: Status(.internal, "more than one message in the answer to a unary call"))
            }
        }
        // The handlers may have ended the call, but the stream closes only in a callback of its own.
        session.inboundBytes += assembler.capacity - held
        if !isEnded, session.inboundBytes > session.options.maxInboundBytes, assembler.capacity > held {
            let limit = session.options.maxInboundBytes
            cancel(with: Status(.resourceExhausted, "answers in transfer are over the limit of \(limit) bytes"))
        }
        session.consume(bytes.count, stream: id, isHeldBack: isHeldBack)
        if isHeldBack { heldBackBytes += bytes.count }
    }

    private func nextMessage(_ rest: inout UnsafeRawBufferPointer, _ session: ClientSession) -> UnsafeRawBufferPointer? {
        do throws(MessageAssembler.Fault) {
            return try assembler.next(from: &rest, limit: session.options.maxMessageBytes)
        } catch {
            cancel(with: error.status)
            return nil
        }
    }

    /// The server has said all it will.
    func responseEnded() {
        guard !isEnded else { return }
        // It may answer before it was asked to the end: then it does not want the rest.
        if !outgoing.isEnded || !outgoing.isEmpty { session?.resetStream(streamID, NGHTTP2_CANCEL) }
        guard let code = head.status else { return fail(notGRPC, neverSent: false) }
        var status = Status(code, head.message)
        if status.isOK, completion != nil, message == nil || assembler.isPartial {
            status = Status(.internal, "the answer carries no whole message")
        }
        fail(status, trailers: head.trailers, neverSent: false)
    }

    /// The stream was closed by a reset, the server's or our own. (What HTTP/2's codes mean in gRPC:
    /// gRPC over HTTP/2, "Errors".)
    func reset(by error: nghttp2_error_code) {
        guard !isEnded else { return }
        let status: Status
        switch error {
        case NGHTTP2_REFUSED_STREAM:
            return fail(Status(.unavailable, "the server takes no more calls on this connection"), neverSent: true)
        case NGHTTP2_CANCEL: status = Status(.cancelled, "cancelled by the server")
        case NGHTTP2_ENHANCE_YOUR_CALM: status = Status(.resourceExhausted, "the server asks for calm")
        case NGHTTP2_INADEQUATE_SECURITY: status = Status(.permissionDenied, "the server asks for more security")
        default: status = Status(.internal, "the stream was reset: \(String(cString: nghttp2_http2_strerror(error.rawValue)))")
        }
        fail(status, neverSent: !isSent)
    }

    /// nghttp2 asks for DATA.
    fileprivate func readOutgoing(_ target: UnsafeMutableRawBufferPointer, _ flags: UnsafeMutablePointer<UInt32>) -> Int {
        guard !isEnded else {
            // The reset that ends the stream is on its way.
            isDeferred = true
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        let count = outgoing.fill(target)
        session?.outboundBytes -= count
        if outgoing.isEmpty, outgoing.isEnded {
            flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
        } else if count == 0 {
            isDeferred = true
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        return count
    }
}

func clientReadsOutgoing(
    _: OpaquePointer?, _: Int32, _ target: UnsafeMutablePointer<UInt8>?, _ length: Int,
    _ flags: UnsafeMutablePointer<UInt32>?, _ source: UnsafeMutablePointer<nghttp2_data_source>?,
    _: UnsafeMutableRawPointer?
) -> Int {
    let call = Unmanaged<ClientStream>.fromOpaque(source!.pointee.ptr).takeUnretainedValue()
    return call.readOutgoing(UnsafeMutableRawBufferPointer(start: target, count: length), flags!)
}
