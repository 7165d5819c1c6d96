import Base
import Consensus
import Keyspace
import LogFormat

/// Some of the work of writing a snapshot. It needs nothing but itself, and so may be done on any thread.
public struct SnapshotWork: Sendable {
    /// Which snapshot it belongs to.
    let number: UInt64
    /// Nil when the work is done.
    private var encoder: SnapshotEncoder?
    private let bytes: Int

    init(number: UInt64, encoder: SnapshotEncoder, bytes: Int) {
        self.number = number
        self.encoder = encoder
        self.bytes = bytes
    }

    /// Encodes some more, once. O(`bytes`).
    ///
    /// Not `consuming`: what such a method changes on only one of its ways is never freed (Swift 6.3).
    public mutating func run() -> Done {
        guard var rest = encoder.take() else { preconditionFailure("the work was done before") }
        var chunks: [Bytes] = []
        var left = bytes
        while left > 0 {
            // With the encoder goes the frozen version, here and not on the loop.
            guard let chunk = rest.next() else { return Done(number: number, chunks: chunks, rest: nil) }
            chunks.append(chunk)
            left -= chunk.count
        }
        return Done(number: number, chunks: chunks, rest: rest)
    }

    public struct Done: Sendable {
        let number: UInt64
        let chunks: [Bytes]
        /// Nil when that was all.
        let rest: SnapshotEncoder?
    }
}

/// A snapshot to be sent to another member: the content of a file, read with `Turn.snapshotReads`. Its end is told with
/// `Turn.snapshotsSent`, unless leadership was lost before.
public struct SnapshotToSend: Sendable {
    public var token: SnapshotToken
    public var to: MemberID
    /// The leader's term, for every message.
    public var term: Term
    /// The last entry that it covers, and its term.
    public var index: Index
    public var indexTerm: Term
    /// Bytes of the content.
    public var length: Int
}

/// Asks for a piece of a snapshot's content: `ReplicaEffects.snapshotPieces`.
public struct SnapshotRead: Sendable {
    /// Chosen by the caller, and unique among those that are not answered.
    public var id: UInt64
    public var index: Index
    public var offset: Int
    public var count: Int

    public init(id: UInt64, index: Index, offset: Int, count: Int) {
        self.id = id
        self.index = index
        self.offset = offset
        self.count = count
    }
}

/// A piece that was asked for; nil when there is no such snapshot any more.
public struct SnapshotPiece: Sendable {
    public var id: UInt64
    public var bytes: Bytes?
}

/// A piece of a snapshot that came from a leader (InstallSnapshot, dissertation figure 5.3).
public struct SnapshotChunk: Sendable {
    /// For the answer; chosen by the caller.
    public var call: UInt64
    public var term: Term
    public var index: Index
    public var indexTerm: Term
    /// Where `data` begins in the content.
    public var offset: Int
    public var data: Bytes
    /// Nothing follows.
    public var isLast: Bool

    public init(
        call: UInt64, term: Term, index: Index, indexTerm: Term, offset: Int, data: Bytes, isLast: Bool
    ) {
        self.call = call
        self.term = term
        self.index = index
        self.indexTerm = indexTerm
        self.offset = offset
        self.data = data
        self.isLast = isLast
    }
}

/// The answer to a chunk.
public struct SnapshotReply: Sendable, Equatable {
    public enum Result: Sendable, Equatable {
        /// Go on from this byte: the next one, or where an earlier transfer broke off.
        case next(offset: Int)
        /// Not now: the same again in some ten milliseconds.
        case wait
        /// It is on the disk, or this member has more than it already.
        case installed
        /// It will not do; the leader has to begin anew, or is none any more.
        case refused(String)
    }
    public var call: UInt64
    public var result: Result
}
