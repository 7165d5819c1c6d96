import Base
import EventLoop
import GRPC
import Keyspace
import LogFormat
import Replica
import Wire

/// The answer to Backup: one moment of the store, encoded on libuv's pool a piece at a time and sent as fast as the client
/// reads. Beside the frozen version, which shares with the store all that has not changed since, a few pieces are in memory.
///
/// Confined to the member's loop.
final class BackupStream: @unchecked Sendable {
    /// Bytes of one piece, but for its head.
    static let pieceBytes = 128 << 10
    /// Backups of one member at a time: what changes meanwhile is kept twice, for as long as the slowest takes.
    static let limit = 2
    /// A client that has not read for so long is given up.
    static let patience = Interval.seconds(60)

    private let call: ServerCall
    private unowned let member: Member
    /// Nil while a piece is being encoded, and at the end.
    private var encoder: BackupEncoder?
    private var impatience: EventLoop.Timer?
    private var hasEnded = false

    init(_ call: ServerCall, of member: Member) {
        self.call = call
        self.member = member
    }

    /// The encoder goes on to the pool and comes back with a piece; nil at its end, and then the frozen version has gone.
    private struct Encoded: Sendable {
        var piece: Bytes?
        var rest: BackupEncoder?

        init(_ encoder: consuming BackupEncoder) {
            piece = encoder.next()
            rest = piece == nil ? nil : encoder
        }
    }

    func receive(_ result: Answer.Result, _ member: isolated Member) {
        switch result {
        case .frozen(let keyspace):
            // Its term may be out of the log by now, when a snapshot has just been installed.
            guard !call.isClosed, let content = member.replica.encoder(of: keyspace, chunkBytes: Self.pieceBytes) else {
                end(Status(.unavailable, "this member has just got a new state: try again"))
                return member.loop.letGo(of: keyspace)
            }
            encoder = BackupEncoder(
                content, cluster: member.cluster, member: member.identity.member, takenMs: wallMilliseconds())
            // The call keeps this alive from here on.
            call.onCancel = { self.end(nil) }
            call.onWritable = { self.member.assumeIsolated { self.advance($0) } }
            let impatience = EventLoop.Timer(member.loop) { [unowned self] in
                end(Status(.resourceExhausted, "nothing was read for \(Self.patience.milliseconds / 1000) seconds"))
            }
            self.impatience = impatience
            advance(member)
        case .failed(let failure):
            hasEnded = true
            member.backups -= 1
            call.fail(failure)
        case .outcome, .log, .leadershipTransferred, .members:
            preconditionFailure("a backup got the answer to another kind of request")
        }
    }

    /// Has the next piece encoded, when there is room for it.
    private func advance(_ member: isolated Member) {
        guard !hasEnded, call.isWritable, let encoder = encoder.take() else { return }
        impatience?.stop()
        let isUnderWay = member.loop.work({ Encoded(encoder) }) { [self] encoded in
            self.member.assumeIsolated { send(encoded, $0) }
        }
        if !isUnderWay { send(Encoded(encoder), member) }
    }

    private func send(_ encoded: Encoded, _ member: isolated Member) {
        guard !hasEnded else {
            if let rest = encoded.rest { member.loop.letGo(of: rest) }
            return
        }
        guard let piece = encoded.piece, let rest = encoded.rest else { return end(.ok) }
        encoder = rest
        call.send(member.codec.encode(
            Wire.BackupPiece(
                data: piece, keys: UInt64(rest.keysGiven), totalKeys: UInt64(rest.keyCount), index: rest.head.index)))
        impatience?.start(after: Self.patience)
        advance(member)
    }

    /// `status` nil: the client has gone.
    private func end(_ status: Status?) {
        guard !hasEnded else { return }
        hasEnded = true
        impatience?.close()
        impatience = nil
        member.assumeIsolated { member in
            member.backups -= 1
            if let encoder = encoder.take() { member.loop.letGo(of: encoder) }
        }
        guard let status, !call.isClosed else { return }
        if status.code == .ok { call.finish() } else { call.fail(status) }
    }
}

extension Member {
    func beginBackup(_ call: ServerCall) {
        guard backups < BackupStream.limit else {
            return call.fail(
                Status(.resourceExhausted, "this member has \(BackupStream.limit) backups under way: ask another, or later"))
        }
        backups += 1
        ask(.freeze(.linearizable), deadline: call.deadline, for: .backup(BackupStream(call, of: self)))
    }
}
