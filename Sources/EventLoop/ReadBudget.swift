import Base

/// Bounds how long one turn of a loop reads from sockets, so that a burst on many connections at once becomes several turns:
/// timers, the disk's outcomes and the answers to what was read have theirs in between. Who had to wait comes before all that
/// came later, so that nobody waits for ever.
///
/// The kernel reports a socket in every turn until all was read from it: waiting costs nothing but to be passed over.
struct ReadBudget {
    /// From the first read of a turn on, by the clock.
    static let perTurn = Interval.milliseconds(2)

    /// What a connection holds while it waits.
    struct Place {
        /// The turn in which it was first passed over.
        var since: UInt64
        /// And last: who is not reported in a turn has nothing to read any more, and its place is void.
        var asked: UInt64
    }

    /// How many have a place since one turn.
    private struct Group {
        var since: UInt64
        var count: Int
    }

    private var turn: UInt64 = 1
    private var end: Instant?
    /// Passed over in the last turn, and not asked in this one yet.
    private var before: [Group] = []
    /// Passed over in this turn.
    private var waiting: [Group] = []

    /// Whether a connection that the kernel reports may be read now; otherwise it keeps a place, and is reported in the next turn.
    mutating func allows(_ place: inout Place?, now: Instant) -> Bool {
        leave(&place, stays: true)
        let end = self.end ?? now + Self.perTurn
        self.end = end
        let since = place?.since ?? turn
        guard now < end, !before.contains(where: { $0.since < since }), !waiting.contains(where: { $0.since < since })
        else {
            place = Place(since: since, asked: turn)
            Self.add(1, since, to: &waiting)
            return false
        }
        place = nil
        return true
    }

    /// A connection is closed, or not to be read for now.
    mutating func leave(_ place: inout Place?) { leave(&place, stays: false) }

    private mutating func leave(_ place: inout Place?, stays: Bool) {
        guard let held = place else { return }
        if held.asked == turn {
            Self.add(-1, held.since, to: &waiting)
        } else if held.asked == turn - 1 {
            Self.add(-1, held.since, to: &before)
        } else {
            place = nil
        }
        if !stays { place = nil }
    }

    mutating func endTurn() {
        turn += 1
        end = nil
        swap(&before, &waiting)
        waiting.removeAll(keepingCapacity: true)
    }

    private static func add(_ count: Int, _ since: UInt64, to groups: inout [Group]) {
        if let found = groups.firstIndex(where: { $0.since == since }) {
            groups[found].count += count
            if groups[found].count == 0 { groups.remove(at: found) }
        } else {
            groups.append(Group(since: since, count: count))
        }
    }
}
