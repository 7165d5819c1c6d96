public import Base
import CNGHTTP2

extension ServerCall {
    // MARK: What the handler may say

    /// Answers with one message and OK.
    public func reply(_ message: Bytes, trailers: Metadata = Metadata()) {
        guard phase == .running else { return }
        queue(message)
        end(.ok, trailers)
    }

    /// Sends one message of several. It is copied to the wire at the end of the turn, or when the client has read
    /// enough of what went before: see `isWritable`.
    public func send(_ message: Bytes) {
        guard phase == .running, let session else { return }
        queue(message)
        if !isWritable {
            isBlocked = true
            session.hasWaitingWriters = true
        }
        submit(session)
    }

    /// Ends the call after what was sent.
    public func finish(_ status: Status = .ok, trailers: Metadata = Metadata()) {
        guard phase == .running else { return }
        end(status, trailers)
    }

    /// Ends the call with an error; messages that still wait to be sent are dropped.
    public func fail(_ status: Status, trailers: Metadata = Metadata()) {
        guard phase == .running else { return }
        dropOutgoing()
        end(status, trailers)
    }

    /// Ends the call without a status: the client sees CANCELLED.
    public func reset() {
        guard phase == .running, let session else { return }
        phase = .ended
        session.core.deadlines.cancel(timeout)
        dropOutgoing()
        session.resetStream(streamID, NGHTTP2_CANCEL)
    }

    /// Takes no more bytes from this stream than its window allows, until `resumeInput`. Messages whose bytes
    /// have come already are still delivered.
    public func holdInput() { isHeldBack = true }

    /// Lets the client go on.
    public func resumeInput() {
        guard isHeldBack else { return }
        isHeldBack = false
        session?.consumeStream(streamID, heldBackBytes)
        heldBackBytes = 0
    }

    // MARK: How it is sent

    private func queue(_ message: Bytes) {
        outgoing.append(message)
        if let session {
            session.core.account(outbound: message.count + MessageQueue.prefixBytes, of: session)
        }
    }

    private func dropOutgoing() {
        // A message that is half sent cannot be taken back: its stream has no frame to say so but the last.
        let waiting = outgoing.removeAll()
        if waiting > 0, let session { session.core.account(outbound: -waiting, of: session) }
    }

    /// Ends a call that its handler did not end, and tells it.
    func abort(_ status: Status) {
        guard phase == .running else { return }
        dropOutgoing()
        end(status)
        tellCancelled()
    }

    func end(_ status: Status, _ trailers: Metadata = Metadata()) {
        guard phase == .running, let session else { return }
        phase = .ended
        session.core.deadlines.cancel(timeout)
        if !status.isOK { self.status = status }
        if !trailers.isEmpty { self.trailers = trailers }
        outgoing.isEnded = true
        submit(session)
    }

    /// Gives nghttp2 something to do about this stream.
    private func submit(_ session: ServerSession) {
        if !headersSent {
            submitHeaders(session)
        } else if isDeferred {
            isDeferred = false
            nghttp2_session_resume_data(session.session, streamID)
        }
        session.markDirty()
    }

    private func submitHeaders(_ session: ServerSession) {
        headersSent = true
        if outgoing.isEmpty && outgoing.isEnded {
            var list = HeaderList()
            list.add(":status", "200")
            list.add("content-type", "application/grpc")
            addTrailers(to: &list)
            list.withFields { _ = nghttp2_submit_response(session.session, streamID, $0, $1, nil) }
            return
        }
        var source = nghttp2_data_provider(
            source: nghttp2_data_source(ptr: Unmanaged.passUnretained(self).toOpaque()),
            read_callback: serverReadsOutgoing)
        if responseMetadata.isEmpty {
            nghttp2_submit_response(session.session, streamID, session.core.headers, 2, &source)
            return
        }
        var list = HeaderList()
        list.add(":status", "200")
        list.add("content-type", "application/grpc")
        list.add(responseMetadata)
        list.withFields { _ = nghttp2_submit_response(session.session, streamID, $0, $1, &source) }
    }

    private func addTrailers(to list: inout HeaderList) {
        if status.isOK {
            list.add("grpc-status", "0")
        } else {
            list.add("grpc-status", Bytes(utf8: "\(status.code.rawValue)"))
            if !status.message.isEmpty { list.add("grpc-message", PercentEncoding.encode(status.message)) }
            if status.code == .unimplemented { list.add("grpc-accept-encoding", "identity") }
        }
        list.add(trailers)
    }

    private func submitTrailers(_ session: ServerSession) {
        if status.isOK && trailers.isEmpty {
            nghttp2_submit_trailer(session.session, streamID, session.core.okTrailer, 1)
            return
        }
        var list = HeaderList()
        addTrailers(to: &list)
        list.withFields { _ = nghttp2_submit_trailer(session.session, streamID, $0, $1) }
    }

    /// Not gRPC at all: an HTTP status says so best.
    func refuse(http code: StaticString) {
        guard let session else { return }
        phase = .ended
        headersSent = true
        var list = HeaderList()
        list.add(":status", code)
        list.withFields { _ = nghttp2_submit_response(session.session, streamID, $0, $1, nil) }
        session.markDirty()
    }

    /// nghttp2 asks for DATA.
    fileprivate func readOutgoing(_ target: UnsafeMutableRawBufferPointer, _ flags: UnsafeMutablePointer<UInt32>) -> Int {
        guard let session else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
        let count = outgoing.fill(target)
        if count > 0 { session.core.account(outbound: -count, of: session) }
        guard outgoing.isEmpty else { return count }
        if outgoing.isEnded {
            flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
            submitTrailers(session)
            return count
        }
        guard count == 0 else { return count }
        isDeferred = true
        return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
}

private func serverReadsOutgoing(
    _: OpaquePointer?, _: Int32, _ target: UnsafeMutablePointer<UInt8>?, _ length: Int,
    _ flags: UnsafeMutablePointer<UInt32>?, _ source: UnsafeMutablePointer<nghttp2_data_source>?,
    _: UnsafeMutableRawPointer?
) -> Int {
    let call = Unmanaged<ServerCall>.fromOpaque(source!.pointee.ptr).takeUnretainedValue()
    return call.readOutgoing(UnsafeMutableRawBufferPointer(start: target, count: length), flags!)
}
