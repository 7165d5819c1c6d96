import Base
import Consensus
import Keyspace
import Replica

/// A client's session: with it a write may be asked for again, and is applied once (dissertation 6.3).
struct Session {
    var id: UInt64
    /// Of its last request.
    var sequence: UInt64 = 0
}

extension World {
    private static let maxAttempts = 5

    /// Gives an operation the next sequence of its client's session. Every third client has one, or asks for one.
    func useSession(_ number: Int) {
        let slot = clients.pending[number].slot
        guard slot.isMultiple(of: 3) || plan.workload.isOfAppends, clients.pending[number].isWrite else { return }
        guard var session = clients.sessions[slot] else { return askForSession(slot, of: clients.pending[number].member) }
        session.sequence += 1
        clients.sessions[slot] = session
        clients.pending[number].session = session.id
        clients.pending[number].sequence = session.sequence
        // Some are too impatient to wait for the first answer.
        if clients.dice.next(below: 8) == 0 { askAgain(number, within: 20_000_000) }
    }

    func askForSession(_ slot: Int, of number: Int) {
        let member = members[number - 1]
        guard member.isUp else { return }
        var limits = SessionLimits()
        if !plan.workload.isOfAppends {
            limits.sessions = 6
            limits.idleMs = 5_000
            limits.window = 4
            limits.answerBytes = 256
        }
        member.turn.requests.append(
            Request(
                id: member.calls.add(.session(slot)), deadline: member.clock.instant(at: now) + .seconds(1),
                body: .openSession(limits)))
        wake(member)
    }

    func giveSession(_ result: Answer.Result, to slot: Int) {
        guard case .outcome(let outcome) = result, case .session(let id) = outcome.result else { return }
        clients.sessions[slot] = Session(id: id)
        note(0, "client \(clients.process[slot]) has session \(id)")
    }

    private func askAgain(_ number: Int, within pause: UInt64) {
        clients.pending[number].attempts += 1
        statistics.retries += 1
        queue.add(.request, at: now + 50_000 + clients.dice.next(below: pause), number: number)
    }

    /// It is asked again until it is answered.
    func insist(_ number: Int) {
        askAgain(number, within: 1_000_000)
        queue.add(.timeout, at: now + plan.workload.patience.upperBound.nanoseconds, number: number)
    }

    /// In the end: each item that was acknowledged is there once, each that was not once at most, and no other.
    func countAppends(at member: SimulatedMember, _ process: SimulatedMember.Process) {
        var found: [Bytes: Int] = [:]
        for key in clients.appended {
            guard case .single(.value(.list(let items)?, _)) = process.replica.found(.single(.get(key: key))).result else { continue }
            for item in items { found[item, default: 0] += 1 }
        }
        for (number, operation) in history.operations.enumerated() {
            guard case .single(.appendItem(_, let item)) = operation.command else { continue }
            let count = found[item] ?? 0
            let isAcknowledged = operation.ending == .ok
            guard count == 1 || count == 0 && !isAcknowledged else {
                return report("exactly-once", "the item of operation \(number) is there \(count) times on n\(member.number)")
            }
            if isAcknowledged { statistics.appends += 1 }
        }
    }

    /// Another attempt goes to any member.
    func chooseAnother(_ number: Int) {
        clients.pending[number].member = anyone(&clients.dice)
    }

    /// Whether a request of a session is not at its end with this answer: it is asked again, under the same sequence, or
    /// given up. What one attempt is denied another may have got.
    func asksAgain(_ number: Int, _ result: Answer.Result) -> Bool {
        switch result {
        case .outcome(let outcome):
            guard case .failed(let failure) = outcome.result else { return false }
            switch failure.reason {
            case .wrongKind, .valueTooLarge, .resultTooLarge: return false
            case .sessionExpired, .sequenceForgotten, .answerForgotten:
                let slot = clients.pending[number].slot
                if clients.sessions[slot]?.id == clients.pending[number].session { clients.sessions[slot] = nil }
                lose(number)
                return true
            }
        default:
            if clients.pending[number].attempts < Self.maxAttempts || plan.workload.isOfAppends { askAgain(number, within: 150_000_000) } else { lose(number) }
            return true
        }
    }

    /// "It responds immediately without re-executing the request" (6.3): of all entries that carry one request one at most
    /// changes anything.
    func checkSession(_ entry: StepRecord.Applied) {
        let index = Int(entry.index.rawValue)
        guard let number = oracle.operation(at: index, entry.term.rawValue), clients.pending[number].session != 0,
            entry.digest != oracle.lastDigest
        else { return }
        if clients.pending[number].isApplied {
            report("exactly-once", "operation \(number) is applied a second time, by entry \(index)")
        }
        clients.pending[number].isApplied = true
    }
}
