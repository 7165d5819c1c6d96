import Base
import Keyspace
import Replica
import enum Keyspace.Operation

/// The clients of a run: each has one operation under way at most.
struct Clients {
    struct Pending {
        /// Which client.
        var slot: Int
        var member: Int
        var isWrite: Bool
        /// What the client asked for.
        var freshness: Freshness
        /// A clock leapt: it is judged as a local read.
        var isExcused = false
        var isLocal: Bool { freshness == .local || isExcused }
        /// What the member said, on its way to the client.
        var result: Answer.Result?
        /// The largest revision that anybody had seen when it began.
        var floor: UInt64
        /// The entry that carries it was committed.
        var isCommitted = false
        /// It was said not to be applied, now or ever.
        var isDenied = false
        /// Zero without a session: then it is asked once.
        var session: UInt64 = 0
        var sequence: UInt64 = 0
        /// How often it was asked.
        var attempts = 1
        /// An entry of it has changed something.
        var isApplied = false
        /// The client still waits.
        var isOpen = true
    }

    /// By number in the history.
    var pending: [Pending] = []
    /// The process number of each client, nil-less: a client that gave up goes on under a new one.
    var process: [Int]
    var idle: [Int]
    var nextProcess: Int
    var dice: SplitMix64
    private var choices: SplitMix64
    /// What the last operations wrote: each value is written once.
    private var lastValue = 0
    private let hot: [Bytes]
    private let cold: [Bytes]
    private let lists: [Bytes]
    private let workload: Workload
    /// The largest revision that any operation had seen when it ended.
    var seenRevision: UInt64 = 0
    /// By client, those that have one.
    var sessions: [Session?]
    /// When a write last succeeded.
    var lastWrite: UInt64 = 0
    /// The calm is nearly over: nobody begins anything any more.
    var haveStopped = false

    init(_ plan: Plan) {
        workload = plan.workload
        process = Array(0..<plan.workload.clients)
        idle = Array((0..<plan.workload.clients).reversed())
        nextProcess = plan.workload.clients
        sessions = Array(repeating: nil, count: plan.workload.clients)
        dice = SplitMix64(seed: Stream.clients.seed(of: plan.seed))
        choices = SplitMix64(seed: Stream.clients.seed(of: plan.seed, 1))
        hot = (0..<workload.hotKeys).map { Bytes(utf8: "h\($0)") }
        cold = (0..<workload.coldKeys).map { Bytes(utf8: "c\($0)") }
        lists = (0..<2).map { Bytes(utf8: "l\($0)") }
    }

    private mutating func key() -> Bytes {
        choices.next(below: 10) < 6
            ? hot[Int(choices.next(below: UInt64(hot.count)))] : cold[Int(choices.next(below: UInt64(cold.count)))]
    }

    private mutating func value() -> Bytes {
        lastValue += 1
        // Mostly short; some fill a sector, few are over the limit.
        let number = Bytes(utf8: "\(lastValue).")
        switch choices.next(below: 100) {
        case 0..<90: return number
        case 90..<99: return number.appending(Bytes([UInt8](repeating: 0x78, count: 100 + Int(choices.next(below: 300)))))
        default: return number.appending(Bytes([UInt8](repeating: 0x78, count: 600)))
        }
    }

    private mutating func item() -> Bytes {
        lastValue += 1
        return Bytes(utf8: "\(lastValue)")
    }

    /// What appends go to.
    var appended: [Bytes] { cold }

    private mutating func write() -> Operation {
        switch choices.next(below: 100) {
        case 0..<45: .set(key: key(), value: .data(value()))
        case 45..<70: .append(key: key(), suffix: value())
        case 70..<85: .delete(key: key())
        case 85..<90: .delete(key: lists[Int(choices.next(below: 2))])
        default: .appendItem(key: lists[Int(choices.next(below: 2))], item: value())
        }
    }

    private mutating func read() -> Operation {
        switch choices.next(below: 100) {
        case 0..<75: .get(key: key())
        case 75..<80: .get(key: lists[Int(choices.next(below: 2))])
        case 80..<95: .strlen(key: key())
        case 95..<98: .strlen(key: lists[Int(choices.next(below: 2))])
        default: .keys(prefix: "h", startAfter: Bytes(), limit: 0)
        }
    }

    /// What a client does next.
    mutating func command() -> (command: Command, freshness: Freshness) {
        if workload.isOfAppends {
            return (.single(.appendItem(key: cold[Int(choices.next(below: UInt64(cold.count)))], item: item())), .linearizable)
        }
        let kind = Int(choices.next(below: 100))
        if kind < workload.transactions {
            var operations: [Operation] = []
            for _ in 0..<2 + choices.next(below: 3) {
                operations.append(choices.next(below: 2) == 0 ? read() : write())
            }
            return (.transaction(operations), .linearizable)
        }
        if kind < workload.transactions + workload.reads {
            let command = Command.single(read())
            let kind = Int(choices.next(below: 100))
            if kind < workload.localReads { return (command, .local) }
            return (command, kind < workload.localReads + workload.leaseReads ? .lease : .linearizable)
        }
        return (.single(write()), .linearizable)
    }
}
