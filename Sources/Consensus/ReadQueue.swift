import Base

/// The reads that wait for an index, on a leader or on a follower: one batch is on its way (a leader's round of
/// heartbeats, a follower's ReadIndex), and the next gathers meanwhile.
struct ReadQueue: Sendable {
    /// One that waits: a read of this member, or a follower's request.
    struct Waiting: Sendable {
        /// A `ReadToken`, or the follower's request id.
        var token: UInt64
        /// The follower that asked; nil for a read of this member's own.
        var follower: MemberID?
    }

    private(set) var gathering: [Waiting] = []
    /// When the first of `gathering` came.
    private var gatheringSince = Instant.zero
    private(set) var asked: [Waiting] = []
    private var askedSince = Instant.zero

    /// On a leader: the round that confirms `asked`, and the index that they will get.
    private(set) var round: (number: UInt64, index: Index, start: Instant)?
    /// On a follower: the request that is on its way for `asked`, and when it is given up for lost.
    private(set) var request: (id: UInt64, retryAt: Instant)?
    /// The next request's id: never reused within one start, and beginning anywhere, so that the answer to a request
    /// of before a restart is not taken for one of now.
    private var nextRequest: UInt64

    init(firstRequest: UInt64) { nextRequest = firstRequest }

    var count: Int { gathering.count + asked.count }

    mutating func gather(_ waiting: Waiting, now: Instant) {
        if gathering.isEmpty { gatheringSince = now }
        gathering.append(waiting)
    }

    /// A follower waits for one answer at a time: its newer request replaces the older.
    mutating func gatherOnly(_ request: Waiting, now: Instant) {
        gathering.removeAll { $0.follower == request.follower }
        gather(request, now: now)
    }

    mutating func startRound(_ number: UInt64, index: Index, now: Instant) {
        moveOn()
        round = (number, index, now)
    }

    /// Gives the id to ask with: another one each time, unless that bug is planted.
    mutating func startRequest(retryAt: Instant, reusesNumber: Bool = false) -> UInt64 {
        moveOn()
        let id = nextRequest
        if !reusesNumber { nextRequest &+= 1 }
        request = (id, retryAt)
        return id
    }

    private mutating func moveOn() {
        swap(&gathering, &asked)
        askedSince = gatheringSince
    }

    /// The batch that was on its way, which is answered now.
    mutating func finish() -> [Waiting] {
        defer { asked = [] }
        round = nil
        request = nil
        return asked
    }

    /// Nobody will answer what is on its way: it waits with the others.
    mutating func askAgain() {
        round = nil
        request = nil
        guard !asked.isEmpty else { return }
        asked.append(contentsOf: gathering)
        swap(&gathering, &asked)
        gatheringSince = askedSince
        asked.clear()
    }

    /// Everything that waits, which is given up now.
    mutating func giveUp() -> [Waiting] {
        askAgain()
        defer { gathering = [] }
        return gathering
    }

    /// When something must be done about those that wait: one asked anew, or all given up.
    func deadline(patience: Interval) -> Instant {
        min(expiry(patience: patience), request?.retryAt ?? .never)
    }

    /// When the patience of the one that waits longest ends.
    func expiry(patience: Interval) -> Instant {
        if !asked.isEmpty { return askedSince + patience }
        return gathering.isEmpty ? .never : gatheringSince + patience
    }
}
