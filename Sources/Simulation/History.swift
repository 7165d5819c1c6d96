public import Base
public import Keyspace

/// What clients asked for, when, and what they were told.
///
/// As text it is one JSON object a line (`History+Lines` writes it, `HistoryReader` reads it), in any order, the same
/// from simulated clients and from those of real processes:
///
///     {"process":3,"op":"append","key":"h1","arg":"17.","out":5,"start":1200,"end":3400,"ok":true,"rev":12}
///
/// - `process`: which client; it has one operation under way at a time, and one that does not know what became of a
///   write goes on under another number. An integer from 0.
/// - `op`, `key`, `arg`, `out`:
///
///       op           key     arg                               out, when it succeeded
///       ping         null    null                              null
///       get          a key   null                              the value, null when the key was missing
///       set          a key   the value                         null
///       strln        a key   null                              the length, 0 when the key was missing
///       del          a key   null                              the value that was there, or null
///       append       a key   what comes behind                 the length afterwards
///       append-item  a key   the item                          the number of items afterwards
///       keys         prefix  null, or {"after":K,"limit":N}    the keys, in byte order
///       transaction  null    [{"op":…,"key":…,"arg":…},…]      what each of them gave
///
///   A key or value is a string, a value that is a list an array of strings; bytes that are no text are written
///   `{"base64":"…"}`.
/// - `start`, `end`: nanoseconds on one clock that all processes share, before the request left and after its answer came.
/// - `ok`: true; or false: certainly not applied, now or ever; or null: nobody knows, it may take effect at any time after
///   its start, or never, and `end` and `out` are null. Of a failure `out` is null, or `{"operation":N,"holds":"data"}`
///   (or `"list"`): operation N (from 0) found its key to hold a value of the wrong kind.
/// - `rev`, which may be left out: the store's revision with this operation in it, of a read the revision of the store that
///   was read (and not the one that last changed its key). Of a write of unknown outcome: the revision that the log gave
///   it, for whoever looked there. It is tried there first, and may be anywhere.
/// - `local`, which may be left out: true for a read of whatever one member had, which may be old.
/// - `member`, which may be left out: who was asked, from 1.
///
/// Writes should write values that nobody else writes: a history in which all values look alike proves little, and takes
/// long to check.
public struct History: Sendable, Equatable {
    public enum Ending: UInt8, Sendable {
        /// Still open, or nobody will ever know: it may take effect at any time after its beginning, or never.
        case unknown
        /// `outcome` is what it did and saw.
        case ok
        /// Certainly not applied. `outcome` may tell why.
        case failed
    }

    public struct Operation: Sendable, Equatable {
        /// One client; one operation at a time.
        public var process: Int
        public var command: Command
        /// Before the request left. Like `end`, on one clock that all processes share.
        public var start: Instant
        /// After the answer came, or the client gave up; nil when it never did.
        public var end: Instant?
        public var ending = Ending.unknown
        /// Its revision is 0 when it was not told.
        public var outcome: Outcome?
        /// A read of one member's own state: sees any prefix of the history.
        public var isLocal = false
        /// The member that was asked, from 1; 0 when it was not told.
        public var member: Int
        /// Of a write of unknown outcome: the revision that the log has given it, for whoever can read the log; 0: not told.
        public var place: UInt64 = 0
    }

    public internal(set) var operations: [Operation] = []

    public init() {}

    /// An operation begins; its number.
    public mutating func invoke(
        process: Int, _ command: Command, member: Int = 0, isLocal: Bool = false, at start: Instant
    ) -> Int {
        operations.append(
            Operation(process: process, command: command, start: start, isLocal: isLocal, member: member))
        return operations.count - 1
    }

    public mutating func ok(_ number: Int, _ outcome: Outcome, at end: Instant) {
        operations[number].ending = .ok
        operations[number].outcome = outcome
        operations[number].end = end
    }

    /// `outcome`: when it failed because of what it found.
    public mutating func fail(_ number: Int, _ outcome: Outcome? = nil, at end: Instant) {
        operations[number].ending = .failed
        operations[number].outcome = outcome
        operations[number].end = end
    }

    /// A read that was to be linearizable as far as clocks can be trusted, when one could not.
    mutating func excuse(_ number: Int) { operations[number].isLocal = true }

    /// What the log says of a write whose outcome its client does not know.
    public mutating func place(_ number: Int, at revision: UInt64) {
        operations[number].place = revision
    }

    /// The same history when the log is believed: writes of unknown outcome took effect where it put them, and the others
    /// never did.
    public var resolved: History {
        var history = self
        for number in operations.indices where operations[number].ending == .unknown {
            history.operations[number].end = nil
            history.operations[number].ending = operations[number].place > 0 ? .ok : .failed
            history.operations[number].outcome = Outcome(revision: operations[number].place, result: .none)
        }
        return history
    }

    public mutating func unknown(_ number: Int, at end: Instant) {
        operations[number].ending = .unknown
        operations[number].end = end
    }
}
