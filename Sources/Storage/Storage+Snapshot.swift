@_spi(Sabotage) import Base
import DequeModule
import LogFormat

/// A snapshot on its way to the disk.
struct SnapshotDraft {
    let index: Index
    let term: Term
    /// The log's bytes, when it began.
    let writtenBefore: Int
    /// Content that waits, and its bytes.
    var chunks = Deque<Bytes>()
    var waiting = 0
    /// Content written, and of it what no sync covers yet.
    var written = 0
    var unsynced = 0
    var isCreated = false
    /// It was an older snapshot's file, and may be longer than what is written to it.
    var isRecycled = false
    var isComplete = false
    var isAbandoned = false
    /// The operation that is under way.
    var running: UInt64?
    /// It is the one that gives the file its name, or that removes it.
    var isNaming = false
    var isRemoving = false

    var file: DiskFile { .snapshotDraft(index.rawValue) }
}

/// Snapshots are written to a draft, synced, renamed, and the directory synced (pitfall 30); only then does anything that
/// they cover go. The content is the caller's: chunks in, in order.
extension Storage {
    /// Begins a snapshot that covers the log up to `index`; one at a time.
    public mutating func beginSnapshot(index: Index, term: Term) {
        precondition(draft == nil, "one snapshot is written at a time")
        precondition(index > snapshot?.index ?? 0, "a snapshot that is older than the newest")
        draft = SnapshotDraft(index: index, term: term, writtenBefore: writtenBytes)
    }

    /// The next of its content. The caller watches `snapshotBacklogBytes`.
    public mutating func appendToSnapshot(_ chunk: Bytes) {
        draft.update {
            $0.chunks.append(chunk)
            $0.waiting += chunk.count
        }
    }

    /// All of it was handed in: `.snapshotDurable` follows, or `.snapshotFailed`.
    public mutating func finishSnapshot() { draft.update { $0.isComplete = true } }

    /// Nobody wants it any more. Nothing follows; another may begin when `isWritingSnapshot` is false.
    public mutating func abandonSnapshot() { draft.update { $0.isAbandoned = true } }

    public var isWritingSnapshot: Bool { draft != nil }
    /// Bytes of log written since the newest snapshot began.
    public var logBytesSinceSnapshot: Int { writtenBytes - writtenBeforeSnapshot }
    /// Content handed in and not yet written.
    public var snapshotBacklogBytes: Int { draft?.waiting ?? 0 }

    /// Older snapshots go, but those in `kept`: somebody is being sent them. The last of them stays until the next one is
    /// written, in its place.
    public mutating func removeSnapshots(except kept: [Index]) {
        for index in snapshots where index < snapshot?.index ?? 0 && !kept.contains(index) { staleSnapshots.append(index) }
        snapshots.removeAll { staleSnapshots.contains($0) }
    }

    /// Bytes of a snapshot's content from `offset` on, fewer at its end: `.snapshotBytes`.
    public mutating func readSnapshot(request: UInt64, index: Index, offset: Int, count: Int) {
        snapshotReads.append((request, index, offset, count))
    }

    mutating func startSnapshotJobs(into operations: inout [DiskOperation]) {
        if let operation = startSnapshotJob() { operations.append(operation) }
        if let operation = startStaleRemoval() { operations.append(operation) }
        while let (request, index, offset, count) = snapshotReads.popFirst() {
            let id = newID()
            runningSnapshotReads.append((id, request, index))
            let step = DiskStep.read(
                .snapshot(index.rawValue), offset: SnapshotHeader.contentStart + offset, count: count)
            operations.append(DiskOperation(id: id, lane: .read, steps: [step]))
        }
    }

    /// What is removed is a draft first: no file has a snapshot's name that is not a whole one, though a large one goes piece by
    /// piece.
    private mutating func startStaleRemoval() -> DiskOperation? {
        let count = staleSnapshots.count - (isIdle || isFull ? 0 : 1)
        guard count > 0, staleRemoval == nil else { return nil }
        let id = newID()
        staleRemoval = id
        let stale = staleSnapshots.prefix(count).map(\.rawValue)
        staleSnapshots.removeFirst(count)
        let steps = stale.map { DiskStep.rename(.snapshot($0), to: .snapshotDraft($0)) } + [.syncDirectory]
            + stale.map { .remove(.snapshotDraft($0)) } + [.syncDirectory]
        return DiskOperation(id: id, lane: .background, steps: steps)
    }

    private mutating func startSnapshotJob() -> DiskOperation? {
        guard var draft, draft.running == nil else { return nil }
        var steps: [DiskStep] = []
        if draft.isAbandoned {
            guard draft.isCreated else {
                self.draft = nil
                return nil
            }
            steps = [.remove(draft.file)]
            draft.isRemoving = true
        } else {
            if !draft.isCreated { create(&draft, &steps) }
            write(&draft, &steps)
            if draft.isComplete, draft.chunks.isEmpty {
                draft.isNaming = true
                let header = SnapshotHeader(index: draft.index, term: draft.term, member: member, length: draft.written)
                steps.append(.write(draft.file, offset: 0, slices: [header.encode()]))
                if draft.isRecycled, limits.sabotage != .snapshotNotCut {
                    steps.append(.cut(draft.file, size: SnapshotHeader.contentStart + draft.written))
                }
                if limits.sabotage != .snapshotNotSynced { steps.append(.sync(draft.file)) }
                steps += [
                    .rename(draft.file, to: .snapshot(draft.index.rawValue)), .syncDirectory,
                ]
            }
        }
        guard !steps.isEmpty else { return nil }
        let id = newID()
        draft.running = id
        self.draft = draft
        return DiskOperation(id: id, lane: .background, steps: steps)
    }

    /// An older snapshot that nobody needs is written over. To find space for a new file and to give back that of an old one
    /// costs a disk as much as half of the writing, and a large removal is one thing that all else on the disk waits for
    /// (docs/decisions/snapshots.md).
    private mutating func create(_ draft: inout SnapshotDraft, _ steps: inout [DiskStep]) {
        draft.isCreated = true
        if let old = staleSnapshots.last, !isBeingRead(old) {
            staleSnapshots.removeLast()
            draft.isRecycled = true
            steps += [.rename(.snapshot(old.rawValue), to: draft.file), .syncDirectory]
        } else {
            steps.append(.create(draft.file, size: 0))
        }
    }

    /// Whoever asked may have lost interest; the disk has not.
    private func isBeingRead(_ index: Index) -> Bool {
        runningSnapshotReads.contains { $0.index == index } || snapshotReads.contains { $0.index == index }
    }

    /// Some of what waits, so that nothing else waits for long behind it; a sync now and then keeps the last one short.
    private func write(_ draft: inout SnapshotDraft, _ steps: inout [DiskStep]) {
        var slices: [Bytes] = []
        var size = 0
        while size < limits.snapshotWriteBytes, let chunk = draft.chunks.popFirst() {
            slices.append(chunk)
            size += chunk.count
        }
        guard size > 0 else { return }
        steps.append(.write(draft.file, offset: SnapshotHeader.contentStart + draft.written, slices: slices))
        draft.waiting -= size
        draft.written += size
        draft.unsynced += size
        if draft.unsynced >= limits.snapshotSyncBytes, limits.sabotage != .snapshotNotSynced {
            steps.append(.sync(draft.file))
            draft.unsynced = 0
        }
    }

    /// Whether the operation was one of these.
    mutating func snapshotJobEnded(_ id: UInt64, _ result: DiskResult, into events: inout [StorageEvent]) -> Bool {
        if let place = runningSnapshotReads.firstIndex(where: { $0.id == id }) {
            let request = runningSnapshotReads.remove(at: place).request
            // The file may have gone: whoever asked begins again with a newer one.
            if case .done(let reads) = result {
                events.append(.snapshotBytes(request: request, reads.first))
            } else {
                events.append(.snapshotBytes(request: request, nil))
            }
            return true
        }
        if id == staleRemoval {
            staleRemoval = nil
            if case .failed(let error) = result { fail(.disk(error), into: &events) }
            return true
        }
        guard let draft, draft.running == id else { return false }
        draftJobEnded(draft, result, into: &events)
        return true
    }

    private mutating func draftJobEnded(
        _ ended: SnapshotDraft, _ result: DiskResult, into events: inout [StorageEvent]
    ) {
        switch result {
        case .done where ended.isNaming:
            // Also when it was abandoned meanwhile: it is there.
            draft = nil
            snapshot = SnapshotHeader(index: ended.index, term: ended.term, member: member, length: ended.written)
            snapshots.append(ended.index)
            writtenBeforeSnapshot = max(writtenBeforeSnapshot, ended.writtenBefore)
            events.append(.snapshotDurable(index: ended.index))
        case .done where ended.isRemoving:
            draft = nil
        case .done:
            draft.update { $0.running = nil }
        case .failed(let error) where error.isFull && error.file == ended.file:
            // It has no name yet, and what is left of it goes.
            draft.update {
                $0.running = nil
                $0.isNaming = false
                $0.isAbandoned = true
            }
            events.append(.snapshotFailed(index: ended.index, error))
        case .failed(let error):
            fail(.disk(error), into: &events)
        }
    }
}
