import Base
import Consensus
import Keyspace
import Replica
import VirtualDisk

/// Whole members, a network that delivers at its own pace, and a time that jumps to the next thing to do.
final class VirtualCluster {
    private(set) var members: [VirtualMember] = []
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    /// Directed links that deliver nothing.
    var cut: Set<[Int]> = []
    /// Called for each message; false drops it.
    var lets: (Message) -> Bool = { _ in true }
    /// How long a message takes; may differ from one to the next, and so reorder them.
    var delay: (inout SplitMix64) -> Interval = { _ in .milliseconds(1) }
    var random: SplitMix64
    private var mail: [(at: Instant, order: UInt64, to: Int, deliver: (VirtualMember) -> Void)] = []
    private var order: UInt64 = 0
    private var lastRequest: UInt64 = 0
    /// For writes that were passed on: who asked, under which number.
    private var forwarded: [RequestID: (from: Int, id: RequestID, leader: Int)] = [:]
    private(set) var sent: [Message] = []
    private var transfers: [UInt64: Transfer] = [:]
    private(set) var snapshotReplies: [SnapshotReply.Result] = []
    /// How much of a snapshot travels at a time.
    var pieceBytes = 1_000

    init(_ size: Int, newcomers: Int = 0, seed: UInt64 = 1) {
        random = SplitMix64(seed: seed)
        let configuration = Configuration(
            members: (1...size).map { .init(id: MemberID(UInt64($0)), name: "n\($0)", address: "h:\($0)") })
        members = (1...size + newcomers).map {
            VirtualMember(number: $0, configuration: configuration, isNewcomer: $0 > size, now: now)
        }
    }

    subscript(number: Int) -> VirtualMember { members[number - 1] }
    var leader: VirtualMember? { members.first { $0.isUp && $0.role == .leader && !isCutOff($0.number) } }

    private func isCutOff(_ number: Int) -> Bool {
        members.count > 1 && members.allSatisfy { $0.number == number || cut.contains([number, $0.number]) }
    }

    // MARK: Running

    /// Lets everything happen that is due, then jumps to the next instant; until `done` or for `limit` at most.
    @discardableResult
    func run(for limit: Interval = .seconds(10), until done: () -> Bool = { false }) -> Bool {
        let end = now + limit
        while true {
            settle()
            if done() { return true }
            let next = min(mail.map(\.at).min() ?? .never, members.map(\.deadline).min() ?? .never)
            guard next <= end else {
                now = end
                settle()
                return done()
            }
            now = max(next, now + .microseconds(10))
        }
    }

    /// Turns until nobody has anything more to do at this instant.
    private func settle() {
        for _ in 0..<200 {
            deliver()
            for member in members {
                member.step(now: now, send: { self.post($0) }, forward: { self.pass($0, from: member) })
                collectForwarded(member)
                member.runDisk()
                member.runWork()
                carrySnapshots(of: member)
            }
            let isQuiet = members.allSatisfy { !$0.isUp || $0.turn.isEmpty && $0.deadline > now }
            if isQuiet && !mail.contains(where: { $0.at <= now }) { return }
        }
    }

    /// Snapshots on their way: by their numbers, and by the calls that their chunks make.
    private struct Transfer {
        var from: Int
        var to: Int
        var send: SnapshotToSend
        var starts: UInt64
        /// Of the piece that is being read, or sent.
        var offset = 0
        var data = Bytes()
    }

    /// Reads, sends and answers what a member has to do with snapshots.
    private func carrySnapshots(of member: VirtualMember) {
        for send in member.toSend {
            let number = nextRequest().rawValue
            transfers[number] = Transfer(
                from: member.number, to: Int(send.to.rawValue), send: send, starts: member.starts)
            readPiece(number, at: 0)
        }
        for piece in member.pieces { sendPiece(piece.id, piece.bytes) }
        for reply in member.replies {
            snapshotReplies.append(reply.result)
            guard let transfer = transfers[reply.call] else { continue }
            post(to: transfer.from, from: member.number) { _ in self.heard(reply.result, of: reply.call) }
        }
        (member.toSend, member.pieces, member.replies) = ([], [], [])
    }

    private func readPiece(_ number: UInt64, at offset: Int) {
        guard let transfer = transfers[number], self[transfer.from].starts == transfer.starts else { return }
        transfers[number]?.offset = offset
        self[transfer.from].turn.snapshotReads.append(
            SnapshotRead(id: number, index: transfer.send.index, offset: offset, count: pieceBytes))
    }

    private func sendPiece(_ number: UInt64, _ bytes: Bytes?) {
        guard let bytes else { return end(number, installed: nil) }
        transfers[number]?.data = bytes
        guard let transfer = transfers[number] else { return }
        let chunk = SnapshotChunk(
            call: number, term: transfer.send.term, index: transfer.send.index, indexTerm: transfer.send.indexTerm,
            offset: transfer.offset, data: bytes, isLast: transfer.offset + bytes.count == transfer.send.length)
        if cut.contains([transfer.from, transfer.to]) || !self[transfer.to].isUp { return end(number, installed: nil) }
        post(to: transfer.to, from: transfer.from) { $0.turn.snapshotChunks.append(chunk) }
    }

    private func heard(_ result: SnapshotReply.Result, of number: UInt64) {
        guard let transfer = transfers[number] else { return }
        switch result {
        case .next(let offset): readPiece(number, at: offset)
        case .wait: sendPiece(number, transfer.data)
        case .installed: end(number, installed: transfer.send.index)
        case .refused: end(number, installed: nil)
        }
    }

    private func end(_ number: UInt64, installed: Index?) {
        guard let transfer = transfers.removeValue(forKey: number), self[transfer.from].starts == transfer.starts else { return }
        self[transfer.from].turn.snapshotsSent.append(SnapshotSent(token: transfer.send.token, installed: installed))
    }

    /// The transport notices that connections are gone.
    func breakTransfers() {
        for number in transfers.keys.sorted() { end(number, installed: nil) }
    }

    private func deliver() {
        let due = mail.filter { $0.at <= now }.sorted { ($0.at, $0.order) < ($1.at, $1.order) }
        mail.removeAll { $0.at <= now }
        for letter in due where members[letter.to - 1].isUp { letter.deliver(members[letter.to - 1]) }
    }

    private func post(to: Int, from: Int, _ deliver: @escaping (VirtualMember) -> Void) {
        guard !cut.contains([from, to]) else { return }
        order += 1
        mail.append((now + delay(&random), order, to, deliver))
    }

    private func post(_ message: Message) {
        sent.append(message)
        guard lets(message) else { return }
        post(to: Int(message.to.rawValue), from: Int(message.from.rawValue)) { $0.turn.messages.append(message) }
    }

    // MARK: Writes passed on

    private func pass(_ forward: ReplicaEffects.Forward, from member: VirtualMember) {
        let id = nextRequest()
        let leader = Int(forward.to.rawValue)
        forwarded[id] = (member.number, forward.id, leader)
        post(to: leader, from: member.number) {
            $0.ask(Request(id: id, deadline: .never, body: forward.body))
        }
    }

    /// Brings the leader's answers back to those who passed the writes on.
    private func collectForwarded(_ leader: VirtualMember) {
        for (id, origin) in forwarded.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where origin.leader == leader.number {
            guard let answer = leader.answers.removeValue(forKey: id) else { continue }
            let result: Result<Outcome, Failure>
            switch answer {
            case .outcome(let outcome): result = .success(outcome)
            case .failed(let failure): result = .failure(failure)
            default: preconditionFailure("a write got another answer")
            }
            post(to: origin.from, from: leader.number) {
                self.forwarded[id] = nil
                $0.turn.forwardResults.append(.init(id: origin.id, result: result))
            }
        }
    }

    /// The transport notices that a leader is gone: what was passed on to it has an unknown outcome.
    func breakForwards(to leader: Int) {
        for (id, origin) in forwarded.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where origin.leader == leader {
            forwarded[id] = nil
            guard members[origin.from - 1].isUp else { continue }
            members[origin.from - 1].turn.forwardResults.append(
                .init(id: origin.id, result: .failure(.leadershipLost)))
        }
    }

    // MARK: Asking

    private func nextRequest() -> RequestID {
        lastRequest += 1
        return RequestID(lastRequest)
    }

    @discardableResult
    func ask(_ number: Int, _ body: Request.Body, deadline: Instant = .never) -> RequestID {
        let id = nextRequest()
        self[number].ask(Request(id: id, deadline: deadline, body: body))
        return id
    }

    @discardableResult
    func write(_ operation: Operation, at number: Int) -> RequestID {
        ask(number, .write(Command.single(operation).encode(), version: Command.version))
    }

    @discardableResult
    func read(_ operation: Operation, at number: Int, _ freshness: Freshness = .linearizable) -> RequestID {
        ask(number, .read(.single(operation), freshness))
    }

    /// Runs until the request is answered; its answer.
    func answer(to id: RequestID, at number: Int, within limit: Interval = .seconds(10)) -> Answer.Result? {
        run(for: limit) { self[number].answers[id] != nil }
        return self[number].answers[id]
    }

    func electLeader() -> VirtualMember {
        let elected = run { self.leader.map { $0.replica!.replica.view.commitIndex > 0 } ?? false }
        precondition(elected, "no leader within ten seconds")
        return leader!
    }

    /// Cuts a member off from all others, both ways.
    func isolate(_ number: Int) {
        for other in members where other.number != number {
            cut.insert([number, other.number])
            cut.insert([other.number, number])
        }
    }

    func heal() { cut = [] }

    func restart(_ number: Int, losing loss: VirtualDisk.Loss = .everything) {
        self[number].crash(loss, &random)
        breakForwards(to: number)
        self[number].start(now: now)
    }
}

extension Answer.Result {
    var outcome: Outcome? { if case .outcome(let outcome) = self { outcome } else { nil } }
    var members: Configuration? { if case .members(let configuration) = self { configuration } else { nil } }
    var failure: Failure? { if case .failed(let failure) = self { failure } else { nil } }
    /// What a Get found.
    var value: Value? {
        if case .single(.value(let value, _)) = outcome?.result { value } else { nil }
    }
}
