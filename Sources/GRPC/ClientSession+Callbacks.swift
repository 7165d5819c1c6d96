import Base
import CNGHTTP2

/// nghttp2's callbacks, as in `ServerSession+Callbacks`.
extension ClientSession {
    static func makeCallbacks() -> OpaquePointer {
        var callbacks: OpaquePointer?
        precondition(nghttp2_session_callbacks_new(&callbacks) == 0, "out of memory")
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, clientBeginsHeaders)
        nghttp2_session_callbacks_set_on_header_callback2(callbacks, clientReadsHeader)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, clientReadsData)
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, clientReadsFrame)
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, clientSendsFrame)
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, clientClosesStream)
        nghttp2_session_callbacks_set_error_callback2(callbacks, sessionComplains)
        return callbacks!
    }

    func call(stream id: Int32) -> ClientStream? {
        guard let data = nghttp2_session_get_stream_user_data(session, id) else { return nil }
        return Unmanaged<ClientStream>.fromOpaque(data).takeUnretainedValue()
    }

    func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) {
        let header = frame.pointee.hd
        switch nghttp2_frame_type(rawValue: UInt32(header.type)) {
        case NGHTTP2_HEADERS:
            reading = nil
            let call = call(stream: header.stream_id)
            if header.isEndOfStream { call?.responseEnded() } else { call?.headersReceived() }
        case NGHTTP2_DATA:
            if header.isEndOfStream { call(stream: header.stream_id)?.responseEnded() }
        case NGHTTP2_SETTINGS:
            if !header.isAcknowledgement { settingsReceived() }
        case NGHTTP2_GOAWAY:
            if frame.pointee.goaway.error_code != NGHTTP2_NO_ERROR.rawValue {
                let word = String(cString: nghttp2_http2_strerror(frame.pointee.goaway.error_code))
                noteComplaint("\(peer) ended the connection: \(word)")
            }
            depart()
        default: break
        }
    }
}

private func client(_ data: UnsafeMutableRawPointer?) -> ClientSession {
    Unmanaged<ClientSession>.fromOpaque(data!).takeUnretainedValue()
}

private func clientBeginsHeaders(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    let session = client(data)
    session.reading = session.call(stream: frame!.pointee.hd.stream_id)
    session.isReadingTrailers = frame!.pointee.hd.isEndOfStream
    return 0
}

private func clientReadsHeader(
    _: OpaquePointer?, _: UnsafePointer<nghttp2_frame>?, _ name: OpaquePointer?, _ value: OpaquePointer?,
    _: UInt8, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    let session = client(data)
    guard let call = session.reading else { return 0 }
    guard call.headerReceived(name!.contents, value!.contents, isTrailer: session.isReadingTrailers) else {
        session.fail("\(session.peer) sent a header list more than sixteen times over the limit")
        return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
    }
    return 0
}

private func clientReadsData(
    _: OpaquePointer?, _: UInt8, _ id: Int32, _ bytes: UnsafePointer<UInt8>?, _ count: Int,
    _ data: UnsafeMutableRawPointer?
) -> Int32 {
    let session = client(data)
    if let call = session.call(stream: id) {
        call.dataReceived(UnsafeRawBufferPointer(start: bytes, count: count))
    } else {
        session.consume(count, stream: id, isHeldBack: false)
    }
    return 0
}

private func clientReadsFrame(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    client(data).frameReceived(frame!)
    return 0
}

private func clientSendsFrame(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    switch nghttp2_frame_type(rawValue: UInt32(frame!.pointee.hd.type)) {
    case NGHTTP2_HEADERS: client(data).call(stream: frame!.pointee.hd.stream_id)?.isSent = true
    case NGHTTP2_GOAWAY: client(data).noteGoAway(frame!.pointee.goaway)
    default: break
    }
    return 0
}

private func clientClosesStream(
    _: OpaquePointer?, _ id: Int32, _ error: UInt32, _ data: UnsafeMutableRawPointer?
) -> Int32 {
    let session = client(data)
    guard let pointer = nghttp2_session_get_stream_user_data(session.session, id) else { return 0 }
    Unmanaged<ClientStream>.fromOpaque(pointer).takeUnretainedValue().reset(by: nghttp2_error_code(rawValue: error))
    session.closeCall(pointer)
    return 0
}
