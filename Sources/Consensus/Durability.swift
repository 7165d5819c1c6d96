import Base

/// What the disk was told and what it has done. Writes are issued with rising tokens and complete in order; a
/// completion counts only for what is still part of the log when it comes (pitfall: the A-B-A of terms, where an
/// entry is written, cut off and written again before the first write is reported).
///
/// Invariants: `durableIndex <= writtenIndex`, and both are at most the log's last index; pending writes are in
/// ascending order of token.
struct Durability: Sendable {
    private struct Pending {
        var token: WriteToken
        /// The log's last index after this write, less what was cut off since.
        var last: Index
        var hasHardState: Bool
    }

    /// The newest token handed out.
    private(set) var issued: WriteToken = 0
    /// Everything up to this token is on disk.
    private(set) var completed: WriteToken = 0
    /// Everything up to here was handed to the disk.
    private(set) var writtenIndex: Index
    /// Everything up to here is on disk.
    private(set) var durableIndex: Index
    /// The newest write that carried a hard state.
    private var hardStateToken: WriteToken = 0
    private var pending: [Pending] = []
    /// Since when the disk has finished nothing of what it was told; nil when it has nothing to do.
    private(set) var waitingSince: Instant?

    /// Everything that was found at start is durable.
    init(lastIndex: Index) {
        writtenIndex = lastIndex
        durableIndex = lastIndex
    }

    /// Whether the newest hard state that was handed out is on disk.
    var hardStateIsDurable: Bool { hardStateToken <= completed }
    var pendingCount: Int { pending.count }

    mutating func issue(last: Index, hasHardState: Bool, now: Instant) -> WriteToken {
        issued = issued.next
        if waitingSince == nil { waitingSince = now }
        pending.append(Pending(token: issued, last: last, hasHardState: hasHardState))
        writtenIndex = last
        if hasHardState { hardStateToken = issued }
        return issued
    }

    /// The log was cut from `index` on: no write that is under way can make durable what comes there next. Returns
    /// whether the disk was told of anything that was cut. `forgetful`: leaves the writes that are under way as they were, when that
    /// bug is planted.
    mutating func truncate(from index: Index, forgetful: Bool = false) -> Bool {
        guard index <= writtenIndex else { return false }
        writtenIndex = index.previous
        durableIndex = min(durableIndex, writtenIndex)
        if forgetful { return true }
        for place in pending.indices { pending[place].last = min(pending[place].last, writtenIndex) }
        return true
    }

    /// A durable snapshot has taken the place of the log, which goes on behind `index`: no write that is under way says
    /// anything of what comes there.
    mutating func restart(after index: Index) {
        writtenIndex = index
        durableIndex = index
        for place in pending.indices { pending[place].last = min(pending[place].last, index) }
    }

    mutating func complete(through token: WriteToken, now: Instant) {
        precondition(token <= issued, "the disk reports a write that was never issued")
        guard token > completed else { return }
        waitingSince = token == issued ? nil : now
        completed = token
        let done = pending.prefix { $0.token <= token }
        if let last = done.last { durableIndex = max(durableIndex, last.last) }
        pending.removeFirst(done.count)
    }
}
