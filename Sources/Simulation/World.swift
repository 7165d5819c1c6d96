import Base
import Consensus
import DequeModule
import Replica
import Storage

/// Everything of one run: members, network, clients, and what will happen next. Confined to whoever runs it.
final class World {
    let plan: Plan
    /// The one that the cluster starts with.
    let configuration: Configuration
    /// How many members there are, those included that come later.
    let capacity: Int
    let sink: ((TraceLine) -> Void)?

    /// Nanoseconds since the start of the run.
    @exclusivity(unchecked) var now: UInt64 = 0
    @exclusivity(unchecked) var queue = EventQueue()
    @exclusivity(unchecked) var members: [SimulatedMember] = []
    @exclusivity(unchecked) var connections: [Connection] = []
    @exclusivity(unchecked) var wires: [Wire] = []
    @exclusivity(unchecked) var letters = Slab<Posted>()
    /// By number; nil when they have ended.
    var transfers: [Transfer?] = []
    @exclusivity(unchecked) var clients: Clients
    @exclusivity(unchecked) var oracle: Oracle
    @exclusivity(unchecked) var worldRandom: SplitMix64

    @exclusivity(unchecked) var violation: Violation?
    @exclusivity(unchecked) var statistics = Statistics()
    @exclusivity(unchecked) var history = History()
    @exclusivity(unchecked) var coverage = Coverage()
    @exclusivity(unchecked) var hash: TraceHash
    @exclusivity(unchecked) var isCalm = false
    /// Until then leases prove nothing: a clock has leapt.
    var leaptUntil: UInt64 = 0
    /// Faults that have begun and not ended, by number in the plan.
    var active: [Int] = []
    var flapping: [Int] = []
    var isFlapDown: [Bool] = []
    @exclusivity(unchecked) var isOver = false
    /// What operators have set out to do, by number.
    var errands: [Errand] = []
    var operatorDice: SplitMix64
    /// What is still to be undone, or done, by number.
    var reliefs: [Relief?] = []
    /// Blows for the next leaders that change the configuration.
    var armedBlows: [Fault.Blow] = []
    /// Ends for the next snapshots that are sent to these members.
    var installationEnds: [(receiver: Int, end: Fault.InstallationEnd)] = []
    /// Whom clients ask: the members of the newest configuration that is committed.
    @exclusivity(unchecked) var directory: [Int]

    init(_ plan: Plan, sink: ((TraceLine) -> Void)?) {
        self.plan = plan
        self.sink = sink
        configuration = Configuration(
            members: (1...plan.members).map { .init(id: MemberID(UInt64($0)), name: "n\($0)", address: "h:\($0)") })
        capacity = plan.capacity
        directory = Array(1...plan.members)
        clients = Clients(plan)
        oracle = Oracle(members: capacity, KnownConfiguration(index: 0, configuration))
        worldRandom = SplitMix64(seed: Stream.network.seed(of: plan.seed, 1 << 16))
        operatorDice = SplitMix64(seed: Stream.life.seed(of: plan.seed, 1))
        hash = TraceHash(seed: plan.seed)
        for from in 1...capacity {
            for to in 1...capacity {
                connections.append(Connection(from: from, to: to))
                // The same however many come later.
                let isOld = from <= plan.members && to <= plan.members
                let link = isOld ? (from - 1) * plan.members + to : from << 8 | to
                wires.append(Wire(dice: SplitMix64(seed: Stream.network.seed(of: plan.seed, link))))
            }
        }
        for number in 1...capacity {
            members.append(SimulatedMember(number: number, isNewcomer: number > plan.members, seed: plan.seed))
        }
    }

    // MARK: Running

    func run() -> RunResult {
        for member in members where !member.isNewcomer {
            format(member)
            queue.add(.start, at: worldRandom.next(below: 20_000_000), member: member.number, incarnation: 0)
        }
        for (number, planned) in plan.faults.enumerated() {
            queue.add(.faultBegins, at: planned.at.nanoseconds, number: number)
        }
        queue.add(.arrival, at: 1_000_000)
        let calm = plan.storm.nanoseconds
        queue.add(.calm, at: calm)
        queue.add(.deadline, at: calm + Plan.liveness.nanoseconds)
        queue.add(.lastOrders, at: calm + plan.calm.nanoseconds - 2_000_000_000)
        queue.add(.end, at: calm + plan.calm.nanoseconds)
        while !isOver, violation == nil, let event = queue.next() {
            now = event.at
            happen(event)
        }
        statistics.virtualTime = Interval(nanoseconds: now)
        statistics.committed = oracle.committedCount
        finishHistory()
        hash.fold(now, 0xffff, oracle.lastDigest)
        let judgement = judgeHistory()
        return RunResult(
            violation: violation, traceHash: hash.value, statistics: statistics, history: history,
            linearizability: judgement, coverage: coverage)
    }

    /// Whether what the clients saw could have happened one operation at a time: judged at the end of every run, also of one
    /// that another checker has ended.
    private func judgeHistory() -> Linearizability {
        // The order of the log is one that must be possible; when it is, there is nothing to search for.
        let told = Linearizability.check(history.resolved, budget: 100_000)
        var judgement = told
        if !told.isProved {
            judgement = Linearizability.check(history, budget: 100_000)
            if !judgement.isProved, judgement.rejection == nil { judgement.rejection = told.rejection }
        }
        statistics.checked = judgement.operations
        statistics.undecided = judgement.undecided
        if let rejection = judgement.rejection {
            for line in rejection.lines { note(0, line) }
            report("linearizability", rejection.summary)
        }
        return judgement
    }

    private func happen(_ event: EventQueue.Event) {
        switch event.kind {
        case .letter: arrive(Int(event.number))
        case .sendAgain: sendAgain(Int(event.number))
        case .turn, .timer, .diskDone, .start, .work: happen(event, to: members[Int(event.member) - 1])
        case .reconnect: reconnect(Int(event.number))
        case .keepalive: keepaliveEnds(Int(event.number), epoch: event.incarnation)
        case .faultBegins: begin(fault: Int(event.number))
        case .faultEnds: end(fault: Int(event.number))
        case .flap: flap(fault: Int(event.number))
        case .errand: advance(errand: Int(event.number))
        case .relief: relieve(Int(event.number))
        case .arrival: clientArrives()
        case .request: requestArrives(Int(event.number))
        case .answer: answerArrives(Int(event.number))
        case .timeout: clientGivesUp(Int(event.number))
        case .calm: beginCalm()
        case .lastOrders: clients.haveStopped = true
        case .deadline: demandLiveness()
        case .end: demandAgreement()
        }
    }

    private func happen(_ event: EventQueue.Event, to member: SimulatedMember) {
        guard event.incarnation == member.incarnation else { return }
        switch event.kind {
        case .turn:
            member.isTurnScheduled = false
            takeTurn(member)
        case .timer:
            guard event.at == member.armedFor else { return }
            member.armedFor = .max
            takeTurn(member)
        case .work: endWork(member)
        case .diskDone: diskDone(member, Int(event.number))
        default: start(member)
        }
    }

    // MARK: Telling

    func note(_ member: Int, turningPoint: Bool = false, _ text: @autoclosure () -> String) {
        guard let sink else { return }
        sink(TraceLine(at: Instant(nanoseconds: now), member: member, text: text(), isTurningPoint: turningPoint))
    }

    /// A law was broken: the run ends with the first.
    func report(_ checker: String, _ what: @autoclosure () -> String) {
        guard violation == nil else { return }
        let found = Violation(checker: checker, what: what(), at: Instant(nanoseconds: now))
        violation = found
        note(0, turningPoint: true, "\(found)")
    }
}
