@_spi(Sabotage) import Base
import Consensus
import Keyspace
import Storage

// Snapshots from a leader (dissertation 5.3): checked and written as they come, and put in the place of the state when they
// are durable; until then everything stays as it was.
extension Replica {
    /// A snapshot on its way in. Its content is in `incomingDecoder`, and when all of it is in, in `incomingKeyspace`.
    struct Incoming {
        var senderTerm: Term
        let index: Index
        let term: Term
        var received = 0
        /// The answer that waits: for the disk to keep up, or to be done.
        var call: UInt64?
        /// Known when all of it is in.
        var point: SnapshotPoint?

        init(_ chunk: SnapshotChunk) {
            senderTerm = chunk.term
            index = chunk.index
            term = chunk.indexTerm
        }
    }

    mutating func take(_ chunks: inout [SnapshotChunk], into effects: inout ReplicaEffects) {
        for chunk in chunks {
            if let result = take(chunk, into: &effects) {
                effects.snapshotReplies.append(SnapshotReply(call: chunk.call, result: result))
            }
        }
        chunks.clear()
    }

    /// The answer; nil when it has to wait.
    private mutating func take(_ chunk: SnapshotChunk, into effects: inout ReplicaEffects) -> SnapshotReply.Result? {
        if chunk.term < raft.term || raft.role == .leader { return .refused("its term is over") }
        // The leader's heartbeats bring its term; nothing is installed before that is durable.
        guard chunk.term == raft.term, raft.isTermDurable, chunk.indexTerm <= chunk.term else { return .wait }
        if chunk.index <= keyspace.appliedIndex { return .installed }
        if let current = incoming, current.index != chunk.index || current.term != chunk.indexTerm {
            if current.point != nil { return .wait }
            giveUpInstalling("a newer snapshot came", into: &effects)
        }
        if incoming == nil {
            // What found no space is not written again and again as fast as it comes.
            guard now >= snapshotRetryAt else { return .refused("the disk is full") }
            guard chunk.offset == 0 else { return .next(offset: 0) }
            guard makeRoomForSnapshot() else { return .wait }
            incoming = Incoming(chunk)
            incomingDecoder = SnapshotDecoder()
            storage.beginSnapshot(index: chunk.index, term: chunk.indexTerm)
        }
        guard let current = incoming else { return .next(offset: 0) }
        if current.point != nil {
            // Asked again by a leader that lost the answer.
            if let call = current.call { effects.snapshotReplies.append(SnapshotReply(call: call, result: .wait)) }
            incoming.update { $0.call = chunk.call }
            return nil
        }
        guard chunk.offset == current.received else { return .next(offset: current.received) }
        return takeIn(chunk, into: &effects)
    }

    private mutating func takeIn(_ chunk: SnapshotChunk, into effects: inout ReplicaEffects) -> SnapshotReply.Result? {
        do throws(SnapshotFault) {
            try incomingDecoder?.feed(chunk.data)
            incoming.update {
                $0.received += chunk.data.count
                $0.senderTerm = chunk.term
            }
            if chunk.isLast { try complete() }
        } catch {
            giveUpInstalling("", into: &effects)
            return .refused("\(error)")
        }
        storage.appendToSnapshot(chunk.data)
        if chunk.isLast { storage.finishSnapshot() }
        incoming.update { $0.call = chunk.call }
        return nil
    }

    /// What came in must be what was announced.
    private mutating func complete() throws(SnapshotFault) {
        guard let current = incoming, let head = incomingDecoder?.head, head.index == current.index,
            head.term == current.term, var decoder = incomingDecoder.take()
        else {
            throw .damaged(at: 0, "it is not the snapshot that was announced")
        }
        let configuration: Configuration
        do { configuration = try Configuration(decoding: head.configuration) } catch {
            throw .damaged(at: 0, "its configuration cannot be read")
        }
        incomingKeyspace = try decoder.finish()
        let point = SnapshotPoint(
            index: head.index, term: head.term,
            configuration: PlacedConfiguration(index: head.configurationIndex, configuration: configuration),
            timeMs: head.timeMs)
        incoming.update { $0.point = point }
    }

    /// A leader's snapshot goes before one's own; and none is begun while what was written of that is taken away, or the
    /// leader's would find the next one in its way each time that it asks again.
    private mutating func makeRoomForSnapshot() -> Bool {
        if snapshotting != nil {
            snapshotting = nil
            storage.abandonSnapshot()
        }
        ownSnapshotAt = now + limits.snapshotYield
        return !storage.isWritingSnapshot
    }

    /// Answers a chunk that was taken in, as soon as the disk has not too much to write.
    mutating func continueInstalling(into effects: inout ReplicaEffects) {
        guard let current = incoming, current.point == nil, let call = current.call,
            storage.snapshotBacklogBytes < limits.snapshotBacklogBytes
        else { return }
        incoming.update { $0.call = nil }
        effects.snapshotReplies.append(SnapshotReply(call: call, result: .next(offset: current.received)))
    }

    /// What entries have overtaken is of no use any more, and must not keep this member from taking its own.
    mutating func dropOvertakenSnapshot(into effects: inout ReplicaEffects) {
        guard let current = incoming, current.point == nil, current.index <= keyspace.appliedIndex else { return }
        incoming.update { $0.call = nil }
        if let call = current.call { effects.snapshotReplies.append(SnapshotReply(call: call, result: .installed)) }
        giveUpInstalling("", into: &effects)
    }

    mutating func giveUpInstalling(_ reason: String, into effects: inout ReplicaEffects) {
        guard incoming != nil else { return }
        if let call = incoming?.call {
            effects.snapshotReplies.append(SnapshotReply(call: call, result: .refused(reason)))
        }
        incoming = nil
        incomingDecoder = nil
        incomingKeyspace = nil
        storage.abandonSnapshot()
    }

    /// It is durable: now it takes the place of what was.
    mutating func finishInstalling(_ index: Index, into effects: inout ReplicaEffects) {
        guard let current = incoming, current.index == index, let point = current.point,
            let installed = incomingKeyspace.take()
        else { return }
        incoming = nil
        if let call = current.call { effects.snapshotReplies.append(SnapshotReply(call: call, result: .installed)) }
        // It may have been overtaken by entries meanwhile.
        if point.index > keyspace.appliedIndex || limits.sabotage == .olderSnapshotInstalled {
            effects.released = keyspace.frozen()
            let isDigested = keyspace.digested != nil
            keysInSnapshot = installed.count
            nextSnapshotIndex = nil
            keyspace = installed
            // Writes of a leader that was, committed and not yet applied: they are in it, with what answer nobody can tell.
            while let write = proposed.first, write.index <= point.index {
                proposed.removeFirst()
                answer(write.id, size: write.size, .failed(.leadershipLost), into: &effects)
            }
            if isDigested { keyspace.startDigest() }
        }
        if point.index > raft.commitIndex {
            input.installed = InstalledSnapshot(point: point, senderTerm: current.senderTerm)
        } else {
            input.tookSnapshot = point
        }
        cutLog(behind: point)
    }
}
