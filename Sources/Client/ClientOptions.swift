import Base

/// How a client goes about its calls.
public struct ClientOptions: Sendable {
    /// How long a call may take, all attempts together.
    public var timeout = Interval.seconds(5)
    /// How long a change of members may take, a newcomer's catching up included.
    public var changeTimeout = Interval.seconds(60)
    /// How long one attempt at a read may take before another member is asked. (A write without a session is
    /// sent once and waited for: to send it again could apply it twice.)
    public var readAttempt = Interval.seconds(1)
    /// How long one attempt at a write may take that a session keeps from being applied twice, before it is sent again.
    public var writeAttempt = Interval.seconds(2)
    /// Writes travel in a session that is opened with the first one, and are applied once however often they are sent
    /// (Raft dissertation 6.3). Without, a write is sent once.
    public var usesSession = true
    /// How long connecting to a member may take before another one is tried.
    public var connectTimeout = Interval.seconds(1)
    /// The wait after a round in which no member could do it; it doubles with each, up to `maxBackoff`, less up to a
    /// half at random.
    public var initialBackoff = Interval.milliseconds(20)
    public var maxBackoff = Interval.milliseconds(400)
    /// How long a member may take to tell its own status.
    public var statusTimeout = Interval.seconds(2)
    /// The most elements of a stream (keys, log entries) that are held for a caller that is busy; then the member is
    /// made to wait.
    public var streamBuffer = 10_000

    public init() {}

    public init(timeout: Interval) {
        self.timeout = timeout
        changeTimeout = timeout
    }
}
