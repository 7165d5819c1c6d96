import Base
import CNGHTTP2

/// What a session says of itself at its start, and what it has nghttp2 do.
struct HTTP2Setup {
    var streamWindowBytes: Int
    var connectionWindowBytes: Int
    var maxHeaderListBytes: Int
    /// Nil for a client, which takes no streams from a server.
    var maxConcurrentStreams: Int?

    /// Options common to all sessions. `no_http_messaging` stays off: it would switch off the checks of header
    /// fields that everything above relies on.
    static func makeOptions() -> OpaquePointer {
        var options: OpaquePointer?
        precondition(nghttp2_option_new(&options) == 0, "out of memory")
        // Closed streams are of interest to browsers' priority trees only.
        nghttp2_option_set_no_closed_streams(options, 1)
        // We say ourselves when bytes were taken: that is back-pressure.
        nghttp2_option_set_no_auto_window_update(options, 1)
        return options!
    }

    /// Queues our SETTINGS, and opens the connection's window to its full size.
    func announce(on session: OpaquePointer) {
        var settings = [
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: UInt32(streamWindowBytes)),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: UInt32(maxHeaderListBytes)),
        ]
        if let maxConcurrentStreams {
            settings.append(
                nghttp2_settings_entry(
                    settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
                    value: UInt32(maxConcurrentStreams)))
        } else {
            settings.append(
                nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
        }
        let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        var result = nghttp2_submit_settings(session, none, settings, settings.count)
        precondition(result == 0, "the settings are not valid: \(HTTP2Session.describe(result))")
        result = nghttp2_session_set_local_window_size(session, none, 0, Int32(clamping: connectionWindowBytes))
        precondition(result == 0, "the window is not valid: \(HTTP2Session.describe(result))")
    }
}

/// A header list in the form that nghttp2 takes. Names and values are copied when it takes them, so they need to
/// live only as long as this.
struct HeaderList: ~Copyable {
    private(set) var fields: [nghttp2_nv] = []
    private var kept: [Bytes] = []

    init(capacity: Int = 8) { fields.reserveCapacity(capacity) }

    mutating func removeAll() {
        fields.removeAll(keepingCapacity: true)
        kept.removeAll(keepingCapacity: true)
    }

    /// Adds a field whose name is static. `isIndexed` false keeps a value that will not come again out of the
    /// compression tables.
    mutating func add(_ name: StaticString, _ value: Bytes, isIndexed: Bool = true) {
        fields.append(Self.field(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), keep(value), isIndexed))
    }

    /// Adds a field whose name and value somebody else keeps.
    mutating func add(_ field: nghttp2_nv) { fields.append(field) }

    mutating func add(_ name: StaticString, _ value: StaticString) {
        fields.append(Self.field(name, value))
    }

    mutating func add(_ metadata: Metadata) {
        for entry in metadata.entries {
            let value = entry.name.hasSuffix("-bin") ? Base64.encode(entry.value) : entry.value
            fields.append(Self.field(keep(Bytes(utf8: entry.name)), keep(value), true))
        }
    }

    private mutating func keep(_ bytes: Bytes) -> UnsafeRawBufferPointer {
        // The storage behind `bytes` does not move, and `kept` holds it.
        kept.append(bytes)
        return bytes.withUnsafeBytes { $0 }
    }

    mutating func withFields<R>(_ body: (UnsafePointer<nghttp2_nv>?, Int) -> R) -> R {
        defer { withExtendedLifetime(kept) {} }
        return fields.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
    }

    static func field(_ name: StaticString, _ value: StaticString) -> nghttp2_nv {
        field(
            UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount),
            UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount), true)
    }

    static func field(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ isIndexed: Bool) -> nghttp2_nv {
        let flags = isIndexed ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX
        return nghttp2_nv(
            name: bytes(name), value: bytes(value), namelen: name.count, valuelen: value.count,
            flags: UInt8(flags.rawValue))
    }

    /// nghttp2 reads through these pointers only; its type says otherwise. It takes no null, even for nothing.
    private static func bytes(_ buffer: UnsafeRawBufferPointer) -> UnsafeMutablePointer<UInt8> {
        guard let base = buffer.baseAddress else { return nothing }
        return UnsafeMutableRawPointer(mutating: base).assumingMemoryBound(to: UInt8.self)
    }

    private nonisolated(unsafe) static let nothing = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
}
