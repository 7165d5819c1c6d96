import Base
import CNGHTTP2

/// What carries a session's bytes: a connection, or a test.
protocol SessionCarrier: AnyObject {
    /// Takes as much of the session's output as the way is free for. Called at the end of the loop's turn.
    func flush()
}

/// The sessions that have something to say, so that each is flushed once per turn of the loop: one write per
/// connection and turn, not one per frame, is worth a factor of seven.
final class FlushList {
    /// How often a turn's end comes back to sessions whose streams refilled while they were flushed.
    static let rounds = 8

    private var dirty: [HTTP2Session] = []
    private var flushing: [HTTP2Session] = []

    init() {}

    fileprivate func add(_ session: HTTP2Session) { dirty.append(session) }

    /// Flushes each; true when some are left for the next turn, which must come at once.
    func flush() -> Bool {
        var round = 0
        while !dirty.isEmpty, round < Self.rounds {
            round += 1
            swap(&dirty, &flushing)
            for session in flushing {
                session.isDirty = false
                session.carrier?.flush()
                session.flushed()
            }
            flushing.removeAll(keepingCapacity: true)
        }
        return !dirty.isEmpty
    }
}

/// One side of an HTTP/2 connection as a machine: bytes in, bytes out. It knows no socket, no timer and no clock
/// but the instants that it is given.
///
/// nghttp2 does the framing, HPACK, flow control and stream states; the subclasses do what a server or a client
/// makes of the frames. Confined to one loop.
class HTTP2Session {
    /// Nil once the connection is over.
    private(set) var session: OpaquePointer?
    let peer: String
    private let flushList: FlushList
    unowned(unsafe) var carrier: (any SessionCarrier)?
    fileprivate(set) var isDirty = false

    /// Why this connection must be closed at once, for the log.
    private(set) var failure: String?
    /// Why the peer was told to go away, when it was for something it did.
    private(set) var complaint: String?
    /// Whole bytes received: what tells a living peer from a dead one.
    private(set) var bytesReceived: UInt64 = 0
    /// The peer's settings have come: it speaks HTTP/2.
    var hasSettings = false
    /// Bytes of messages that wait to go out, on all streams.
    var outboundBytes = 0
    /// Bytes of memory that hold messages not yet whole, or held back.
    var inboundBytes = 0

    init(peer: String, flushList: FlushList) {
        self.peer = peer
        self.flushList = flushList
    }

    deinit { precondition(session == nil, "a session was dropped before it was ended") }

    /// For the subclass's initializer.
    func adopt(_ session: OpaquePointer) { self.session = session }

    /// Ends it for good. Never from within `receive` or `nextOutput`: nghttp2 is not re-entrant there.
    func end() {
        guard let session else { return }
        nghttp2_session_del(session)
        self.session = nil
    }

    /// Has the carrier flush at the end of the turn.
    func markDirty() {
        guard !isDirty, session != nil else { return }
        isDirty = true
        flushList.add(self)
    }

    /// Marks this connection as beyond saving: the carrier closes it once the current call into it is over.
    func fail(_ reason: String) {
        if failure == nil { failure = reason }
        markDirty()
    }

    /// What is to be said when output was flushed and streams have room again.
    func flushed() {}

    // MARK: Bytes

    /// Feeds what came from the peer. False when the connection must be closed: see `failure`.
    func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let session, failure == nil, let base = bytes.baseAddress else { return failure == nil }
        bytesReceived &+= UInt64(bytes.count)
        let taken = nghttp2_session_mem_recv(session, base.assumingMemoryBound(to: UInt8.self), bytes.count)
        if taken < 0 { fail(Self.describe(Int32(taken))) }
        markDirty()
        return failure == nil
    }

    /// The next piece of output, lent until the next call; nil when there is none for now.
    func nextOutput() -> UnsafeRawBufferPointer? {
        guard let session, failure == nil else { return nil }
        var data: UnsafePointer<UInt8>?
        let count = nghttp2_session_mem_send(session, &data)
        if count < 0 {
            fail(Self.describe(Int32(count)))
            return nil
        }
        return count == 0 ? nil : UnsafeRawBufferPointer(start: data, count: count)
    }

    /// Both sides have said all they will: GOAWAY is out and no stream is left, or the protocol was broken.
    var isOver: Bool {
        guard let session, failure == nil else { return true }
        return nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
    }

    static func describe(_ code: Int32) -> String {
        switch nghttp2_error(rawValue: code) {
        case NGHTTP2_ERR_BAD_CLIENT_MAGIC: "what came is not HTTP/2"
        case NGHTTP2_ERR_FLOODED: "flooded with frames that ask for an answer"
        case NGHTTP2_ERR_CALLBACK_FAILURE: "refused"
        default: String(cString: nghttp2_strerror(code))
        }
    }

    /// What nghttp2 found wrong with the peer's frames; the last word counts.
    func noteComplaint(_ text: String) { complaint = text }

    /// A GOAWAY was sent: when it is for an error that nghttp2 found, it says which.
    func noteGoAway(_ frame: nghttp2_goaway) {
        guard frame.error_code != NGHTTP2_NO_ERROR.rawValue, complaint == nil else { return }
        let words = UnsafeRawBufferPointer(start: frame.opaque_data, count: frame.opaque_data_len)
        let code = String(cString: nghttp2_http2_strerror(frame.error_code))
        complaint = words.isEmpty ? code : "\(code): \(String(decoding: words, as: UTF8.self))"
    }

    // MARK: Connection frames

    /// Asks for a sign of life.
    func ping() {
        guard let session else { return }
        nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
        markDirty()
    }

    /// Tells the peer that nothing new is welcome, and ends the connection when `error` is one.
    func goAway(_ error: nghttp2_error_code, because reason: String) {
        guard let session else { return }
        if error != NGHTTP2_NO_ERROR { complaint = reason }
        nghttp2_session_terminate_session(session, error.rawValue)
        markDirty()
    }

    func resetStream(_ id: Int32, _ error: nghttp2_error_code) {
        guard let session, id > 0 else { return }
        nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, error.rawValue)
        markDirty()
    }

    /// Says that `count` bytes of DATA were taken: the connection's window always opens again, so that a stream
    /// that is held back holds back nobody else.
    func consume(_ count: Int, stream id: Int32, isHeldBack: Bool) {
        guard let session, count > 0 else { return }
        if isHeldBack {
            nghttp2_session_consume_connection(session, count)
        } else {
            nghttp2_session_consume(session, id, count)
        }
    }

    func consumeStream(_ id: Int32, _ count: Int) {
        guard let session, count > 0 else { return }
        nghttp2_session_consume_stream(session, id, count)
        markDirty()
    }
}
