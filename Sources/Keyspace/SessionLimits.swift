import Base

/// What bounds the sessions (dissertation 6.3). It travels in the entry that opens one, and is judged by what the
/// log says alone: a limit that each process knew by itself would make members differ.
public struct SessionLimits: Sendable, Equatable {
    /// How many sessions there may be; to open one more closes the one that was not used for longest.
    public var sessions: UInt64 = 4096
    /// A session that no entry of the log has used for so long, by the log's own time, is closed. In milliseconds.
    public var idleMs: UInt64 = 30 * 60 * 1000
    /// How many sequences behind its newest a session still remembers: a client may have so many requests under way.
    public var window: UInt64 = 256
    /// How many bytes the answers of all sessions may take, beside those that need none (a `set`'s, an `append`'s). Beyond
    /// it, the sessions that were not used for longest forget theirs.
    public var answerBytes: UInt64 = 64 << 20

    public init() {}

    /// What no entry can exceed, whatever it says. Part of what version 1 means.
    public static let ceilings = (
        sessions: 65_536 as UInt64, idleMs: 10 * 366 * 86_400_000 as UInt64, window: 4096 as UInt64,
        answerBytes: 1 << 30 as UInt64
    )

    /// What this program writes into `Entry.version` of an entry that opens a session.
    public static let version: UInt64 = 1

    /// Version 1: four varints.
    public func encode(headroom: Int = Entry.headroom) -> Bytes {
        var writer = ByteWriter(capacity: 40, headroom: headroom)
        for number in [sessions, idleMs, window, answerBytes] { writer.writeVarint(number) }
        return writer.finish()
    }

    /// Any bytes at all are safe to pass. Numbers out of range are taken for the nearest in it.
    public init(decoding bytes: Bytes, version: UInt64) throws(Command.Failure) {
        guard version == Self.version else { throw .unknownVersion(version) }
        var fields = FieldReader(bytes)
        sessions = min(max(1, try fields.number()), Self.ceilings.sessions)
        idleMs = min(max(1, try fields.number()), Self.ceilings.idleMs)
        window = min(max(1, try fields.number()), Self.ceilings.window)
        answerBytes = min(try fields.number(), Self.ceilings.answerBytes)
        guard fields.remaining == 0 else { throw .tooLong(at: fields.offset) }
    }
}
