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

    /// Where faults are counted: the kind without its parameters.
    public enum Kind: UInt8, Sendable, CaseIterable {
        case loss, delay, duplicate, reorder, partition, oneWay, isolate, flap, breakConnection, breakClients
        case crash, powerLoss, pause, drift, leap, setWallClock
        case syncFails, writeFails, full, slow, hang, wipe, bitFlip

        public var group: FaultGroups {
            switch self {
            case .loss, .delay, .duplicate, .reorder, .partition, .oneWay, .isolate, .flap, .breakConnection, .breakClients:
                .network
            case .crash, .pause, .drift, .leap, .setWallClock: .process
            case .powerLoss, .syncFails, .writeFails, .full, .slow, .hang, .wipe, .bitFlip: .disk
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
    public var members: [Int] { (0..<64).filter { contains($0) } }
    public var description: String { members.map { "n\($0)" }.joined(separator: ",") }
}

extension Fault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .loss(let link, let percent, let time): "\(link) loses \(percent)% for \(time.shown)"
        case .delay(let link, let most, let time): "\(link) takes up to \(most.shown) longer for \(time.shown)"
        case .duplicate(let link, let percent, let time): "\(link) doubles \(percent)% for \(time.shown)"
        case .reorder(let link, let most, let time): "\(link) reorders by up to \(most.shown) for \(time.shown)"
        case .partition(let side, let held, let time):
            "\(side) and the others are parted\(held ? ", messages held up," : "") for \(time.shown)"
        case .oneWay(let link, let held, let time): "\(link) is dead\(held ? ", messages held up," : "") for \(time.shown)"
        case .isolate(let member, let held, let time):
            "n\(member) is cut off\(held ? ", messages held up," : "") for \(time.shown)"
        case .flap(let link, let period, let time): "\(link) flaps every \(period.shown), both ways, for \(time.shown)"
        case .breakConnection(let link): "the connection \(link) breaks"
        case .breakClients(let member): "the clients of n\(member) lose their connections"
        case .crash(let member, let effects, let power, let down):
            "n\(member) \(power.map { "loses power, keeps \($0.words) of what was not synced," } ?? "is killed") after \(effects) effects, starts again \(down.shown) later"
        case .pause(let member, let time): "n\(member) stands still for \(time.shown)"
        case .drift(let member, let millionths, let time): "n\(member)'s clock drifts by \(millionths) ppm for \(time.shown)"
        case .leap(let member, let time): "n\(member)'s clock leaps ahead by \(time.shown)"
        case .setWallClock(let member, let change): "n\(member)'s wall clock is set by \(change) ms"
        case .syncFails(let member, let after, let down): "a sync of n\(member) fails, after \(after) more; down for \(down.shown)"
        case .writeFails(let member, let after, let down): "a write of n\(member) fails, after \(after) more; down for \(down.shown)"
        case .full(let member, let room, let time): "n\(member)'s disk has \(room) bytes left for \(time.shown)"
        case .slow(let member, let times, let time): "n\(member)'s disk is \(times) times slower for \(time.shown)"
        case .hang(let member, let time): "n\(member)'s disk hangs for \(time.shown)"
        case .wipe(let member): "n\(member) loses its disk"
        case .bitFlip(let member, let place, let down): "bits flip \(place.words) of n\(member), down for \(down.shown)"
        }
    }
}

extension Fault.PowerLoss {
    var words: String {
        switch self {
        case .everything: "nothing"
        case .someSectors: "some sectors"
        case .atSomeByte: "a part"
        }
    }
}

extension Fault.FlipPlace {
    var words: String {
        switch self {
        case .middle: "in the midst of the log"
        case .end: "at the end of the log"
        case .state: "in the term and vote"
        }
    }
}
