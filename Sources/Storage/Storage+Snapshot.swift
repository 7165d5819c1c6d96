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
    /// It is about to be that.
    var isRecycling = false
    var isComplete = false
    var isAbandoned = false
    /// The operation that is under way.
    var running: UInt64?
    /// It is the one that gives the file its name, or that removes it.
    var isNaming = false
    var isRemoving = false

    var file: DiskFile { .snapshotDraft(index.rawValue) }
}

/// A snapshot's file, whole, and its size.
struct SnapshotFile: Sendable, Equatable {
    var index: Index
    var bytes: Int
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
        for old in snapshots where old.index < snapshot?.index ?? 0 && !kept.contains(old.index) { staleSnapshots.append(old) }
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

    private mutating func startStaleRemoval() -> DiskOperation? {
        let count = staleSnapshots.count - (keepsStaleSnapshot ? 1 : 0)
        guard count > 0, staleRemoval == nil, !staleSnapshots.contains(where: { isBeingRead($0.index) }) else { return nil }
        let id = newID()
        staleRemoval = id
        let steps = staleSnapshots.prefix(count).map { DiskStep.remove(.snapshot($0.index.rawValue)) } + [.syncDirectory]
        staleSnapshots.removeFirst(count)
        return DiskOperation(id: id, lane: .background, steps: steps)
    }

    /// Whether the last of the stale ones is for the next draft: not when that has its file already, and not when it takes much
    /// more of the disk than the next one will. That one may have had a larger state.
    private var keepsStaleSnapshot: Bool {
        guard !givesSpaceBack, !(draft?.isCreated ?? false), let last = staleSnapshots.last, let snapshot else { return false }
        return last.bytes <= max(limits.leastSegmentBytes, (SnapshotHeader.contentStart + snapshot.length) / 4 * 5)
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
            // Should the older one's file not be had, then nothing else is lost.
            if !draft.isRecycling { write(&draft, &steps) }
            if draft.isComplete, draft.chunks.isEmpty, !draft.isRecycling {
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
        if keepsStaleSnapshot, let old = staleSnapshots.last, !isBeingRead(old.index) {
            staleSnapshots.removeLast()
            draft.isRecycling = true
            draft.isRecycled = true
            steps += [.rename(.snapshot(old.index.rawValue), to: draft.file), .syncDirectory]
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
            snapshots.append(SnapshotFile(index: ended.index, bytes: SnapshotHeader.contentStart + ended.written))
            snapshotLacksSpace = false
            writtenBeforeSnapshot = max(writtenBeforeSnapshot, ended.writtenBefore)
            events.append(.snapshotDurable(index: ended.index))
        case .done where ended.isRemoving:
            draft = nil
        case .done:
            draft.update {
                $0.running = nil
                $0.isRecycling = false
            }
        case .failed(let error) where ended.isRecycling && error.call == "rename":
            // Somebody has removed it, or the directory has no room for another name: then it is a new file. A start finds what
            // there is.
            draft.update {
                $0.running = nil
                $0.isCreated = false
                $0.isRecycling = false
                $0.isRecycled = false
            }
        case .failed(let error) where error.isFull && error.file == ended.file:
            snapshotLacksSpace = true
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
