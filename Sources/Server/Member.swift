import Base
import Consensus
public import EventLoop
import GRPC
import LogFormat
import Logging
import Replica
import Storage
import Wire

/// One running member: a thin shell around `Replica`. It feeds it turns, obeys its effects, runs its disk operations,
/// and speaks for it over gRPC, all on the thread of one loop.
///
/// It is an actor whose executor is that loop. Callbacks of sockets and timers are made inside it and run on the loop's
/// thread, so that nothing on a request's way hops or suspends (house law: run to completion).
public actor Member {
    public nonisolated let loop: Loop
    public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    let options: MemberOptions
    let log: Logger
    let directory: RealDirectory
    let identity: Identity
    let cluster: ClusterID
    /// HOST:PORT as others reach this member.
    let address: String
    let startedAt: Instant

    let server: GRPCServer
    let health: HealthService
    let codec = Wire.Codec()
    var replica: Replica
    var disk: DiskRunner!

    /// What has come in since the last turn.
    var turn = Turn()
    var effects = ReplicaEffects()
    var calls = PendingCalls()
    var timer: EventLoop.Timer!
    var armedFor = Instant.never

    var peers: [MemberID: Peer] = [:]
    /// The configuration that the log spoke of last.
    var loggedConfiguration: Index?
    /// Whether some of them are members no more, and have yet to hear of it.
    var hasDepartingPeers = false
    /// The configuration that `peers` was made from.
    var peersIndex: Index?
    /// The streams by which leaders send us entries, and by which the answers go back.
    var leaderStreams: [MemberID: ServerCall] = [:]
    /// Votes asked for and not answered.
    var voteCalls: [MemberID: ServerCall] = [:]
    /// Read indexes asked for and not answered, with the number that the follower gave them.
    var readIndexCalls: [MemberID: (requestID: UInt64, call: ServerCall)] = [:]
    /// Addresses that were asked who is there, and have not answered.
    var introductions = 0
    /// Until this member is where it is to be in the configuration.
    private var enrolment: Enrolment?
    /// The thread that encodes this member's own snapshots.
    var encoders: SnapshotEncoders!
    /// Snapshots on their way to others, by number.
    var senders: [UInt64: SnapshotSender] = [:]
    var lastSender: UInt64 = 0
    /// Pieces of a leader's snapshot that are not answered.
    var snapshotCalls: [UInt64: (call: ServerCall, from: MemberID)] = [:]
    var lastSnapshotCall: UInt64 = 0
    /// Backups on their way to clients: at most `BackupStream.limit`.
    var backups = 0
    /// Only with `--enable-faults`.
    let faults: Faults?
    /// Who led when writes were last passed on: when it changes, what is on its way there is given up.
    var lastLeader: MemberID?
    var counters = MemberReport.Counters()
    /// How long clients have waited, all together.
    var waiting = WaitingTime()
    let tap: EventTap

    /// Between members: a batch of 1 MiB, the largest entry, and what is around them.
    static let maxPeerMessageBytes = 10 << 20
    /// From clients.
    static let maxClientMessageBytes = 5 << 20

    var isStopping = false
    var onFailure: (@Sendable (ReplicaFailure) -> Void)?

    init(_ started: consuming StartedMember, options: MemberOptions, log: Logger) {
        loop = started.loop
        self.options = options
        self.log = log
        directory = started.directory
        identity = started.identity
        cluster = started.identity.cluster
        address = started.address
        server = started.server
        health = started.health
        startedAt = started.loop.now
        faults = started.faults
        tap = EventTap(started.loop)
        replica = started.replica
    }

    /// Begins to serve. `onFailure` is called once when the member cannot go on: the process must then end at once,
    /// without syncing anything again.
    func run(onFailure: @escaping @Sendable (ReplicaFailure) -> Void) {
        self.onFailure = onFailure
        disk = DiskRunner(loop, directory: directory) { [unowned self] completions in
            turn.completions.append(contentsOf: completions)
        }
        encoders = Self.encoders(on: loop) { [unowned self] done in turn.snapshotWork = done }
        timer = EventLoop.Timer(loop) { [unowned self] in armedFor = .never }
        tap.onChange = { [unowned self] in watchedChanged($0) }
        watchedChanged(false)
        registerKeyValueService()
        registerClusterService()
        registerRaftService()
        obeyFaults()
        connectPeers()
        loop.onTurnEnd(.work) { [unowned self] in takeTurn() }
        setHealth(.serving)
        enrolIfNeeded()
    }

    /// One that joins, and one that came back with another address, asks the leader to be let in.
    private func enrolIfNeeded() {
        let own = replica.configuration[identity.member]
        guard !replica.isRemoved, own?.address != address, own != nil || options.join != nil else { return }
        let enrolment = Enrolment(of: self)
        self.enrolment = enrolment
        enrolment.begin(self)
    }

    // MARK: The turn

    /// Once in each turn of the loop, before the answers of the turn are written to their sockets.
    private func takeTurn() {
        let now = loop.now
        guard !turn.isEmpty || now >= replica.deadline else { return arm() }
        turn.now = now
        turn.wallMs = wallMilliseconds()
        if tap.isWatched { turn.messages.forEach(tap.received) }
        replica.step(&turn, into: &effects)
        obey()
        waiting.turn(calls.clients, now)
        effects.removeAll()
        arm()
    }

    private func obey() {
        if let failure = effects.failure {
            let onFailure = onFailure
            self.onFailure = nil
            onFailure?(failure)
            return
        }
        if tap.isWatched { effects.send.forEach(tap.sent) }
        for message in effects.send { send(message) }
        for operation in effects.operations { disk.run(operation) }
        if replica.leader != lastLeader { leaderChanged() }
        if !effects.forwards.isEmpty { passOn(effects.forwards) }
        for answer in effects.answers { give(answer) }
        obeyAboutSnapshots()
        for event in effects.events { note(event) }
        connectPeers()
    }

    /// One timer for all of the replica's times. Its deadline mostly moves away: the timer is left as it is then, and
    /// finds nothing to do when it fires. What obeying the effects brought already is for a turn of its own.
    private func arm() {
        let deadline = turn.isEmpty ? replica.deadline : loop.now
        guard deadline < armedFor else { return }
        armedFor = deadline
        timer.start(at: deadline)
    }

    private func leaderChanged() {
        if let lastLeader, lastLeader != identity.member { peers[lastLeader]?.giveUpForwardsSoon() }
        lastLeader = replica.leader
        if lastLeader != nil { counters.leaderChanges += 1 }
    }

    /// Hands a request to the next turn.
    func ask(_ body: Request.Body, deadline: Instant?, for waiter: PendingCalls.Waiter) {
        let id = calls.add(waiter)
        switch body {
        case .propose(_, isForwarded: false): counters.writes += 1
        case .read, .freeze: counters.reads += 1
        case .propose, .log, .changeMembers, .transferLeadership: break
        }
        turn.requests.append(Request(id: id, deadline: deadline ?? .never, body: body))
    }

    private func give(_ answer: Answer) {
        switch calls.take(answer.id) {
        case .unary(let call): reply(to: call, answer.result, answer.age)
        case .forwarded(let batch, let proposal): reply(to: batch, proposal, answer.result)
        case .keys(let stream): stream.receive(answer.result, answer.age)
        case .backup(let stream): stream.receive(answer.result, self)
        case .log(let stream): stream.receive(answer.result, codec: codec)
        case .session(let call): reply(toOpenSession: call, answer.result)
        case .transfer(let call): reply(toTransfer: call, answer.result)
        case .local(let call): call.answer(answer)
        case .change(let call): reply(toChange: call, answer.result)
        case .none: break
        }
    }

    /// HOST:PORT as others reach this member.
    public var servedAddress: String { address }

    private func setHealth(_ serving: HealthService.Serving) {
        for service in ["", "swiftwater.v1.KV", "swiftwater.v1.Cluster"] { health.set(service, serving) }
    }

    // MARK: The end

    /// Hands leadership over, answers what is in flight, closes. At most about four seconds.
    public func stop() async {
        guard !isStopping else { return }
        isStopping = true
        tap.close()
        log.info("shutting down")
        setHealth(.notServing)
        await handOver()
        await withCheckedContinuation { continuation in
            server.shutdown(grace: .seconds(2)) { continuation.resume() }
        }
        for peer in peers.values { peer.close() }
        peers = [:]
        enrolment?.close()
        for sender in senders.values { sender.close() }
        senders = [:]
        timer.close()
        encoders.stop()
        disk.stop()
        log.info("stopped")
    }

    /// Gives leadership to whoever is best, so that writers wait milliseconds and not an election timeout.
    private func handOver() async {
        guard replica.role == .leader, replica.view.transferCandidate != nil else { return }
        let started = loop.now
        turn.requests.append(Request(id: calls.add(.none), body: .transferLeadership(to: nil)))
        while replica.role == .leader, loop.now - started < .seconds(1) {
            await pause(.milliseconds(5))
        }
        // What was passed on to the new leader comes back first.
        while calls.count > 0, loop.now - started < .seconds(2) { await pause(.milliseconds(5)) }
    }

    private func pause(_ interval: Interval) async {
        await withCheckedContinuation { continuation in
            var timer: EventLoop.Timer?
            timer = EventLoop.Timer(loop) {
                timer?.close()
                continuation.resume()
            }
            timer?.start(after: interval)
        }
    }
}
