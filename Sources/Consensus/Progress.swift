import Base

/// What a leader knows of one other member (nextIndex and matchIndex of figure 3.1), and what is on its way there.
///
/// Invariant: `match < next`, and `next` is at most one past the leader's log.
public struct Progress: Sendable {
    public enum Mode: UInt8, Sendable, Equatable {
        /// It is not known where the logs agree: one small AppendEntries at a time, and its answer is awaited.
        case probe
        /// The logs agree through `next - 1` unless something was lost: batches follow each other without waiting
        /// (10.2.1).
        case replicate
        /// It needs entries that the log no longer has: a snapshot is on its way there, heartbeats go on (chapter 5).
        case snapshot
    }

    let id: MemberID
    /// Everything up to here is the same there as here, and durable there.
    var match: Index = 0
    /// The next entry to send.
    var next: Index
    var mode = Mode.probe
    /// A probe was sent since the last answer or the last tick of the heartbeat.
    var isProbing = false
    /// When it was last heard from in this term.
    var lastContact: Instant
    /// The newest round of heartbeats that it answered (6.4).
    var round: UInt64 = 0
    /// An AppendEntries must go out this turn even if it carries no entries: a heartbeat or a round for reads.
    var owesHeartbeat = true
    /// Entries that are being read from disk for it.
    var load: Load?
    /// The disk could not give them; they are asked for again at the next tick of the heartbeat.
    var loadFailed = false
    var inflight = Inflight()
    /// The snapshot that is on its way there, until its end is reported.
    var transfer: Transfer?
    /// Of a member that becomes a voter when it has caught up; nil for others.
    var catchUp: CatchUp?
    /// Of one that was removed and has yet to hear of it; nil for members.
    var farewell: Farewell?

    /// "The replication of entries to the new server is split into rounds. Each round replicates all the log entries
    /// present in the leader's log at the start of the round" (4.2.1).
    struct CatchUp: Sendable {
        /// Counts from 1.
        var round = 1
        /// The leader's last index when the round began.
        var target: Index
        var started: Instant
        /// When a round that was short enough ended.
        var caughtUpAt: Instant?
    }

    struct Transfer: Sendable {
        var token: SnapshotToken
        var index: Index
    }

    struct Farewell: Sendable {
        /// The entry that removed it.
        var index: Index
        var until: Instant
        /// It has the entry and is being told that it is committed.
        var isTold = false
    }

    init(id: MemberID, next: Index, now: Instant) {
        self.id = id
        self.next = next
        lastContact = now
    }

    /// Back to probing from what is certain: `from`, or the first entry that is not acknowledged.
    mutating func probe(from: Index? = nil) {
        mode = .probe
        isProbing = false
        next = max(from ?? 0, match.next)
        load = nil
        transfer = nil
        inflight.removeAll()
    }

    mutating func sendSnapshot(_ token: SnapshotToken, index: Index) {
        mode = .snapshot
        isProbing = false
        load = nil
        inflight.removeAll()
        transfer = Transfer(token: token, index: index)
    }

    /// From probing to pipelining, after an answer told where the logs agree.
    mutating func replicate() {
        mode = .replicate
        isProbing = false
        next = match.next
        inflight.removeAll()
        transfer = nil
    }
}

/// The AppendEntries with entries that are on their way to one follower, oldest first: a ring that grows to
/// `Parameters.maxInflightMessages` at most, and only as far as it is used.
struct Inflight: Sendable {
    private var sent: [(last: Index, bytes: Int)] = []
    private var head = 0
    private(set) var count = 0
    private(set) var bytes = 0

    mutating func append(last: Index, bytes size: Int) {
        if count == sent.count { grow() }
        sent[(head + count) % sent.count] = (last, size)
        count += 1
        bytes += size
    }

    /// Everything up to `index` has arrived.
    mutating func acknowledge(through index: Index) {
        while count > 0, sent[head].last <= index {
            bytes -= sent[head].bytes
            head = (head + 1) % sent.count
            count -= 1
        }
    }

    mutating func removeAll() {
        count = 0
        bytes = 0
    }

    private mutating func grow() {
        var larger: [(last: Index, bytes: Int)] = []
        larger.reserveCapacity(max(4, 2 * count))
        for offset in 0..<count { larger.append(sent[(head + offset) % sent.count]) }
        while larger.count < max(4, 2 * count) { larger.append((0, 0)) }
        sent = larger
        head = 0
    }
}
