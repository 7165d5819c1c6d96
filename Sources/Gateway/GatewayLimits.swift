import Base

/// What the gateway takes on at most, and what happens beyond it (law 11).
struct GatewayLimits {
    /// Connections open at a time; more wait in the system's queue.
    var connections = 512
    /// Requests being answered at a time; one more gets 429.
    var requests = 256
    /// Bytes of one request's body; more gets 413. A value of 1 MiB fits however it is escaped.
    var bodyBytes = 8 << 20
    /// Of a body that is refused, so many bytes are still taken off the connection and dropped: most programs read their
    /// answer only when they have sent everything. One that sends yet more loses its connection.
    var bodyBytesDropped = 64 << 20
    /// Bytes of bodies held at a time; what would go over gets 429.
    var bodyBytesHeld = 64 << 20
    /// Bytes of a request's line and headers. A key of 64 KiB fits, percent-encoded.
    var headerBytes = 256 << 10
    /// A connection on which nothing happens is closed after so many seconds.
    var idleSeconds: Int64 = 60
    /// How long a request waits for its answer before it gets 503: the contract's five seconds, less the way there.
    var patience = Interval.milliseconds(4_500)
    /// Keys, and bytes of keys, in one answer; the next page goes on behind the last.
    var pageKeys = 10_000
    var pageBytes = 1 << 20
    /// Entries of a log, and bytes of them, in one answer.
    var pageEntries: UInt64 = 1_000
    var entryBytes = 1 << 20
    /// How long answers under way may take when the gateway stops.
    var grace = Interval.seconds(2)
}
