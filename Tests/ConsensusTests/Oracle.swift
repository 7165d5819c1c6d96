import Base
import Consensus

/// What no member can see: the laws of figure 3.2 across the whole cluster. It watches every step of every member
/// and notes the first breach.
struct Oracle {
    private(set) var breaches: [String] = []
    private(set) var committed: [Entry] = []
    private var leaders: [Term: MemberID] = [:]
    private struct Place: Hashable {
        var index: Index
        var term: Term
    }
    private struct Known {
        var entry: Entry
        var previousTerm: Term
    }
    private var entries: [Place: Known] = [:]
    private(set) var elections = 0

    var commitIndex: Index { Index(UInt64(committed.count)) }

    mutating func breach(_ text: String) { breaches.append(text) }

    /// "At most one leader can be elected in a given term" (election safety), and "if a log entry is committed in a
    /// given term, then that entry will be present in the logs of the leaders for all higher-numbered terms" (leader
    /// completeness).
    mutating func sawLeader(_ id: MemberID, term: Term, log: [Entry]) {
        if let other = leaders[term] {
            if other != id { breach("two leaders in term \(term)") }
            return
        }
        leaders[term] = id
        elections += 1
        for entry in committed where entry.term < term {
            let place = Int(entry.index.rawValue) - 1
            if place >= log.count || log[place] != entry {
                breach("the leader of term \(term) lacks committed entry \(entry.index)@\(entry.term)")
            }
        }
    }

    /// "If two logs contain an entry with the same index and term, then the logs are identical in all entries up
    /// through the given index" (log matching): by induction, when the entry and the term before it are the same.
    mutating func sawEntry(_ entry: Entry, after previousTerm: Term) {
        let place = Place(index: entry.index, term: entry.term)
        if let known = entries[place] {
            if known.entry != entry || known.previousTerm != previousTerm {
                breach("two different entries \(entry.index)@\(entry.term)")
            }
        } else {
            entries[place] = Known(entry: entry, previousTerm: previousTerm)
        }
    }

    /// "If a server has applied a log entry at a given index, no other server will ever apply a different log entry
    /// for the same index" (state machine safety).
    mutating func sawCommit(from: Index, through index: Index, by name: String, log: [Entry]) {
        for place in Int(from.rawValue)..<Int(index.rawValue) {
            if place >= log.count {
                breach("\(name) commits \(index), beyond its log")
                return
            }
            if place < committed.count {
                if log[place] != committed[place] { breach("\(name) commits another entry at \(place + 1)") }
            } else {
                committed.append(log[place])
            }
        }
    }
}
