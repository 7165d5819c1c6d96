import Base
import EventLoop
import GRPC
import Logging
import Replica
import Wire

/// A snapshot on its way to another member (InstallSnapshot, dissertation figure 5.3): read from the disk and sent a piece at
/// a time, on a connection of its own, so that bulk never stands before heartbeats. The other side answers each piece,
/// and says where the next one begins; the one behind is read meanwhile. Two pieces are in memory at most.
///
/// Confined to the member's loop. Its end is told to the replica once, with `Turn.snapshotsSent`.
final class SnapshotSender: @unchecked Sendable {
    /// Its number among this member's, and that of its reads.
    let number: UInt64
    let send: SnapshotToSend
    private let name: String
    private unowned let member: Member
    private let channel: Channel
    private var stream: ClientStream?
    private var silence: EventLoop.Timer?
    private let startedAt: Instant

    /// Where the next piece begins.
    private var next = 0
    /// The one that was read and not sent.
    private var ahead: Piece?
    /// Where the one begins that is being read.
    private var reading: Int?
    /// The one that was sent and not answered.
    private var sent: Piece?
    private var bytesSent = 0

    private struct Piece {
        var offset: Int
        var bytes: Bytes
    }

    /// Bytes of one piece.
    static let pieceBytes = 512 << 10
    /// How long to wait after the other side said that it cannot take more yet.
    static let pause = Interval.milliseconds(10)
    /// A transfer of which nothing is heard for so long has failed.
    static let patience = Interval.seconds(30)

    init(_ send: SnapshotToSend, number: UInt64, to peer: Peer, of member: isolated Member) {
        self.send = send
        self.number = number
        self.member = member
        name = peer.name
        startedAt = member.loop.now
        let target = HostPort(peer.address) ?? HostPort(host: peer.address, port: 0)
        var options = Peer.options(member)
        options.staysConnected = false
        channel = Channel(loop: member.loop, host: target.host, port: target.port, options: options)
    }

    func begin(_ member: isolated Member) {
        let stream = channel.stream(.installSnapshot)
        self.stream = stream
        stream.onMessage = { [unowned self] span in self.member.assumeIsolated { answered(span, $0) } }
        stream.onEnd = { [weak self, unowned stream] status, _ in
            guard let self, self.stream === stream else { return }
            self.stream = nil
            self.member.assumeIsolated { self.end("the connection ended: \(status)", $0) }
        }
        let silence = EventLoop.Timer(member.loop) { [unowned self] in
            self.member.assumeIsolated { end("nothing was heard of it for too long", $0) }
        }
        self.silence = silence
        silence.start(after: Self.patience)
        advance(member)
    }

    /// Ends it without a word: the replica knows.
    func close() {
        silence?.close()
        silence = nil
        let stream = stream
        self.stream = nil
        stream?.cancel()
        channel.close()
    }

    // MARK: Pieces

    /// Sends and reads what there is to send and to read.
    private func advance(_ member: isolated Member) {
        if sent == nil, let piece = ahead, piece.offset == next {
            ahead = nil
            sent = piece
            next += piece.bytes.count
            bytesSent += piece.bytes.count
            post(piece, member)
        }
        guard ahead?.offset != next, reading == nil, next < send.length else { return }
        ahead = nil
        reading = next
        member.turn.snapshotReads.append(
            SnapshotRead(id: number, index: send.index, offset: next, count: min(Self.pieceBytes, send.length - next)))
    }

    /// What was read; nil when the file is gone.
    func take(_ bytes: Bytes?, _ member: isolated Member) {
        guard let offset = reading else { return }
        reading = nil
        guard let bytes, !bytes.isEmpty else { return end("a newer one has taken its place on the disk", member) }
        ahead = Piece(offset: offset, bytes: bytes)
        advance(member)
    }

    private func post(_ piece: Piece, _ member: isolated Member) {
        silence?.start(after: Self.patience)
        var header = member.header(to: send.to)
        header.term = send.term
        let chunk = Wire.SnapshotChunk(
            header: header, index: send.index, indexTerm: send.indexTerm, offset: UInt64(piece.offset),
            data: piece.bytes, isLast: piece.offset + piece.bytes.count == send.length)
        let message = member.codec.encode(chunk)
        if !member.send(.installSnapshot, to: send.to, { [weak self] in self?.stream?.send(message) }) { lost(member) }
    }

    /// A piece or its answer was lost on purpose: the transfer ends when a keepalive would have found its connection dead.
    private func lost(_ member: isolated Member) {
        OneShot(member.loop).start(after: Faults.silence) { [weak self] in
            guard let self else { return }
            self.member.assumeIsolated { self.connectionBroke($0) }
        }
    }

    func connectionBroke(_ member: isolated Member) {
        guard stream != nil else { return }
        end("its connection broke (a fault on purpose)", member)
    }

    private func answered(_ span: RawSpan, _ member: isolated Member) {
        guard member.hears(send.to) else { return lost(member) }
        silence?.start(after: Self.patience)
        let answer: Wire.SnapshotAnswer
        do throws(Wire.DecodeFailure) {
            answer = try member.codec.decodeSnapshotAnswer(span)
        } catch {
            return end("its answer cannot be read: \(error.message)", member)
        }
        switch answer.result {
        case .next(let offset):
            guard let offset = Int(exactly: offset), offset < send.length else {
                return end("it asks for what lies behind the end", member)
            }
            sent = nil
            next = offset
            advance(member)
        case .wait:
            OneShot(member.loop).start(after: Self.pause) { [weak self] in
                guard let self, stream != nil, let sent else { return }
                self.member.assumeIsolated { self.post(sent, $0) }
            }
        case .installed:
            let milliseconds = (member.loop.now - startedAt).nanoseconds / 1_000_000
            member.log.info(
                "\(name) has installed a snapshot",
                metadata: ["index": "\(send.index)", "bytes": "\(bytesSent)", "ms": "\(milliseconds)"])
            member.ended(self, installed: true)
        case .refused(let reason):
            end("it was refused: \(reason)", member)
        }
    }

    private func end(_ reason: String, _ member: isolated Member) {
        member.log.warning(
            "a snapshot for \(name) did not arrive: \(reason)",
            metadata: ["index": "\(send.index)", "bytes": "\(bytesSent)"])
        member.ended(self, installed: false)
    }
}
