import Base
import Client
import Consensus
import Keyspace
import Wire

/// Turns what members say of themselves into what is printed.
public struct ClusterPrinter: Sendable {
    let style: Style

    public init(_ style: Style) { self.style = style }

    // MARK: status

    /// A row for each member: what it says of itself, or why it says nothing.
    public func status(_ reports: [MemberReport]) -> Printed {
        let code = reports.contains(where: \.hasAnswered) ? ExitCode.done : .noAnswer
        guard style != .json else {
            return Printed(line: JSONText.object([("members", .array(reports.map(Self.json)))]).text, code: code)
        }
        var table = TextTable([
            ("NAME", .left), ("ADDRESS", .left), ("ROLE", .left), ("TERM", .right), ("LEADER", .left),
            ("LAST LOG", .right), ("COMMIT", .right), ("APPLIED", .right), ("ROUND TRIP", .right),
        ])
        for report in reports {
            let name = report.name.isEmpty ? "?" : report.name
            switch report.answer {
            case .success(let status):
                table.add([
                    name, "\(report.endpoint)", Self.role(status), "\(status.term)",
                    status.leader.isEmpty ? "-" : status.leader, "\(status.lastLogIndex)", "\(status.commitIndex)",
                    "\(status.appliedIndex)", Durations.text(report.roundTrip),
                ])
            case .failure(let failure):
                table.add([name, "\(report.endpoint)"], note: "unreachable: \(failure.brief)")
            }
        }
        return Printed(lines: table.lines, code: code)
    }

    private static func json(_ report: MemberReport) -> JSONText {
        var members: [(String, JSONText)] = [
            ("name", .string(report.name)), ("address", .string("\(report.endpoint)")),
        ]
        switch report.answer {
        case .failure(let failure):
            members += [("reachable", .bool(false)), ("error", .string(failure.brief))]
        case .success(let status):
            members += [
                ("reachable", .bool(true)), ("role", .string(role(status))),
                ("term", .unsigned(status.term.rawValue)), ("leader", .string(status.leader)),
                ("leader_address", .string(status.leaderAddress)),
                ("first_log_index", .unsigned(status.firstLogIndex.rawValue)),
                ("last_log_index", .unsigned(status.lastLogIndex.rawValue)),
                ("commit_index", .unsigned(status.commitIndex.rawValue)),
                ("applied_index", .unsigned(status.appliedIndex.rawValue)),
                ("revision", .unsigned(status.revision)), ("version", .string(status.version)),
                ("uptime_ms", .unsigned(status.uptimeMs)), ("member_id", .string("\(status.memberID)")),
                ("cluster_id", .string("\(status.clusterID)")),
                ("round_trip_ms", .number(Double(report.roundTrip.nanoseconds / 1000) / 1000)),
            ]
        }
        return .object(members)
    }

    static func role(_ status: Wire.Status) -> String {
        if status.isRemoved { return "removed" }
        return switch status.role {
        case .unspecified: "unknown"
        case .follower: "follower"
        case .preCandidate: "pre-candidate"
        case .candidate: "candidate"
        case .leader: "leader"
        case .learner: "learner"
        }
    }

    // MARK: members

    public func members(_ members: [Configuration.Member], leader: String) -> Printed {
        let members = members.sorted { $0.name < $1.name }
        guard style != .json else {
            let list = members.map { member in
                JSONText.object([
                    ("name", .string(member.name)), ("address", .string(member.address)),
                    ("id", .string("\(member.id)")), ("voter", .bool(member.isVoter)),
                    ("standing", .string("\(member.standing)")),
                    ("leader", .bool(member.name == leader)),
                ])
            }
            return Printed(line: JSONText.object([("members", .array(list))]).text)
        }
        var table = TextTable([("NAME", .left), ("ADDRESS", .left), ("ID", .left), ("VOTES", .left)])
        for member in members {
            table.add([member.name, member.address, "\(member.id)", Self.votes(member.standing)],
                note: member.name == leader ? "leader" : nil)
        }
        return Printed(lines: table.lines)
    }

    private static func votes(_ standing: Configuration.Standing) -> String {
        switch standing {
        case .voter: "yes"
        case .joining: "not yet (catching up)"
        case .learner: "no (learner)"
        }
    }

    /// The answer to add-server, remove-server, replace-server or transfer-leadership.
    public func change(_ response: Wire.ChangeResponse) -> Printed {
        let members = response.configuration?.configuration.members ?? []
        switch response.status {
        case .ok where style == .json:
            let list = members.map { JSONText.object([("name", .string($0.name)), ("address", .string($0.address))]) }
            return Printed(line: JSONText.object([
                ("leader", .string(response.leaderHint)), ("members", .array(list)),
            ]).text)
        case .ok:
            return Printed(line: "OK")
        case .notLeader:
            let hint = response.leaderHint.isEmpty ? "no leader is known" : "the leader is at \(response.leaderHint)"
            return Printed(errors: "the member that was asked does not lead: \(hint)\n", code: .clusterError)
        case .timeout:
            let reason = response.message.isEmpty ? "" : ": \(response.message)"
            return Printed(errors: "it took too long\(reason)\n", code: .clusterError)
        case .unspecified:
            return Printed(errors: "the member answered in a way that this program does not know\n", code: .clusterError)
        }
    }
}
