import Base
import Consensus
import Keyspace
import Replica
import enum Keyspace.Operation

// What clients do in a run, and what they are told.
extension World {
    /// A client begins an operation, when one is free.
    func clientArrives() {
        guard !clients.haveStopped else { return }
        let pause = 1_000_000_000 / UInt64(plan.workload.rate)
        queue.add(.arrival, at: now + pause / 2 + clients.dice.next(below: pause))
        let every = UInt64(plan.workload.transferEvery)
        if every > 0, clients.dice.next(below: every) == 0 { askForTransfer() }
        guard !clients.idle.isEmpty else { return }
        let place = Int(clients.dice.next(below: UInt64(clients.idle.count)))
        clients.idle.swapAt(place, clients.idle.count - 1)
        let slot = clients.idle.removeLast()
        if plan.workload.isOfAppends, clients.sessions[slot] == nil {
            askForSession(slot, of: anyone(&clients.dice))
            clients.idle.append(slot)
            return
        }
        let (command, freshness) = clients.command()
        let member = anyone(&clients.dice)
        let number = history.invoke(
            process: clients.process[slot], command, member: member, isLocal: freshness == .local, at: Instant(nanoseconds: now))
        statistics.operations += 1
        note(0, "client \(clients.process[slot]) asks n\(member): \(command), operation \(number)")
        clients.pending.append(
            Clients.Pending(
                slot: slot, member: member, isWrite: !command.isReadOnly, freshness: freshness,
                floor: clients.seenRevision))
        useSession(number)
        let patience = plan.workload.patience
        let span = patience.upperBound.nanoseconds - patience.lowerBound.nanoseconds
        queue.add(.request, at: now + 50_000 + clients.dice.next(below: 250_000), number: number)
        queue.add(.timeout, at: now + patience.lowerBound.nanoseconds + clients.dice.next(below: span + 1), number: number)
    }

    /// An operator wants somebody else to lead (3.10): that is no fault.
    private func askForTransfer() {
        let member = members[anyone(&clients.dice) - 1]
        let target = MemberID(UInt64(anyone(&clients.dice)))
        guard member.isUp, member.last.role == .leader else { return }
        note(member.number, "is asked to hand over to n\(target.rawValue)")
        member.turn.requests.append(Request(id: member.calls.add(.nobody), body: .transferLeadership(to: target)))
        wake(member)
    }

    func requestArrives(_ number: Int) {
        if clients.pending[number].attempts > 1 { chooseAnother(number) }
        let member = members[clients.pending[number].member - 1]
        guard member.isUp else {
            // Nobody listens there: nothing was asked.
            clients.pending[number].result = .failed(.noLeader)
            return queue.add(.answer, at: now + 100_000, number: number)
        }
        let command = history.operations[number].command
        let deadline = member.clock.instant(at: now) + plan.workload.patience.upperBound
        let id = member.calls.add(.client(number))
        let body: Request.Body
        if clients.pending[number].isWrite {
            let data = command.encode()
            if command.isUnique { oracle.operations[Oracle.digest(of: data)] = Int32(number) }
            body = .write(
                data, version: Command.version, session: clients.pending[number].session,
                sequence: clients.pending[number].sequence)
        } else {
            body = .read(command, clients.pending[number].freshness)
        }
        member.turn.requests.append(Request(id: id, deadline: deadline, body: body))
        wake(member)
    }

    /// A member's answer leaves for its client.
    func give(_ result: Answer.Result, to number: Int, of member: SimulatedMember) {
        check(result, to: number, of: member)
        guard clients.pending[number].isOpen else { return }
        clients.pending[number].result = result
        queue.add(.answer, at: now + 50_000 + clients.dice.next(below: 250_000), number: number)
    }

    /// An acknowledgement is a promise: the entry is on a quorum's disks. So is a denial: it never will be.
    private func check(_ result: Answer.Result, to number: Int, of member: SimulatedMember) {
        if case .failed(let failure) = result, failure.notApplied, clients.pending[number].session == 0 {
            clients.pending[number].isDenied = true
            if clients.pending[number].isCommitted {
                report("exactly-once", "n\(member.number) says that operation \(number) is not applied, and it is")
            }
        }
        guard case .outcome(let outcome) = result else { return }
        if clients.pending[number].freshness == .lease, now < leaptUntil {
            clients.pending[number].isExcused = true
            history.excuse(number)
        }
        if clients.pending[number].isLocal {
            if outcome.revision < member.last.localRevision {
                report("local-reads", "n\(member.number) shows revision \(outcome.revision) after \(member.last.localRevision)")
            }
            member.last.localRevision = outcome.revision
        }
        guard clients.pending[number].isWrite, outcome.revision > 0 else { return }
        guard outcome.revision <= UInt64(oracle.indexOfRevision.count) else {
            return report("durable-quorum", "n\(member.number) acknowledges revision \(outcome.revision), which no committed entry made")
        }
        let index = oracle.indexOfRevision[Int(outcome.revision) - 1]
        // By the configuration that was in force when it was committed.
        let voters = oracle.committedBy[index - 1]
        let copies = copies(of: index, oracle.committed[index - 1], among: voters)
        guard copies > voters.count / 2 else {
            return report(
                "durable-quorum",
                "n\(member.number) acknowledges entry \(index), which is durable on \(copies) of \(voters.count) voters")
        }
    }

    func answerArrives(_ number: Int) {
        guard clients.pending[number].isOpen, let result = clients.pending[number].result else { return }
        clients.pending[number].result = nil
        if clients.pending[number].session != 0, asksAgain(number, result) { return }
        let at = Instant(nanoseconds: now)
        switch result {
        case .outcome(let outcome):
            checkRealTime(outcome, number)
            if case .failed = outcome.result {
                statistics.failed += 1
                history.fail(number, outcome, at: at)
            } else {
                statistics.succeeded += 1
                history.ok(number, outcome, at: at)
                if clients.pending[number].isWrite {
                    let gap = Interval(nanoseconds: now - clients.lastWrite)
                    statistics.longestGap = max(statistics.longestGap, gap)
                    clients.lastWrite = now
                }
            }
            hash.fold(now, 6 << 8, UInt64(number) << 24 ^ outcome.revision)
            close(number)
        case .failed(let failure) where failure.notApplied || !clients.pending[number].isWrite:
            statistics.failed += 1
            history.fail(number, at: at)
            hash.fold(now, 7 << 8, UInt64(number))
            close(number)
        default:
            lose(number)
        }
        note(0, "operation \(number): \(result)")
    }

    /// Linearizable operations follow each other as they do in real time: what begins after another ended sees no
    /// older state. The whole of linearizability is judged at the end, from the history; this is cheap, and seen at once.
    private func checkRealTime(_ outcome: Outcome, _ number: Int) {
        guard !clients.pending[number].isLocal else { return }
        if outcome.revision < clients.pending[number].floor {
            report(
                "real-time",
                "operation \(number) sees revision \(outcome.revision), and before it began somebody had seen \(clients.pending[number].floor)")
        }
        clients.seenRevision = max(clients.seenRevision, outcome.revision)
    }

    /// A client asks once, so one entry at most carries what it asked for; and none when that was denied.
    func checkOnce(_ number: Int, at index: Int) {
        guard clients.pending[number].session == 0 else { return }
        if clients.pending[number].isCommitted {
            report("exactly-once", "operation \(number) is committed a second time, as entry \(index)")
        }
        clients.pending[number].isCommitted = true
        if clients.pending[number].isDenied {
            report("exactly-once", "operation \(number) was said not to be applied, and is committed as entry \(index)")
        }
    }

    /// The connection ended before the answer.
    func clientLoses(_ number: Int) {
        guard clients.pending[number].isOpen, clients.pending[number].result == nil else { return }
        clients.pending[number].result = .failed(.connectionLost)
        queue.add(.answer, at: now + 100_000, number: number)
    }

    func clientGivesUp(_ number: Int) {
        guard clients.pending[number].isOpen else { return }
        if plan.workload.isOfAppends { return insist(number) }
        note(0, "operation \(number) is given up")
        lose(number)
    }

    /// Nobody will ever know.
    func lose(_ number: Int) {
        statistics.unknown += 1
        hash.fold(now, 8 << 8, UInt64(number))
        if clients.pending[number].isWrite {
            history.unknown(number, at: Instant(nanoseconds: now))
        } else {
            history.fail(number, at: Instant(nanoseconds: now))
        }
        let slot = clients.pending[number].slot
        clients.process[slot] = clients.nextProcess
        clients.nextProcess += 1
        close(number)
    }

    private func close(_ number: Int) {
        clients.pending[number].isOpen = false
        clients.idle.append(clients.pending[number].slot)
    }

    func finishHistory() {
        for number in clients.pending.indices where clients.pending[number].isOpen { statistics.unknown += 1 }
        placeUnknown()
    }

    /// Tells the history where the log has put writes of which their clients know nothing. Of equal commands (deletes) the one
    /// that was asked for first is taken: they cannot be told apart.
    private func placeUnknown() {
        var isClaimed = [Bool](repeating: false, count: oracle.indexOfRevision.count + 1)
        var waiting: [UInt64: [Int]] = [:]
        for (number, operation) in history.operations.enumerated().reversed() {
            if let outcome = operation.outcome, !operation.command.isReadOnly, outcome.revision < UInt64(isClaimed.count) {
                if outcome.hasChanged { isClaimed[Int(outcome.revision)] = true }
            } else if operation.ending == .unknown, !operation.command.isReadOnly {
                waiting[Oracle.digest(of: operation.command.encode()), default: []].append(number)
            }
        }
        for revision in isClaimed.indices.dropFirst() where !isClaimed[revision] {
            if let number = waiting[oracle.command(ofRevision: revision)]?.popLast() { history.place(number, at: UInt64(revision)) }
        }
    }
}

extension Outcome {
    /// Whether its revision is its own: a key was changed.
    fileprivate var hasChanged: Bool {
        func changes(_ result: OperationResult) -> Bool {
            switch result {
            case .deleted(let previous): previous != nil
            case .set, .appended: true
            default: false
            }
        }
        return switch result {
        case .single(let result): changes(result)
        case .transaction(let results): results.contains(where: changes)
        default: false
        }
    }
}

extension Failure {
    static let connectionLost = Failure(.unknown, "the connection to the member broke", notApplied: false)
}

extension Command {
    /// Whether nobody else asks for the same: it writes a value, and each value is written once.
    fileprivate var isUnique: Bool {
        switch self {
        case .single(let operation): operation.isUnique
        case .transaction(let operations): operations.contains(where: \.isUnique)
        }
    }
}

extension Operation {
    fileprivate var isUnique: Bool {
        switch self {
        case .set, .append, .appendItem: true
        case .ping, .get, .strlen, .delete, .keys: false
        }
    }
}
