import Base

/// The limits of a server. Each says what happens at it.
public struct ServerOptions: Sendable {
    /// Longest request message, in bytes. A longer one: RESOURCE_EXHAUSTED, and its bytes are not kept.
    public var maxMessageBytes = 4 << 20
    /// Longest header list, in bytes as RFC 9113, 6.5.2 counts them. A longer one: RESOURCE_EXHAUSTED for the
    /// call; sixteen times as much in one list closes the connection.
    public var maxHeaderListBytes = 16 << 10
    /// Calls at a time on one connection, announced to the client; more: REFUSED_STREAM.
    public var maxConcurrentStreams = 4096
    /// Connections at a time; one more is accepted and closed at once.
    public var maxConnections = 20_000
    /// How much a stream may send before its bytes were read.
    public var streamWindowBytes = 1 << 20
    /// How much a connection may send before its bytes were read.
    public var connectionWindowBytes = 4 << 20
    /// Bytes of unfinished or held-back request messages, for one connection; the call that asks for more:
    /// RESOURCE_EXHAUSTED.
    public var maxInboundBytesPerConnection = 32 << 20
    /// Bytes of answers that a client has not read yet, for one connection; more closes the connection.
    public var maxOutboundBytesPerConnection = 32 << 20
    /// Bytes of answers that clients have not read yet, in all; more closes the connection that holds most.
    public var maxOutboundBytes = 512 << 20
    /// How long a client may take to say the HTTP/2 preface and its settings; longer closes the connection.
    public var handshakeTimeout = Interval.seconds(5)
    /// A connection that says nothing for so long is asked for a sign of life (PING).
    public var keepaliveInterval = Interval.seconds(20)
    /// How long the sign of life may take; longer closes the connection.
    public var keepaliveTimeout = Interval.seconds(10)
    /// Streams that a client may reset while they are open (CVE-2023-44487): so many at once, and so many a second
    /// for ever. More: GOAWAY with ENHANCE_YOUR_CALM.
    public var resetAllowance = Allowance(burst: 10_000, perSecond: 1_000)
    /// PING, SETTINGS, PRIORITY and empty DATA frames: the same.
    public var controlFrameAllowance = Allowance(burst: 2_000, perSecond: 200)
    /// Told what happens to connections; called on the loop's thread.
    public var onEvent: (@Sendable (ConnectionEvent) -> Void)?

    public init() {}
}

/// A token bucket's measures.
public struct Allowance: Sendable {
    public var burst: Int
    public var perSecond: Int

    public init(burst: Int, perSecond: Int) {
        self.burst = burst
        self.perSecond = perSecond
    }
}

/// The limits of a channel.
public struct ChannelOptions: Sendable {
    /// Longest answer, in bytes; a longer one ends the call with RESOURCE_EXHAUSTED.
    public var maxMessageBytes = 4 << 20
    /// Longest header list of an answer; a longer one ends the call with RESOURCE_EXHAUSTED.
    public var maxHeaderListBytes = 64 << 10
    /// Calls that wait for a connection; one more: UNAVAILABLE, never sent.
    public var maxQueuedCalls = 10_000
    /// Bytes of requests that the server has not read yet, calls in waiting included; the call that asks for
    /// more: RESOURCE_EXHAUSTED, never sent; a stream that does: RESOURCE_EXHAUSTED.
    public var maxOutboundBytes = 64 << 20
    /// Bytes of answers not yet whole, for one connection; the call that asks for more: RESOURCE_EXHAUSTED.
    public var maxInboundBytes = 64 << 20
    /// How much the server may send on a stream before it was read.
    public var streamWindowBytes = 1 << 20
    /// How much the server may send on the connection before it was read.
    public var connectionWindowBytes = 8 << 20
    /// How long connecting may take, the server's HTTP/2 settings included.
    public var connectTimeout = Interval.seconds(5)
    /// The first wait after a connection that failed; each failure makes it 1.6 times longer, with a fifth of
    /// jitter either way (https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md).
    public var initialBackoff = Interval.milliseconds(50)
    public var maxBackoff = Interval.seconds(3)
    /// A server that says nothing for so long while calls are in flight is asked for a sign of life (PING).
    public var keepaliveInterval = Interval.seconds(10)
    /// How long the sign of life may take; longer closes the connection.
    public var keepaliveTimeout = Interval.seconds(5)
    /// Ask for a sign of life without calls in flight too.
    public var keepaliveWithoutCalls = false
    /// Whether calls wait out a failed connection's backoff (until their deadline), or fail at once: UNAVAILABLE,
    /// never sent.
    public var waitForReady = false
    /// Connects again by itself when a connection is lost, rather than at the next call.
    public var staysConnected = false
    /// The `user-agent` header.
    public var userAgent = "swiftwater"
    /// Seeds the jitter; channels with the same seed would knock at the same time.
    public var seed: UInt64 = 1
    /// Told what happens to connections; called on the loop's thread.
    public var onEvent: (@Sendable (ConnectionEvent) -> Void)?

    public init() {}
}

/// Something a log should say about a connection.
public struct ConnectionEvent: Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        case opened
        /// Closed in the ordinary way: by the peer between calls, or because we were told to.
        case closed(String)
        /// Closed because of what the peer did, or failed to do: the reason is one for people.
        case dropped(String)
        /// Not let in: too many connections.
        case refused(String)
        /// A channel could not connect.
        case connectFailed(String)
    }

    public let peer: String
    public let kind: Kind

    public var description: String {
        switch kind {
        case .opened: "connection with \(peer) opened"
        case .closed(let reason): "connection with \(peer) closed: \(reason)"
        case .dropped(let reason): "connection with \(peer) dropped: \(reason)"
        case .refused(let reason): "connection from \(peer) refused: \(reason)"
        case .connectFailed(let reason): "could not connect to \(peer): \(reason)"
        }
    }
}
