@_spi(Sabotage) import Base
import Consensus
import DequeModule
import Keyspace

// Committed entries enter the keyspace (dissertation 3.5), in slices, so that a long backlog after a restart does not
// keep heartbeats waiting.
extension Replica {
    mutating func applyCommitted(into effects: inout ReplicaEffects) {
        guard keyspace.appliedIndex < raft.commitIndex, !isLoadingToApply, effects.failure == nil else { return }
        let from = keyspace.appliedIndex.next
        let through = raft.commitIndex
        let slice = min(through, Index(from.rawValue + UInt64(limits.applyEntriesPerTurn) - 1))
        if let entries = raft.entries(from: from, through: slice, maxBytes: limits.applyBytesPerTurn) {
            apply(entries, into: &effects)
        } else {
            // Older than the tail in memory: a restart, or a follower that fell behind.
            isLoadingToApply = true
            read(.apply, from: from, through: min(through, raft.durableIndex), maxBytes: limits.applyBytesPerTurn)
        }
    }

    mutating func apply(_ entries: [Entry], into effects: inout ReplicaEffects) {
        var first = 0
        while first < entries.count {
            let group = entries[first..<min(first + Keyspace.touchAhead, entries.count)]
            keyspace.touch(group)
            for entry in group where entry.index > keyspace.appliedIndex {
                guard effects.failure == nil else { return }
                apply(entry, into: &effects)
            }
            first = group.endIndex
        }
    }

    /// Where such a bug is planted, something else than the log decides what an entry does.
    private func isPassedOver(_ entry: Entry) -> Bool {
        switch limits.sabotage {
        case .clockDecidesApply: entry.kind == .command && entry.timeMs + 5_000 < input.wallMs
        case .fullDiskDecidesApply: entry.kind == .command && isDiskFull
        default: false
        }
    }

    private mutating func apply(_ entry: Entry, into effects: inout ReplicaEffects) {
        let isOurs = proposed.first?.index == entry.index
        let outcome: Outcome
        do {
            outcome = try keyspace.apply(isPassedOver(entry) ? entry.emptied : entry, wantsResult: isOurs)
        } catch {
            // It can be neither skipped nor guessed at: the member stops, its peers go on.
            effects.failure = .unapplicable(error)
            return
        }
        record?.note(entry, keyspace.digested, revision: keyspace.revision)
        guard isOurs, let write = proposed.popFirst() else { return }
        // The index alone does not make it ours: another leader's entry may stand there.
        let result: Answer.Result = write.term == entry.term ? .outcome(outcome) : .failed(.overtaken)
        answer(write.id, size: write.size, result, into: &effects)
    }
}

extension Entry {
    /// Its place in the log, and nothing in it.
    fileprivate var emptied: Entry {
        Entry(term: term, index: index, kind: .noOperation, timeMs: timeMs, data: Bytes())
    }
}
