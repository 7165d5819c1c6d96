import Base
import Consensus
import DequeModule
internal import LogFormat
import Replica
import Storage

/// One member: its process while there is one, its disk, its clock, and what waits for it.
final class SimulatedMember {
    enum Life: Equatable {
        case running
        /// Will be started again.
        case down
        /// Never again in this run: its disk was lost or is damaged, or an operator has stopped it.
        case out
        /// Not yet there: it joins later.
        case absent
    }

    /// A replica cannot be copied; a class can be absent.
    final class Process {
        private let place = UnsafeMutablePointer<Replica>.allocate(capacity: 1)

        init(_ replica: consuming Replica) { place.initialize(to: replica) }

        deinit {
            place.deinitialize(count: 1)
            place.deallocate()
        }

        /// Read where it stands: as a stored property, or yielded by an accessor, it is copied for each look at one of its
        /// own, thousands of bytes (Swift 6.3.1), which took a tenth of a run's time.
        var replica: Replica {
            unsafeAddress { UnsafePointer(place) }
            unsafeMutableAddress { place }
        }
    }

    /// A disk operation under way.
    struct Running {
        var operation: DiskOperation
        /// Its end waits until the disk no longer hangs.
        var isHeld = false
    }

    let number: Int
    let id: MemberID
    /// As the configuration knows it. Whoever takes another's place has its name and address.
    var name: String
    var address: String
    /// It knows no configuration until a leader tells it one.
    let isNewcomer: Bool
    let disk = SimulatedDisk()
    @exclusivity(unchecked) var clock: VirtualClock
    @exclusivity(unchecked) var life: Life
    @exclusivity(unchecked) var process: Process?
    /// Counts the starts, so that what was meant for an earlier one reaches nobody.
    @exclusivity(unchecked) var incarnation: UInt32 = 0
    @exclusivity(unchecked) var turn = Turn()
    @exclusivity(unchecked) var effects = ReplicaEffects()
    /// Of its last step, in exchange for the one before.
    @exclusivity(unchecked) var record: StepRecord? = StepRecord()

    // The loop
    @exclusivity(unchecked) var isTurnScheduled = false
    /// When the timer fires, on the run's time.
    @exclusivity(unchecked) var armedFor = UInt64.max
    /// Faults of pausing that are on.
    @exclusivity(unchecked) var pauses = 0
    @exclusivity(unchecked) var dice: SplitMix64
    @exclusivity(unchecked) var diskRandom: SplitMix64

    // The disk
    @exclusivity(unchecked) var operations: [Running?] = []
    /// When each lane is free again.
    @exclusivity(unchecked) var laneFree: [UInt64] = [0, 0, 0]
    @exclusivity(unchecked) var hangs = 0
    @exclusivity(unchecked) var slowness: [Int] = []
    var isFull = 0
    /// What its log and its hard state are known to hold durably.
    @exclusivity(unchecked) var durable = DurableState()

    /// The configurations of its log, oldest first, as the checkers know them. Never empty.
    @exclusivity(unchecked) var configurations: [KnownConfiguration] = []
    /// Its last campaigns, with the voters that it knew when each began.
    @exclusivity(unchecked) var campaigns: [(term: UInt64, voters: MemberSet)] = []
    /// Whom it keeps connections to, and the configuration that says so.
    @exclusivity(unchecked) var peers = MemberSet()
    @exclusivity(unchecked) var peersIndex: Index?
    /// Some of them are no members any more.
    @exclusivity(unchecked) var hasDepartingPeers = false

    /// Work that another thread does.
    var snapshotWork: SnapshotWork?

    // The requests
    @exclusivity(unchecked) var calls = Calls()
    /// Who led when writes were last passed on.
    @exclusivity(unchecked) var lastLeader: MemberID?

    /// Crashes after so many more effects. Nil: none is planned.
    @exclusivity(unchecked) var crashAfterEffects: Int?
    var plannedCrash: (power: Fault.PowerLoss?, down: Interval, isLoss: Bool)?
    /// How long it stays down when it ends by itself.
    var downTime = Interval.milliseconds(500)
    /// Faults of its disk that are to be undone when it starts again.
    var exitsWithLoss = false

    /// Of the last AppendEntries that arrived: who sent it, in which term.
    @exclusivity(unchecked) var lastWord: (from: MemberID, term: Term)?

    /// What it showed after its last step.
    @exclusivity(unchecked) var last = LastSeen()

    struct LastSeen {
        var role = Role.follower
        var term: Term = 0
        var commitIndex: Index = 0
        var appliedIndex: Index = 0
        /// Of the configuration that it went by; nil after a start.
        var configurationIndex: Int?
        /// When its own clock had a word from the leader of this term, before this turn.
        var heard: Instant?
        /// When it was first seen to lead without a vote.
        var retiring: (term: Term, since: UInt64)?
        /// What its disk has finished, since when, and when it last took a turn: of a leader that others have gone ahead of.
        var stuck: (durable: Index, since: UInt64, turn: UInt64) = (0, 0, 0)
        /// The largest revision that a local read was answered with in this start.
        var localRevision: UInt64 = 0
    }

    init(number: Int, isNewcomer: Bool, seed: UInt64) {
        self.number = number
        id = MemberID(UInt64(number))
        name = "n\(number)"
        address = "h:\(number)"
        self.isNewcomer = isNewcomer
        life = isNewcomer ? .absent : .down
        var clocks = SplitMix64(seed: Stream.clocks.seed(of: seed, number))
        clock = VirtualClock(
            own: clocks.next(below: 1 << 40), wallOffset: 1_700_000_000_000 + Int64(clocks.next(below: 2_000)))
        dice = SplitMix64(seed: Stream.members.seed(of: seed, number))
        diskRandom = SplitMix64(seed: Stream.disks.seed(of: seed, number))
    }

    var isUp: Bool { life == .running }
    var isPaused: Bool { pauses > 0 }
}

/// Who waits for an answer of a member, by request number: what `PendingCalls` is in a server.
struct Calls {
    enum Waiter {
        /// A client's operation, by its number in the history.
        case client(Int)
        /// One of the writes that a follower passed on together.
        case forwarded(ForwardedBatch, proposal: RequestID)
        /// A client that wants a session.
        case session(Int)
        /// An operator's errand, by its number.
        case errand(Int)
        /// Nobody.
        case nobody
    }

    private var waiters: [Waiter?] = []
    private var generations: [UInt32] = []
    private var free: [Int] = []
    private(set) var count = 0

    mutating func add(_ waiter: Waiter) -> RequestID {
        count += 1
        if let number = free.popLast() {
            waiters[number] = waiter
            return RequestID(UInt64(generations[number]) << 32 | UInt64(number))
        }
        waiters.append(waiter)
        generations.append(0)
        return RequestID(UInt64(waiters.count - 1))
    }

    /// Who waits for this answer; nil when nobody asked, or it was answered before.
    mutating func take(_ id: RequestID) -> Waiter? {
        let number = Int(id.rawValue & 0xffff_ffff)
        guard number < waiters.count, generations[number] == UInt32(truncatingIfNeeded: id.rawValue >> 32),
            let waiter = waiters[number]
        else { return nil }
        waiters[number] = nil
        generations[number] &+= 1
        free.append(number)
        count -= 1
        return waiter
    }

    /// Everyone who waits, in the order of their numbers.
    mutating func takeAll() -> [Waiter] {
        defer { self = Calls() }
        return waiters.compactMap { $0 }
    }
}

/// Writes that one follower passed on in one call: answered together, when each has its outcome.
final class ForwardedBatch {
    /// The connection of the follower that asked, and which one it was.
    let connection: Int
    let epoch: UInt32
    /// The follower's number of the call.
    let call: UInt64
    var waiting: Int
    var results: [Turn.ForwardResult] = []

    init(connection: Int, epoch: UInt32, call: UInt64, count: Int) {
        self.connection = connection
        self.epoch = epoch
        self.call = call
        waiting = count
    }
}
