public import Base

/// Something that goes wrong. Members are numbered from 1. A fault that lasts names its own end.
public enum Fault: Sendable, Equatable {
    // Network
    /// Messages from one member to another get lost, so many of a hundred.
    case loss(Link, percent: Int, lasting: Interval)
    /// Messages take up to so much longer; their order stays.
    case delay(Link, upTo: Interval, lasting: Interval)
    /// Messages arrive twice, so many of a hundred, the second time up to a second later.
    case duplicate(Link, percent: Int, lasting: Interval)
    /// Messages overtake each other: each takes up to so much longer on its own.
    case reorder(Link, upTo: Interval, lasting: Interval)
    /// The members of `side` and the others hear nothing of each other. When `held`, what was sent comes when it ends.
    case partition(side: MemberSet, held: Bool, lasting: Interval)
    /// One direction is dead.
    case oneWay(Link, held: Bool, lasting: Interval)
    /// A member hears nobody and nobody hears it.
    case isolate(Int, held: Bool, lasting: Interval)
    /// A link comes and goes, both ways.
    case flap(Link, period: Interval, lasting: Interval)
    /// The connection by which `Link.from` speaks to `Link.to` dies, half-way through what is on it.
    case breakConnection(Link)
    /// All clients of a member lose their connections; what they asked for goes on.
    case breakClients(Int)

    // Processes
    /// The process is killed: after so many effects of its next turn, or at once. What was not synced stays with the
    /// kernel, unless the power fails too.
    case crash(Int, afterEffects: Int, power: PowerLoss?, down: Interval)
    /// The process stands still, time goes on.
    case pause(Int, lasting: Interval)
    /// Its clocks run faster or slower, by so many millionths.
    case drift(Int, millionths: Int, lasting: Interval)
    /// Its monotonic clock leaps ahead.
    case leap(Int, Interval)
    /// Its wall clock is set, forth or back.
    case setWallClock(Int, milliseconds: Int)

    // Disks
    /// One of its next syncs fails, and with it what was not synced may be lost. The process ends; it is started again.
    case syncFails(Int, afterSyncs: Int, down: Interval)
    /// One of its next writes fails.
    case writeFails(Int, afterWrites: Int, down: Interval)
    /// There is so much space left and no more, in bytes.
    case full(Int, room: Int, lasting: Interval)
    /// Each operation takes so many times as long.
    case slow(Int, times: Int, lasting: Interval)
    /// No operation ends.
    case hang(Int, lasting: Interval)
    /// The machine gets an empty disk. The member must not come back with it.
    case wipe(Int)
    /// Some bits of what was synced change while the process is down.
    case bitFlip(Int, FlipPlace, down: Interval)

    // The life of a cluster: members that come and go, snapshots, leadership that is handed over
    /// A new member starts with an empty disk, and an operator has it added: as a voter, or as a learner that stays one.
    case addServer(Int, learner: Bool)
    /// An operator has a member removed; nil: whoever leads. It is told, goes on, and when `stopped` ends some time later.
    case removeServer(Int?, stopped: Bool)
    /// A voter is made a learner, or a learner a voter.
    case setVoting(Int, Bool)
    /// A member's machine gets an empty disk. An operator has it removed, and another added under its name and address.
    case replace(Int, by: Int)
    /// The next leader that appends a configuration is struck in that very moment.
    case strikeChange(Blow)
    /// An operator has leadership handed over, to whoever is furthest behind when it is nil; the receiver is struck.
    case transfer(to: Int?, Blow?)
    /// A member takes a snapshot now, and is perhaps killed while it does.
    case snapshot(Int, killed: Interval?)
    /// A member is cut off until the others have cut their logs behind a snapshot, and so is sent one, which is perhaps
    /// broken off.
    case fallBehind(Int, lasting: Interval, InstallationEnd?)
    /// Some bits of a member's newest snapshot change while it runs: whoever is sent it must notice, and so must itself
    /// when it starts again, so much later.
    case rot(Int, lasting: Interval)

    /// What a failing power does to writes that were not synced.
    public enum PowerLoss: UInt8, Sendable, Equatable, CaseIterable {
        /// All of them are lost.
        case everything
        /// Each sector is there or is not.
        case someSectors
        /// They are there up to some byte, and not from there on.
        case atSomeByte
    }

    public enum FlipPlace: UInt8, Sendable, Equatable, CaseIterable {
        /// In the midst of the log: later frames follow.
        case middle
        /// In the last frame.
        case end
        /// In the file of term and vote.
        case state
    }

    /// What befalls a member in a moment that the run decides.
    public enum Blow: Sendable, Equatable {
        case cutOff(Interval)
        case pause(Interval)
        /// After so many more effects.
        case kill(afterEffects: Int, power: PowerLoss?)
        /// It loses its disk, after so many more effects.
        case lose(afterEffects: Int)
    }

    /// How a snapshot on its way is broken off, after so many pieces.
    public struct InstallationEnd: Sendable, Equatable {
        public enum Manner: Sendable, Equatable {
            case connectionBreaks
            case senderDies(PowerLoss?)
            /// After so many more effects.
            case receiverDies(PowerLoss?, afterEffects: Int)
            /// As soon as its disk has the snapshot under its name, however many pieces it was.
            case receiverDiesWithIt(PowerLoss?, afterEffects: Int)
        }
        public var afterPieces: Int
        public var manner: Manner
    }

    /// Where faults are counted: the kind without its parameters.
    public enum Kind: UInt8, Sendable, CaseIterable {
        case loss, delay, duplicate, reorder, partition, oneWay, isolate, flap, breakConnection, breakClients
        case crash, powerLoss, pause, drift, leap, setWallClock
        case syncFails, writeFails, full, slow, hang, wipe, bitFlip
        case addServer, removeServer, setVoting, replace, strikeChange, transfer, snapshot, fallBehind, rot

        public var group: FaultGroups {
            switch self {
            case .loss, .delay, .duplicate, .reorder, .partition, .oneWay, .isolate, .flap, .breakConnection, .breakClients:
                .network
            case .crash, .pause, .drift, .leap, .setWallClock: .process
            case .powerLoss, .syncFails, .writeFails, .full, .slow, .hang, .wipe, .bitFlip: .disk
            case .addServer, .removeServer, .setVoting, .replace, .strikeChange, .transfer, .snapshot, .fallBehind, .rot:
                .membership
            }
        }
    }

    public var kind: Kind {
        switch self {
        case .loss: .loss
        case .delay: .delay
        case .duplicate: .duplicate
        case .reorder: .reorder
        case .partition: .partition
        case .oneWay: .oneWay
        case .isolate: .isolate
        case .flap: .flap
        case .breakConnection: .breakConnection
        case .breakClients: .breakClients
        case .crash(_, _, let power, _): power == nil ? .crash : .powerLoss
        case .pause: .pause
        case .drift: .drift
        case .leap: .leap
        case .setWallClock: .setWallClock
        case .syncFails: .syncFails
        case .writeFails: .writeFails
        case .full: .full
        case .slow: .slow
        case .hang: .hang
        case .wipe: .wipe
        case .bitFlip: .bitFlip
        case .addServer: .addServer
        case .removeServer: .removeServer
        case .setVoting: .setVoting
        case .replace: .replace
        case .strikeChange: .strikeChange
        case .transfer: .transfer
        case .snapshot: .snapshot
        case .fallBehind: .fallBehind
        case .rot: .rot
        }
    }
}

/// One direction between two members.
public struct Link: Sendable, Hashable, CustomStringConvertible {
    public var from: Int
    public var to: Int
    public init(from: Int, to: Int) {
        self.from = from
        self.to = to
    }
    public var description: String { "n\(from)→n\(to)" }
}

/// Some of at most 63 members.
public struct MemberSet: Sendable, Hashable, CustomStringConvertible {
    public var bits: UInt64
    public init(bits: UInt64 = 0) { self.bits = bits }
    public init(_ members: [Int]) {
        bits = 0
        for member in members { insert(member) }
    }
    public mutating func insert(_ member: Int) { bits |= 1 << UInt64(member) }
    public mutating func remove(_ member: Int) { bits &= ~(1 << UInt64(member)) }
    public func contains(_ member: Int) -> Bool { bits & 1 << UInt64(member) != 0 }
    public var count: Int { bits.nonzeroBitCount }
    /// How many of the others are among these.
    func count(of others: MemberSet) -> Int { (bits & others.bits).nonzeroBitCount }
    func without(_ others: MemberSet) -> MemberSet { MemberSet(bits: bits & ~others.bits) }
    public var members: [Int] { (0..<64).filter { contains($0) } }
    public var description: String { members.map { "n\($0)" }.joined(separator: ",") }
}
