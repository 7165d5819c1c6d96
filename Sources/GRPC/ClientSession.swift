import Base
import CNGHTTP2
import EventLoop

/// The client's side of one connection: calls become streams.
final class ClientSession: HTTP2Session {
    let core: ClientCore
    let options: ChannelOptions
    unowned(unsafe) var channel: Channel?
    /// The call whose header block is being read, and whether it is the last.
    unowned(unsafe) var reading: ClientStream?
    var isReadingTrailers = false
    private unowned(unsafe) var firstCall: ClientStream?
    private(set) var openCalls = 0
    /// How many streams the server takes at a time.
    private(set) var maxStreams = 100
    /// The server takes no new calls here, or stream numbers run out.
    private(set) var isDeparting = false

    /// The fixed fields of a request; the path and the timeout are put in for each.
    private let fields: UnsafeMutablePointer<nghttp2_nv>
    private let authority: Bytes
    private let userAgent: Bytes
    private static let pathField = 2
    private static let fixedFields = 7

    private var lifeSign: TimeoutNode!
    private var bytesAtLastSign: UInt64 = 0
    private var isPinged = false

    /// Stream numbers are 31 bits and never come again (RFC 9113, 5.1.1): a connection is replaced before.
    private static let lastStreamNumber: Int32 = 0x7fff_0000

    init(core: ClientCore, options: ChannelOptions, authority: String, channel: Channel) {
        self.core = core
        self.options = options
        self.channel = channel
        self.authority = Bytes(utf8: authority)
        userAgent = Bytes(utf8: options.userAgent)
        fields = .allocate(capacity: Self.fixedFields + 1)
        super.init(peer: authority, flushList: core.flushList)
        fillFields()
        var session: OpaquePointer?
        let own = Unmanaged.passUnretained(self).toOpaque()
        let result = nghttp2_session_client_new2(&session, core.callbacks, own, core.nghttp2Options)
        precondition(result == 0, "out of memory")
        adopt(session!)
        HTTP2Setup(
            streamWindowBytes: options.streamWindowBytes, connectionWindowBytes: options.connectionWindowBytes,
            maxHeaderListBytes: options.maxHeaderListBytes, maxConcurrentStreams: nil
        ).announce(on: session!)
        lifeSign = TimeoutNode(target: self)
        core.schedule(lifeSign, lifeSign: core.loop.now + options.connectTimeout)
        markDirty()
    }

    deinit { fields.deallocate() }

    private func fillFields() {
        let list = [
            HeaderList.field(":method", "POST"), HeaderList.field(":scheme", "http"), HeaderList.field(":path", "/"),
            HeaderList.field(Self.name(":authority"), Self.text(authority), true), HeaderList.field("content-type", "application/grpc"),
            HeaderList.field("te", "trailers"), 
            HeaderList.field(Self.name("user-agent"), Self.text(userAgent), true),
        ]
        for (place, field) in list.enumerated() { (fields + place).initialize(to: field) }
        (fields + Self.fixedFields).initialize(to: HeaderList.field("grpc-timeout", "1S"))
    }

    /// The connection is gone: its calls fail. Not from within `receive` or `nextOutput`.
    override func end() {
        guard session != nil else { return }
        core.lifeSigns.cancel(lifeSign)
        let reason = failure ?? complaint ?? "the connection to \(peer) was lost"
        while let call = firstCall {
            call.fail(Status(.unavailable, reason), neverSent: !call.isSent)
            closeCall(Unmanaged.passUnretained(call).toOpaque())
        }
        super.end()
    }

    // MARK: Calls

    /// Room for one more call, those that wait in nghttp2 for a free stream included.
    var hasRoom: Bool { openCalls < maxStreams + options.maxQueuedCalls }

    /// Opens a stream for the call. False when this connection takes no more, and nothing happened.
    func open(_ call: ClientStream) -> Bool {
        guard let session, failure == nil, !isDeparting else { return false }
        var source = nghttp2_data_provider(
            source: nghttp2_data_source(ptr: Unmanaged.passUnretained(call).toOpaque()),
            read_callback: clientReadsOutgoing)
        let data = Unmanaged.passUnretained(call).toOpaque()
        let id = withRequestFields(call) { fields, count in
            nghttp2_submit_request(session, nil, fields, count, &source, data)
        }
        guard id > 0 else {
            depart()
            return false
        }
        _ = Unmanaged.passRetained(call)
        call.streamID = id
        call.session = self
        link(call)
        outboundBytes += call.outgoing.bufferedBytes
        if call.isBlocked { hasWaitingWriters = true }
        if id > Self.lastStreamNumber { depart() }
        markDirty()
        return true
    }

    private func withRequestFields(
        _ call: ClientStream, _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Int32
    ) -> Int32 {
        let path = call.path.bytes
        let timeout = call.timeoutLeft(at: core.loop.now).map(Timeout.encode)
        return path.withUnsafeBytes { pathBytes in
            fields[Self.pathField] = HeaderList.field(Self.name(":path"), pathBytes, true)
            guard let timeout else {
                return call.requestMetadata.isEmpty
                    ? body(fields, Self.fixedFields) : withMetadata(call.requestMetadata, Self.fixedFields, body)
            }
            return timeout.withUnsafeBytes { text in
                // A timeout of whole seconds is a setting that comes again; any other is what was left of one.
                let isIndexed = text[text.count - 1] == UInt8(ascii: "S")
                fields[Self.fixedFields] = HeaderList.field(Self.name("grpc-timeout"), text, isIndexed)
                return call.requestMetadata.isEmpty
                    ? body(fields, Self.fixedFields + 1)
                    : withMetadata(call.requestMetadata, Self.fixedFields + 1, body)
            }
        }
    }

    private func withMetadata(
        _ metadata: Metadata, _ count: Int, _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Int32
    ) -> Int32 {
        var list = HeaderList(capacity: count + metadata.entries.count)
        for place in 0..<count { list.add(fields[place]) }
        list.add(metadata)
        return list.withFields(body)
    }

    /// The session holds what this points into.
    private static func text(_ bytes: Bytes) -> UnsafeRawBufferPointer { bytes.withUnsafeBytes { $0 } }

    private static func name(_ name: StaticString) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    }

    /// The stream is closed, or goes with the connection.
    func closeCall(_ data: UnsafeMutableRawPointer) {
        let call = Unmanaged<ClientStream>.fromOpaque(data).takeRetainedValue()
        unlink(call)
        if reading === call { reading = nil }
        call.streamClosed()
        core.recycle(consume call)
    }

    private func link(_ call: ClientStream) {
        openCalls += 1
        call.next = firstCall
        call.previous = nil
        firstCall?.previous = call
        firstCall = call
    }

    private func unlink(_ call: ClientStream) {
        openCalls -= 1
        if let previous = call.previous { previous.next = call.next } else { firstCall = call.next }
        call.next?.previous = call.previous
        call.next = nil
        call.previous = nil
    }

    /// Some stream's owner waits until it may send again.
    var hasWaitingWriters = false

    override func flushed() {
        guard hasWaitingWriters else { return }
        hasWaitingWriters = false
        var call = firstCall
        while let current = call {
            call = current.next
            current.tellWritable()
        }
    }

    // MARK: The connection

    func settingsReceived() {
        if let session {
            let limit = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
            maxStreams = Int(min(limit, 1 << 20))
        }
        guard !hasSettings else { return }
        hasSettings = true
        core.schedule(lifeSign, lifeSign: core.loop.now + options.keepaliveInterval)
        channel?.becameReady(self)
    }

    /// No new calls on this connection; those in flight go on.
    func depart() {
        guard !isDeparting else { return }
        isDeparting = true
        channel?.becameDeparting(self)
    }
}

extension ClientSession: TimeoutTarget {
    func timeoutExpired(at now: Instant) {
        guard session != nil, failure == nil else { return }
        if !hasSettings {
            fail("\(peer) did not answer as an HTTP/2 server within \(options.connectTimeout.milliseconds) ms")
        } else if bytesReceived != bytesAtLastSign || (openCalls == 0 && !options.keepaliveWithoutCalls) {
            bytesAtLastSign = bytesReceived
            isPinged = false
            core.schedule(lifeSign, lifeSign: now + options.keepaliveInterval)
        } else if !isPinged {
            isPinged = true
            ping()
            core.schedule(lifeSign, lifeSign: now + options.keepaliveTimeout)
        } else {
            fail("no sign of life from \(peer) within \(options.keepaliveTimeout.milliseconds) ms of being asked")
        }
    }
}
