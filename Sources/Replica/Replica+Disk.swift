import Base
import Consensus
import DequeModule
import Storage

// What the disk reports, and what is read back from it.
extension Replica {
    mutating func finish(_ completions: inout [Turn.Completion], into effects: inout ReplicaEffects) {
        for completion in completions {
            storage.completed(completion.operation, completion.result, now: now, into: &storageEvents)
        }
        completions.clear()
        storage.advance(to: now)
        for event in storageEvents { obey(event, into: &effects) }
        storageEvents.clear()
    }

    private mutating func obey(_ event: StorageEvent, into effects: inout ReplicaEffects) {
        switch event {
        case .durable(let token):
            durable = WriteToken(token)
            input.durable = durable
            while let first = whenDurable.first, first.token <= durable {
                effects.send.append(first.message)
                whenDurable.removeFirst()
            }
        case .entries(let request, let entries):
            finishRead(request, entries, into: &effects)
        case .snapshotDurable(let index):
            snapshotIsDurable(index, into: &effects)
        case .snapshotFailed(let index, _):
            snapshotFailed(index, into: &effects)
        case .snapshotBytes(let request, let bytes):
            effects.snapshotPieces.append(SnapshotPiece(id: request, bytes: bytes))
        case .full, .spaceReturned:
            // `Storage.isFull` tells; writes are refused by it when they are judged.
            break
        case .failed(let failure):
            // An fsync error is final (fsyncgate): nothing else of this turn may happen.
            effects.failure = .storage(failure)
        }
    }

    private mutating func finishRead(_ request: UInt64, _ entries: [Entry], into effects: inout ReplicaEffects) {
        switch diskReads.removeValue(forKey: request) {
        case .apply:
            isLoadingToApply = false
            apply(entries, into: &effects)
        case .load(let token):
            input.loaded.append(Loaded(token: token, entries: entries))
        case .log(let id, let commitIndex):
            answer(id, size: 0, .log(entries, commitIndex: commitIndex), into: &effects)
        case nil:
            preconditionFailure("the disk answered a read that nobody asked for")
        }
    }

    mutating func load(_ load: Load) {
        read(.load(load.token), from: load.from, through: load.through, maxBytes: load.maxBytes)
    }

    mutating func readLog(_ id: RequestID, from: Index, maxBytes: Int, into effects: inout ReplicaEffects) {
        let from = max(from, firstIndex)
        let last = raft.durableIndex
        guard from <= last else {
            answer(id, size: 0, .log([], commitIndex: raft.commitIndex), into: &effects)
            return
        }
        read(.log(id, commitIndex: raft.commitIndex), from: from, through: last, maxBytes: maxBytes)
    }

    mutating func read(_ purpose: DiskRead, from: Index, through: Index, maxBytes: Int) {
        lastDiskRead += 1
        diskReads[lastDiskRead] = purpose
        storage.read(request: lastDiskRead, from: from, through: through, maxBytes: maxBytes)
    }
}
