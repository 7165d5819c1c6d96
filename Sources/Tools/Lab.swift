import Base
import Client
import Consensus
import GRPC
import Wire

/// Carries out the laboratory's orders: those to members by their fault switch (proto/swiftwater/v1/fault.proto), those to
/// processes through the `swiftwater up` that started them.
struct Lab: Sendable {
    let client: Client
    let style: Style

    /// Never throws: what cannot be done is printed, with what to do about it.
    func carryOut(_ order: LabOrder) async -> Printed {
        do throws(LabFailure) {
            switch order {
            case .show(let directory): return try await show(directory ?? UpPlan.defaultDirectory)
            case .partition(let sides): return try await partition(sides)
            case .heal: return try await heal()
            case .drop(let kind, let from, let to, let count): return try await drop(kind, from: from, to: to, count)
            case .timeout(let name): return try await timeout(name)
            case .splitVote: return try await splitVote()
            case .process(let order, let directory): return try process(order, directory ?? UpPlan.defaultDirectory)
            }
        } catch {
            return printed(error)
        }
    }

    /// A laboratory without a word about where the cluster is works on the one that `up` keeps in its usual place.
    static func connection(
        _ connection: Grammar.Connection, for request: Request, _ fromEnvironment: String?
    ) throws(UsageError) -> Grammar.Connection {
        guard case .lab = request, connection.endpoints == nil, fromEnvironment?.isEmpty != false,
            let stored = try Up.stored(in: UpPlan.defaultDirectory)
        else { return connection }
        var connection = connection
        let plan = try UpPlan(directory: UpPlan.defaultDirectory, nodes: nil, basePort: nil, stored: stored)
        connection.endpoints = plan.members.map(\.address)
        return connection
    }

    // MARK: Members

    /// All members of the cluster, as those that answer name them; in order of their names.
    func members() async throws(LabFailure) -> [LabMember] {
        let reports = await client.statusOfAll()
        guard reports.contains(where: \.hasAnswered) else {
            let why = reports.compactMap { report -> String? in
                guard case .failure(let error) = report.answer else { return nil }
                return "  \(report.endpoint): \(error.brief)"
            }
            throw LabFailure(
                (["no member answers"] + why).joined(separator: "\n"),
                hint: "start a cluster with: swiftwater up --enable-faults; or name one with --endpoints", code: .noAnswer)
        }
        return reports.filter { !$0.name.isEmpty }.map { report in
            var status: Wire.Status?
            if case .success(let answer) = report.answer { status = answer }
            return LabMember(name: report.name, endpoint: report.endpoint, status: status)
        }
    }

    /// Refuses before anything is done when a name is unknown.
    func check(_ names: [String], among members: [LabMember]) throws(LabFailure) {
        guard let stranger = names.first(where: { name in !members.contains { $0.name == name } }) else { return }
        throw LabFailure("there is no member '\(stranger)'", hint: "there are \(members.map(\.name).joined(separator: ", "))")
    }

    /// The faults of each member that answers; refuses when one of them has no switch.
    func faults(of members: [LabMember]) async throws(LabFailure) -> [(member: LabMember, state: Wire.FaultState)] {
        var found: [(LabMember, Wire.FaultState)] = []
        for member in members where member.status != nil {
            do throws(ClientError) {
                found.append((member, try await client.faults(at: member.endpoint)))
            } catch {
                guard case .rejected(let status) = error.kind, status.code == .unimplemented else { continue }
                throw LabFailure(
                    "\(member.name) was started without --enable-faults: its links cannot be disturbed",
                    hint: "start the cluster again with: swiftwater up --enable-faults")
            }
        }
        return found
    }

    /// Tells members something, all at the same time; gives the names of those that did not hear it.
    func tell(
        _ members: [LabMember], _ order: @escaping @Sendable (Client, LabMember) async throws(ClientError) -> Void
    ) async throws(LabFailure) -> [String] {
        let client = client
        let outcomes = await withTaskGroup(of: (String, ClientError?).self) { group in
            for member in members {
                group.addTask {
                    do throws(ClientError) {
                        try await order(client, member)
                        return (member.name, nil)
                    } catch {
                        return (member.name, error)
                    }
                }
            }
            var outcomes: [(String, ClientError?)] = []
            for await outcome in group { outcomes.append(outcome) }
            return outcomes.sorted { $0.0 < $1.0 }
        }
        for case (let name, let error?) in outcomes {
            if case .rejected(let status) = error.kind {
                let text = status.code == .unimplemented ? "it was started without --enable-faults" : error.brief
                throw LabFailure("\(name) refuses: \(text)")
            }
        }
        return outcomes.filter { $0.1 != nil }.map(\.0)
    }

    // MARK: Printing

    func printed(_ failure: LabFailure) -> Printed {
        guard style == .json else { return Printed(errors: "\(failure)\n", code: failure.code) }
        var members: [(String, JSONText)] = [("error", .string(failure.message))]
        if let hint = failure.hint { members.append(("hint", .string(hint))) }
        return Printed(errors: JSONText.object(members).text + "\n", code: failure.code)
    }

    /// What was done: in words, or as JSON; and who could not be told.
    func printed(_ lines: [String], _ facts: [(String, JSONText)], silent: [String] = [], hint: String? = nil) -> Printed {
        guard style != .json else {
            return Printed(line: JSONText.object(facts + [("silent", .names(silent))]).text)
        }
        let unheard = silent.map { "\($0) does not answer: it could not be told" }
        return Printed(lines: lines + unheard + (hint.map { [$0] } ?? []))
    }

    /// How a command of the laboratory is written here.
    func command(_ words: String) -> String { style == .prompt ? "lab \(words)" : "swiftwater lab \(words)" }
}

/// One member of the cluster under experiment.
struct LabMember: Sendable {
    var name: String
    var endpoint: Endpoint
    /// Nil when it does not answer.
    var status: Wire.Status?
}

/// Why an order cannot be carried out, and what to do about it.
struct LabFailure: Error, Equatable, CustomStringConvertible {
    var message: String
    var hint: String?
    var code = ExitCode.clusterError

    init(_ message: String, hint: String? = nil, code: ExitCode = .clusterError) {
        self.message = message
        self.hint = hint
        self.code = code
    }

    var description: String { hint.map { "\(message)\n\($0)" } ?? message }
}

extension JSONText {
    /// An array of strings.
    static func names(_ names: [String]) -> JSONText { .array(names.map { .string($0) }) }
}
