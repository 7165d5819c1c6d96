import Base
import CNGHTTP2

/// nghttp2's callbacks. Each finds its session in the user data and its call at the stream; none may let the
/// session be deleted or fed.
extension ServerSession {
    static func makeCallbacks() -> OpaquePointer {
        var callbacks: OpaquePointer?
        precondition(nghttp2_session_callbacks_new(&callbacks) == 0, "out of memory")
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, serverBeginsHeaders)
        nghttp2_session_callbacks_set_on_header_callback2(callbacks, serverReadsHeader)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, serverReadsData)
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, serverReadsFrame)
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, serverSendsFrame)
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, serverClosesStream)
        nghttp2_session_callbacks_set_error_callback2(callbacks, sessionComplains)
        return callbacks!
    }

    func call(stream id: Int32) -> ServerCall? {
        guard let data = nghttp2_session_get_stream_user_data(session, id) else { return nil }
        return Unmanaged<ServerCall>.fromOpaque(data).takeUnretainedValue()
    }

    func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let header = frame.pointee.hd
        switch nghttp2_frame_type(rawValue: UInt32(header.type)) {
        case NGHTTP2_HEADERS:
            if let call = reading {
                reading = nil
                call.headersReceived(isLast: header.isEndOfStream)
            } else if header.isEndOfStream {
                call(stream: header.stream_id)?.requestEnded()
            }
        case NGHTTP2_DATA:
            if header.isEndOfStream {
                call(stream: header.stream_id)?.requestEnded()
            } else if header.length == 0 {
                return mayControl()
            }
        case NGHTTP2_SETTINGS:
            guard header.isAcknowledgement else {
                hasSettings = true
                return mayControl()
            }
        case NGHTTP2_PING:
            guard header.isAcknowledgement else { return mayControl() }
            pingAcknowledged()
        case NGHTTP2_PRIORITY: return mayControl()
        case NGHTTP2_RST_STREAM: return mayReset()
        default: break
        }
        return 0
    }

    /// Frames that cost the sender nothing and us an answer are counted (CVE-2019-9512, 9515, 9518).
    private func mayControl() -> Int32 {
        guard !controls.take(at: core.now) else { return 0 }
        goAway(NGHTTP2_ENHANCE_YOUR_CALM, because: "too many PING, SETTINGS, PRIORITY or empty DATA frames")
        return 0
    }

    /// Streams opened only to be reset are counted (CVE-2023-44487), whichever side resets them (CVE-2025-8671).
    func mayReset() -> Int32 {
        guard !resets.take(at: core.now) else { return 0 }
        goAway(NGHTTP2_ENHANCE_YOUR_CALM, because: "too many streams that were reset")
        return 0
    }

    func frameSent(_ frame: UnsafePointer<nghttp2_frame>) {
        let header = frame.pointee.hd
        switch nghttp2_frame_type(rawValue: UInt32(header.type)) {
        case NGHTTP2_HEADERS:
            // The answer is complete and the client still speaks: it need not (RFC 9113, 8.1).
            guard header.isEndOfStream, let call = call(stream: header.stream_id), !call.isHalfClosed else { return }
            resetStream(header.stream_id, NGHTTP2_NO_ERROR)
        case NGHTTP2_RST_STREAM:
            if frame.pointee.rst_stream.error_code != NGHTTP2_NO_ERROR.rawValue { _ = mayReset() }
        case NGHTTP2_GOAWAY:
            noteGoAway(frame.pointee.goaway)
        default: break
        }
    }
}

extension nghttp2_frame_hd {
    var isEndOfStream: Bool { flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 }
    var isAcknowledgement: Bool { flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 }
}

private func server(_ data: UnsafeMutableRawPointer?) -> ServerSession {
    Unmanaged<ServerSession>.fromOpaque(data!).takeUnretainedValue()
}

private func serverBeginsHeaders(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    let session = server(data)
    guard frame!.pointee.headers.cat == NGHTTP2_HCAT_REQUEST else {
        session.reading = nil
        return 0
    }
    session.openCall(stream: frame!.pointee.hd.stream_id)
    return 0
}

private func serverReadsHeader(
    _: OpaquePointer?, _: UnsafePointer<nghttp2_frame>?, _ name: OpaquePointer?, _ value: OpaquePointer?,
    _: UInt8, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    // The most frequent callback of all: nghttp2 holds the session and the stream its call, so nothing is retained.
    Unmanaged<ServerSession>.fromOpaque(data!)._withUnsafeGuaranteedRef { session in
        // Without a call these are trailers: gRPC requests have none.
        guard let reading = session.reading else { return 0 }
        let isTaken = Unmanaged.passUnretained(reading)._withUnsafeGuaranteedRef { $0.headerReceived(name!, value!) }
        if isTaken { return 0 }
        session.fail("a header list more than sixteen times over the limit")
        return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
    }
}

private func serverReadsData(
    _: OpaquePointer?, _ flags: UInt8, _ id: Int32, _ bytes: UnsafePointer<UInt8>?, _ count: Int,
    _ data: UnsafeMutableRawPointer?
) -> Int32 {
    let session = server(data)
    guard let call = session.call(stream: id) else {
        session.consume(count, stream: id, isHeldBack: false)
        return 0
    }
    let isLast = flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    call.dataReceived(UnsafeRawBufferPointer(start: bytes, count: count), isLastFrame: isLast)
    return 0
}

private func serverReadsFrame(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    server(data).frameReceived(frame!)
}

private func serverSendsFrame(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    server(data).frameSent(frame!)
    return 0
}

private func serverClosesStream(
    _: OpaquePointer?, _ id: Int32, _: UInt32, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    let session = server(data)
    if let call = nghttp2_session_get_stream_user_data(session.session, id) { session.closeCall(call) }
    return 0
}

func sessionComplains(
    _: OpaquePointer?, _: Int32, _ text: UnsafePointer<CChar>?, _ count: Int, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    let session = Unmanaged<HTTP2Session>.fromOpaque(data!).takeUnretainedValue()
    session.noteComplaint(String(decoding: UnsafeRawBufferPointer(start: text, count: count), as: UTF8.self))
    return 0
}
