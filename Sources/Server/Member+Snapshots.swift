import Base
import Consensus
import EventLoop
import GRPC
import Replica
import Wire

// Snapshots (dissertation chapter 5): encoded on a thread of their own, sent to members that lag, taken from a leader.
extension Member {
    /// What the replica wants done about snapshots after a turn.
    func obeyAboutSnapshots() {
        if effects.snapshotWork != nil {
            // What a piece of work is the last to hold of the frozen version is freed on the thread, not on the loop.
            let taken = encoders.submit(taking: &effects.snapshotWork)
            precondition(taken, "the replica hands out one piece of work at a time")
        }
        for send in effects.snapshotsToSend { begin(send) }
        for piece in effects.snapshotPieces { senders[piece.id]?.take(piece.bytes, self) }
        for reply in effects.snapshotReplies { give(reply) }
        if let released = effects.released.take() { loop.letGo(of: released) }
        if !senders.isEmpty { endObsoleteSenders() }
    }

    static func encoders(on loop: Loop, _ done: @escaping (SnapshotWork.Done) -> Void) -> SnapshotEncoders {
        SnapshotEncoders(
            loop, name: "snapshot", urgency: .background, capacity: 2,
            work: { $0.run() }, onOutcomes: { for outcome in $0 { done(outcome) } })
    }

    // MARK: To others

    private func begin(_ send: SnapshotToSend) {
        guard let peer = peers[send.to], peer.isGreeted else {
            return turn.snapshotsSent.append(SnapshotSent(token: send.token, installed: nil))
        }
        lastSender += 1
        let sender = SnapshotSender(send, number: lastSender, to: peer, of: self)
        senders[lastSender] = sender
        sender.begin(self)
    }

    /// Each is told once: what ended is not found again.
    func ended(_ sender: SnapshotSender, installed: Bool) {
        sender.close()
        guard senders.removeValue(forKey: sender.number) != nil else { return }
        turn.snapshotsSent.append(
            SnapshotSent(token: sender.send.token, installed: installed ? sender.send.index : nil))
    }

    /// Whoever leads no more, or again, has nothing to send in its old term: the replica waits for no word of it.
    private func endObsoleteSenders() {
        for (number, sender) in senders where replica.role != .leader || replica.term != sender.send.term {
            sender.close()
            senders[number] = nil
        }
    }

    // MARK: From a leader

    /// A leader's stream of pieces, each of which is answered before the next one comes.
    func acceptSnapshot(_ call: ServerCall) {
        call.onMessage = { [unowned self] span in
            do throws(Wire.DecodeFailure) {
                take(try codec.decodeSnapshotChunk(span), from: call)
            } catch {
                call.fail(error)
            }
        }
        call.onCancel = { [unowned self] in forgetSnapshot(call) }
        call.onHalfClose = { [unowned self] in
            forgetSnapshot(call)
            call.finish()
        }
    }

    private func take(_ chunk: Wire.SnapshotChunk, from call: ServerCall) {
        guard accepts(chunk.header, call) else { return answerInVain(call) }
        guard !snapshotCalls.values.contains(where: { $0.call === call }) else {
            return call.fail(Status(.resourceExhausted, "the piece before this one was not answered yet"))
        }
        guard let offset = Int(exactly: chunk.offset) else {
            return call.fail(Status(.invalidArgument, "no snapshot is that large"))
        }
        lastSnapshotCall += 1
        snapshotCalls[lastSnapshotCall] = (call, chunk.header.from)
        turn.snapshotChunks.append(
            SnapshotChunk(
                call: lastSnapshotCall, term: chunk.header.term, index: chunk.index, indexTerm: chunk.indexTerm,
                offset: offset, data: chunk.data, isLast: chunk.isLast))
    }

    private func forgetSnapshot(_ call: ServerCall) {
        for (number, waiting) in snapshotCalls where waiting.call === call { snapshotCalls[number] = nil }
    }

    private func give(_ reply: SnapshotReply) {
        guard let waiting = snapshotCalls.removeValue(forKey: reply.call) else { return }
        let result: Wire.SnapshotAnswer.Result =
            switch reply.result {
            case .next(let offset): .next(offset: UInt64(offset))
            case .wait: .wait
            case .installed: .installed
            case .refused(let reason): .refused(reason)
            }
        let answer = codec.encode(Wire.SnapshotAnswer(header: header(to: waiting.from), result: result))
        let call = waiting.call
        if !send(.installSnapshotResponse, to: waiting.from, { call.send(answer) }) { answerInVain(call) }
    }
}

typealias SnapshotEncoders = WorkerThread<SnapshotWork, SnapshotWork.Done>
