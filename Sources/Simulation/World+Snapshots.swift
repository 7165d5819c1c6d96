import Base
import Consensus
import Replica

/// A snapshot on its way from one member to another: read, sent and answered piece by piece.
struct Transfer {
    var connection: Int
    var from: Int
    /// Of the sender: another one knows nothing of it.
    var incarnation: UInt32
    var send: SnapshotToSend
    /// Of the piece that is being read, or sent.
    var offset = 0
    var data = Bytes()
}

// What a member has to do with snapshots beside its replica.
extension World {
    /// How much of a snapshot travels at a time.
    private static let pieceBytes = 700

    func carrySnapshots(of member: SimulatedMember) {
        if let work = member.effects.snapshotWork {
            member.snapshotWork = work
            queue.add(
                .work, at: now + 200_000 + member.dice.next(below: 5_000_000), member: member.number,
                incarnation: member.incarnation)
        }
        for send in member.effects.snapshotsToSend {
            let connection = connection(of: member.number, to: Int(send.to.rawValue))
            transfers.append(
                Transfer(connection: connection, from: member.number, incarnation: member.incarnation, send: send))
            note(member.number, "sends snapshot \(send.index) to n\(send.to.rawValue), transfer \(transfers.count - 1)")
            readPiece(transfers.count - 1, at: 0)
        }
        for piece in member.effects.snapshotPieces { sendPiece(Int(piece.id), piece.bytes) }
        for reply in member.effects.snapshotReplies {
            // The call's connection: back the way it came.
            guard let transfer = transfers[Int(reply.call)] else { continue }
            post(.chunkAnswer(reply), on: transfer.connection, isForth: false)
        }
    }

    /// A piece of the work that another thread does is done.
    func endWork(_ member: SimulatedMember) {
        guard var work = member.snapshotWork else { return }
        member.snapshotWork = nil
        member.turn.snapshotWork = work.run()
        wake(member)
    }

    private func readPiece(_ number: Int, at offset: Int) {
        guard let transfer = transfers[number] else { return }
        transfers[number]?.offset = offset
        let sender = members[transfer.from - 1]
        sender.turn.snapshotReads.append(
            SnapshotRead(id: UInt64(number), index: transfer.send.index, offset: offset, count: Self.pieceBytes))
        wake(sender)
    }

    private func sendPiece(_ number: Int, _ bytes: Bytes?) {
        guard let bytes else { return end(transfer: number, installed: nil) }
        transfers[number]?.data = bytes
        guard let transfer = transfers[number] else { return }
        guard connections[transfer.connection].isUp else { return end(transfer: number, installed: nil) }
        let chunk = SnapshotChunk(
            call: UInt64(number), term: transfer.send.term, index: transfer.send.index,
            indexTerm: transfer.send.indexTerm, offset: transfer.offset, data: bytes,
            isLast: transfer.offset + bytes.count == transfer.send.length)
        post(.chunk(chunk), on: transfer.connection, isForth: true)
    }

    /// A piece arrives: some snapshots are broken off here.
    func countPiece(of number: Int, to receiver: SimulatedMember) {
        guard let place = installationEnds.firstIndex(where: { $0.receiver == receiver.number && !$0.end.manner.isLate }),
            let transfer = transfers[number]
        else { return }
        installationEnds[place].end.afterPieces -= 1
        guard installationEnds[place].end.afterPieces <= 0 else { return }
        let end = installationEnds.remove(at: place).end
        hash.fold(now, 10 << 8 | receiver.number, UInt64(number))
        note(receiver.number, turningPoint: true, "snapshot, transfer \(number): \(end.manner.words)")
        switch end.manner {
        case .connectionBreaks: breakConnection(transfer.connection)
        case .senderDies(let power): crash(members[transfer.from - 1], power, down: .milliseconds(400))
        case .receiverDies(let power, let effects):
            receiver.crashAfterEffects = effects
            receiver.plannedCrash = (power, .milliseconds(300), false)
        case .receiverDiesWithIt: preconditionFailure("it waits for no piece")
        }
    }

    /// A snapshot of another member has its name.
    func snapshotIsNamed(_ receiver: SimulatedMember) {
        guard receiver.process?.replica.isInstalling == true,
            let place = installationEnds.firstIndex(where: { $0.receiver == receiver.number && $0.end.manner.isLate }),
            case .receiverDiesWithIt(let power, let effects) = installationEnds[place].end.manner
        else { return }
        installationEnds.remove(at: place)
        receiver.crashAfterEffects = effects
        receiver.plannedCrash = (power, .milliseconds(300), false)
    }

    /// The receiver answered a piece.
    func heard(_ reply: SnapshotReply) {
        let number = Int(reply.call)
        guard let transfer = transfers[number] else { return }
        switch reply.result {
        case .next(let offset): readPiece(number, at: offset)
        case .wait: queue.add(.sendAgain, at: now + 10_000_000, number: number)
        case .installed:
            statistics.snapshotsInstalled += 1
            end(transfer: number, installed: transfer.send.index)
        case .refused: end(transfer: number, installed: nil)
        }
    }

    func sendAgain(_ number: Int) {
        if let transfer = transfers[number] { sendPiece(number, transfer.data) }
    }

    private func end(transfer number: Int, installed: Index?) {
        guard let transfer = transfers[number] else { return }
        transfers[number] = nil
        let sender = members[transfer.from - 1]
        guard sender.incarnation == transfer.incarnation, sender.isUp else { return }
        sender.turn.snapshotsSent.append(SnapshotSent(token: transfer.send.token, installed: installed))
        wake(sender)
    }

    /// A connection broke: nothing that was on it goes on.
    func endTransfers(on connection: Int) {
        for number in transfers.indices.suffix(64) where transfers[number]?.connection == connection {
            end(transfer: number, installed: nil)
        }
    }
}

extension Fault.InstallationEnd.Manner {
    /// Whether it comes when all pieces are in.
    fileprivate var isLate: Bool { if case .receiverDiesWithIt = self { true } else { false } }
}
