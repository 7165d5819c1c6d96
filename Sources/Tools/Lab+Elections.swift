import Base
import Client
import EventLoop
import GRPC
import Wire

// Election timers that run out on purpose.
extension Lab {
    /// How long to watch what comes of a timer that ran out.
    static let watching = Interval.seconds(1)
    /// How long a split vote may take to be overcome, or an election to end, before it is told as it stands.
    static let electionPatience = Interval.seconds(5)
    static let lookInterval = Interval.milliseconds(20)
    /// Longer than a member refuses votes after it heard a leader (dissertation 4.2.3), with the usual timeouts.
    static let deafness = Interval.milliseconds(250)

    func timeout(_ name: String) async throws(LabFailure) -> Printed {
        let members = try await members()
        try check([name], among: members)
        let before = try Self.newest(members)
        let one = members.filter { $0.name == name }
        let silent = try await tell(one) { client, member throws(ClientError) in
            try await client.expireElectionTimer(at: member.endpoint)
        }
        guard silent.isEmpty else { throw LabFailure("\(name) does not answer", hint: "is it stopped, or frozen? \(command("show"))", code: .noAnswer) }
        await rest(Self.watching)
        let after = try Self.newest(try await self.members())
        let lead = after.leader.isEmpty ? "nobody leads yet" : "\(after.leader) leads"
        let what =
            after.term == before.term
            ? "The term is still \(after.term), and \(lead): the others hear their leader, and refuse even the pre-vote."
            : "The term went from \(before.term) to \(after.term), and \(lead)."
        return printed(["\(name)'s election timer ran out.", what], Self.facts(before, after))
    }

    func splitVote() async throws(LabFailure) -> Printed {
        let members = try await members()
        _ = try await faults(of: members)
        let before = try Self.newest(members)
        guard let leader = members.first(where: { $0.name == before.leader }) else {
            throw LabFailure("nobody leads: there is no vote to split", hint: "try again when there is a leader: \(command("heal"))")
        }
        let others = members.filter { $0.name != leader.name && $0.status != nil }
        guard others.count > 1 else {
            throw LabFailure("\(others.count) other members answer: a vote is split among two at least")
        }
        _ = try await cut([[leader.name], members.map(\.name).filter { $0 != leader.name }], members)
        await rest(Self.deafness)
        _ = try await tell(others) { client, member throws(ClientError) in
            // One that was elected meanwhile has no timer that could run out: what came of it is told below.
            do throws(ClientError) {
                try await client.expireElectionTimer(at: member.endpoint)
            } catch {
                guard case .rejected(let status) = error.kind, status.code == .failedPrecondition else { throw error }
            }
        }
        let after = try await winner(among: others.map(\.name), after: before.term)
        let skipped = after.leader.isEmpty ? 0 : after.term - before.term - 1
        let split =
            after.leader.isEmpty
            ? "No leader within \(Durations.short(Self.electionPatience)): they still try, in term \(after.term)."
            : skipped == 0
                ? "\(after.leader) won in term \(after.term) all the same: one was faster than the others. Heal, and try again."
                : "The vote was split: \(skipped == 1 ? "a term" : "\(skipped) terms") went by without a leader. Then one timer, drawn at random, was the first, and \(after.leader) won in term \(after.term)."
        return printed(
            ["\(leader.name) is cut off, and the timers of all others ran out at once.", split],
            Self.facts(before, after) + [("terms_without_leader", .unsigned(skipped))],
            hint: "Let \(leader.name) in again: \(command("heal"))")
    }

    /// The newest term that anybody knows, and its leader as far as anybody answers who knows it.
    static func newest(_ members: [LabMember]) throws(LabFailure) -> (term: UInt64, leader: String) {
        let statuses = members.compactMap(\.status)
        let term = statuses.map(\.term).max() ?? 0
        let leader = statuses.first { $0.term == term && !$0.leader.isEmpty }?.leader
        return (term.rawValue, leader ?? "")
    }

    /// Looks until one of these leads in a newer term, or patience is at its end.
    private func winner(among names: [String], after term: UInt64) async throws(LabFailure) -> (term: UInt64, leader: String) {
        let deadline = Loop.now + Self.electionPatience
        while true {
            let statuses = try await members().filter { names.contains($0.name) }.compactMap(\.status)
            let newest = statuses.map(\.term.rawValue).max() ?? term
            if let leader = statuses.first(where: { $0.role == .leader && $0.term.rawValue > term }) {
                return (leader.term.rawValue, leader.name)
            }
            guard Loop.now < deadline else { return (newest, "") }
            await rest(Self.lookInterval)
        }
    }

    /// Waits, unless the task is cancelled.
    private func rest(_ interval: Interval) async {
        do {
            try await Task.sleep(nanoseconds: interval.nanoseconds)
        } catch {
            // Cancelled: what is asked next is refused at once.
        }
    }

    private static func facts(
        _ before: (term: UInt64, leader: String), _ after: (term: UInt64, leader: String)
    ) -> [(String, JSONText)] {
        [
            ("term_before", .unsigned(before.term)), ("leader_before", .string(before.leader)),
            ("term_after", .unsigned(after.term)), ("leader_after", .string(after.leader)),
        ]
    }
}
