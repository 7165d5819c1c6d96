public import Base
public import Consensus
import EventLoop
public import Wire

/// What a member does, for those who watch it: gathered on its loop, handed out every few milliseconds. What happens for
/// every message is sampled, so that watching costs the same under any load; what is rare is always told.
///
/// Confined to the member's loop.
final class EventTap {
    /// Who may watch at a time.
    static let maxWatchers = 64
    /// How often what was gathered is handed out.
    static let interval = Interval.milliseconds(50)
    /// What is frequent is told so often in an interval, and else only counted; what is rare likewise, though it would
    /// take a storm of elections to reach it.
    static let frequentPerInterval = 40
    static let rarePerInterval = 400
    /// Handfuls that wait for a watcher who is slow; then the oldest is lost, which the numbers show.
    static let handfulsWaiting = 40

    private let loop: Loop
    private var watchers: [UInt64: AsyncStream<[Notice]>.Continuation] = [:]
    private var lastWatcher: UInt64 = 0
    private var timer: EventLoop.Timer?
    private var gathered: [Notice] = []
    private var sequence: UInt64 = 0
    private var frequent = 0
    private var rare = 0
    private var skipped: UInt64 = 0
    private var trips: [MemberID: Trip] = [:]
    /// To a follower and back, when nothing else was on its way there.
    private(set) var roundTrips: [MemberID: Interval] = [:]

    /// AppendEntries on their way to a follower.
    private struct Trip {
        var unanswered = 0
        /// Of the one that is measured.
        var sentAt: Instant?
        /// After so long it is taken for lost, and counting begins again.
        static let patience = Interval.seconds(1)
    }
    /// Called when the first watcher comes, and when the last one goes.
    var onChange: (Bool) -> Void = { _ in }

    init(_ loop: Loop) { self.loop = loop }

    var isWatched: Bool { !watchers.isEmpty }

    /// Nil when too many watch already. `leave` must be called in the end.
    func join() -> (id: UInt64, feed: AsyncStream<[Notice]>)? {
        guard watchers.count < Self.maxWatchers else { return nil }
        let (feed, continuation) = AsyncStream.makeStream(
            of: [Notice].self, bufferingPolicy: .bufferingNewest(Self.handfulsWaiting))
        lastWatcher += 1
        watchers[lastWatcher] = continuation
        if watchers.count == 1 {
            timer = EventLoop.Timer(loop) { [unowned self] in handOut() }
            timer?.start(after: Self.interval, repeating: Self.interval)
            onChange(true)
        }
        return (lastWatcher, feed)
    }

    func leave(_ id: UInt64) {
        watchers.removeValue(forKey: id)?.finish()
        if watchers.isEmpty, timer != nil { close() }
    }

    /// Ends all feeds.
    func close() {
        watchers.values.forEach { $0.finish() }
        watchers = [:]
        timer?.close()
        timer = nil
        gathered = []
        trips = [:]
        roundTrips = [:]
        onChange(false)
    }

    // MARK: What happens

    func sent(_ message: Message) {
        if case .appendEntries = message.body {
            let now = loop.now
            var trip = trips[message.to] ?? Trip()
            if let sentAt = trip.sentAt, now - sentAt > Trip.patience { trip = Trip() }
            if trip.unanswered == 0 { trip.sentAt = now }
            trip.unanswered += 1
            trips[message.to] = trip
        }
        let kind = message.kind
        note(.sent(MessageNote(message, to: message.to)), isFrequent: kind.isFrequent)
    }

    func received(_ message: Message) {
        if case .appendEntriesReply = message.body, var trip = trips[message.from], trip.unanswered > 0 {
            if trip.unanswered == 1, let sentAt = trip.sentAt { roundTrips[message.from] = loop.now - sentAt }
            trip.unanswered -= 1
            trips[message.from] = trip
        }
        note(.received(MessageNote(message, to: message.from)), isFrequent: message.kind.isFrequent)
    }

    func note(_ event: Event) { note(.event(event), isFrequent: event.isFrequent) }

    private func note(_ what: Notice.What, isFrequent: Bool) {
        if isFrequent {
            guard frequent < Self.frequentPerInterval else { return skipped += 1 }
            frequent += 1
        } else {
            guard rare < Self.rarePerInterval else { return skipped += 1 }
            rare += 1
        }
        sequence += 1
        gathered.append(Notice(sequence: sequence, wallMs: wallMilliseconds(), what: what))
    }

    private func handOut() {
        if skipped > 0 {
            sequence += 1
            gathered.append(Notice(sequence: sequence, wallMs: wallMilliseconds(), what: .skipped(skipped)))
        }
        for watcher in watchers.values { watcher.yield(gathered) }
        gathered.removeAll(keepingCapacity: true)
        frequent = 0
        rare = 0
        skipped = 0
    }
}

/// One thing that a member did.
public struct Notice: Sendable {
    /// Grows by one from notice to notice: a gap is what a slow watcher lost.
    public var sequence: UInt64
    /// Milliseconds since 1970, by this member's clock.
    public var wallMs: UInt64
    public var what: What

    public enum What: Sendable {
        case event(Event)
        case sent(MessageNote)
        case received(MessageNote)
        /// So many were not told, since too much happened.
        case skipped(UInt64)
    }
}

/// A message without its entries.
public struct MessageNote: Sendable {
    public var kind: Wire.MessageKind
    /// The other member.
    public var peer: MemberID
    public var term: Term
    /// Of AppendEntries.
    public var entries: Int?
    /// Whether an answer agrees: a vote that is granted, entries that fit.
    public var agrees: Bool?

    init(_ message: Message, to peer: MemberID) {
        kind = message.kind
        self.peer = peer
        term = message.term
        switch message.body {
        case .requestVoteReply(let reply): agrees = reply.voteGranted
        case .appendEntries(let request): entries = request.entries.count
        case .appendEntriesReply(let reply):
            if case .success = reply.result { agrees = true } else { agrees = false }
        case .requestVote, .readIndex, .readIndexReply, .timeoutNow: break
        }
    }
}

extension Wire.MessageKind {
    /// Whether it flies as long as all is well.
    fileprivate var isFrequent: Bool {
        switch self {
        case .heartbeat, .appendEntries, .appendEntriesResponse, .readIndex, .readIndexResponse, .propose,
            .proposeResponse, .installSnapshot, .installSnapshotResponse:
            true
        case .hello, .preVote, .preVoteResponse, .requestVote, .requestVoteResponse, .timeoutNow: false
        }
    }
}

extension Event {
    fileprivate var isFrequent: Bool {
        switch self {
        case .appended, .durable, .committed, .readRoundStarted, .readRoundConfirmed, .conflict, .probing, .replicating,
            .ignored:
            true
        default: false
        }
    }
}
