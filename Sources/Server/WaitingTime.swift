import Base

/// How long clients have waited for answers, all together: their number times the time between turns, added up. So the mean
/// time to an answer costs a multiplication a turn, and nothing for a request (Little's law).
struct WaitingTime {
    private var nanoseconds: UInt64 = 0
    /// Who waited when the last turn was over, and when that was.
    private var clients = 0
    private var since = Instant.zero

    /// A turn that began at `now` is over, and so many clients wait.
    mutating func turn(_ clients: Int, _ now: Instant) {
        nanoseconds = total(now)
        self.clients = clients
        since = now
    }

    func total(_ now: Instant) -> UInt64 { nanoseconds &+ UInt64(clients) &* (now - since).nanoseconds }
}
