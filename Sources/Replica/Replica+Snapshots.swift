@_spi(Sabotage) import Base
import Consensus
@_spi(Sabotage) import Keyspace
import LogFormat
import Storage

// Snapshots of one's own (dissertation 5.1): frozen in an instant, encoded elsewhere in pieces, written beside the log; the
// log is cut when they are durable, and not before.
extension Replica {
    /// A snapshot that is being written.
    struct Snapshotting {
        /// Which of them; work that comes back for another is void.
        var number: UInt64
        var point: SnapshotPoint
        /// What is left to encode, when nobody is at it.
        var rest: SnapshotEncoder?
        var pace: SnapshotPace
    }

    /// Begins one early enough to be done when the log is as long as it may become. What others have committed may be applied before
    /// this disk knows its term; a snapshot, which is written beside the log, may not be there sooner.
    mutating func takeSnapshotIfDue(into effects: inout ReplicaEffects) {
        guard raft.isTermDurable, snapshotting == nil, incoming == nil, now >= ownSnapshotAt, !storage.isWritingSnapshot, effects.failure == nil,
            now >= snapshotRetryAt && isSnapshotDue() || isSnapshotDemanded
        else { return }
        let index = keyspace.appliedIndex
        guard index > max(raft.snapshot?.index ?? 0, storage.snapshot?.index ?? 0), let term = raft.term(at: index),
            let placed = raft.configuration(asOf: index),
            let encoder = encoder(of: keyspace.frozen(), chunkBytes: limits.snapshotChunkBytes)
        else { return }
        snapshotNumber += 1
        isSnapshotDemanded = false
        storage.beginSnapshot(index: index, term: term)
        if limits.sabotage == .logCutBeforeSnapshot { storage.compact(through: index) }
        snapshotting = Snapshotting(
            number: snapshotNumber,
            point: SnapshotPoint(index: index, term: term, configuration: placed, timeMs: encoder.head.timeMs),
            rest: encoder,
            pace: SnapshotPace(
                keyCount: keyspace.count, logBytes: storage.logBytesSinceSnapshot, span: planNextSnapshot(), now: now))
    }

    /// What writes a version of this keyspace as a snapshot; nil when the log does not know its term any more.
    public func encoder(of frozen: FrozenKeyspace, chunkBytes: Int) -> SnapshotEncoder? {
        guard let term = raft.term(at: frozen.appliedIndex), let placed = raft.configuration(asOf: frozen.appliedIndex)
        else { return nil }
        return SnapshotEncoder(
            frozen, term: term, configurationIndex: placed.index, configuration: placed.configuration.encode(),
            chunkBytes: chunkBytes, sabotage: limits.sabotage)
    }

    /// Bytes of the newest snapshot's content; 0 when there is none.
    public var snapshotBytes: Int { storage.snapshot?.length ?? 0 }

    /// Hands out the next piece of work, unless the disk is behind or it is too early for it.
    mutating func continueSnapshot(into effects: inout ReplicaEffects) {
        guard let current = snapshotting, let rest = current.rest,
            storage.snapshotBacklogBytes < limits.snapshotBacklogBytes,
            now >= nextSnapshotPiece || current.pace.isDue(keysDone: rest.keysGiven, logBytes: storage.logBytesSinceSnapshot)
        else { return }
        snapshotting.update {
            $0.rest = nil
            $0.pace.lastPiece = now
        }
        effects.snapshotWork = SnapshotWork(number: current.number, encoder: rest, bytes: limits.snapshotWorkBytes)
    }

    mutating func finish(_ work: SnapshotWork.Done) {
        guard snapshotting?.number == work.number else { return }
        for chunk in work.chunks { storage.appendToSnapshot(chunk) }
        snapshotting.update { $0.rest = work.rest }
        if work.rest == nil { storage.finishSnapshot() }
    }

    /// The disk has a snapshot, this member's own or another's.
    mutating func snapshotIsDurable(_ index: Index, into effects: inout ReplicaEffects) {
        if let current = snapshotting, current.point.index == index {
            snapshotting = nil
            keysInSnapshot = current.pace.keyCount
            input.tookSnapshot = current.point
            cutLog(behind: current.point)
        } else {
            finishInstalling(index, into: &effects)
        }
        removeOldSnapshots()
    }

    /// Slow followers get entries as long as the log has them: some stay, and all that a snapshot on its way leads to.
    mutating func cutLog(behind point: SnapshotPoint) {
        let kept = min(point.index.rawValue, UInt64(limits.keptEntries))
        var through = max(Index(point.index.rawValue - kept), storage.firstIndex(ofLast: keptLogBytes).previous)
        if let limit = raft.compactionLimit, storage.neededLogBytes < limits.keptLogBytesWhileSending {
            through = min(through, limit)
        }
        input.compactThrough = min(through, point.index)
        // As if no more keys were new: a store that has grown, and stops, has no use for more, and its disk no room.
        storage.logRoomBytes = usualLogBytes
    }

    mutating func snapshotFailed(_ index: Index, into effects: inout ReplicaEffects) {
        if snapshotting?.point.index == index {
            snapshotting = nil
            snapshotRetryAt = now + limits.snapshotRetry
        } else {
            snapshotRetryAt = now + limits.snapshotRetry
            giveUpInstalling("the disk is full", into: &effects)
        }
    }

    // MARK: To others

    mutating func sendSnapshots(into effects: inout ReplicaEffects) {
        if raft.role != .leader, !sending.isEmpty {
            sending.removeAll()
            removeOldSnapshots()
        }
        for send in raftEffects.snapshots {
            guard let snapshot = storage.snapshot else { preconditionFailure("Raft knows a snapshot that the disk has not") }
            sending.append((send.token, snapshot.index))
            effects.snapshotsToSend.append(
                SnapshotToSend(
                    token: send.token, to: send.to, term: send.term, index: snapshot.index, indexTerm: snapshot.term,
                    length: snapshot.length))
        }
    }

    mutating func settle(_ sent: inout [SnapshotSent]) {
        guard !sent.isEmpty else { return }
        for end in sent { sending.removeAll { $0.token == end.token } }
        swap(&input.snapshotsSent, &sent)
        sent.clear()
        removeOldSnapshots()
    }

    private mutating func removeOldSnapshots() { storage.removeSnapshots(except: sending.map(\.index)) }
}
