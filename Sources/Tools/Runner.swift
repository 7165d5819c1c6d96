import Base
import Client
import GRPC
import Keyspace
import Synchronization
import Wire

/// Carries out requests on a cluster and prints what comes of them.
public struct Runner: Sendable {
    let client: Client
    let style: Style
    /// Where standard output goes; false when nobody reads it any more.
    let write: @Sendable ([UInt8]) -> Bool

    public init(client: Client, style: Style, write: @escaping @Sendable ([UInt8]) -> Bool) {
        self.client = client
        self.style = style
        self.write = write
    }

    /// Never throws: an error is printed like everything else.
    public func run(_ request: Request) async -> Printed {
        do throws(ClientError) {
            switch request {
            case .operation(.keys(let prefix, _, _)):
                return try await keys(prefix, .linearizable)
            case .read(.keys(let prefix, _, _), let consistency):
                return try await keys(prefix, consistency)
            case .read(let operation, .local):
                let (result, age) = try await client.local(operation)
                return ResultPrinter(style).printed(result, of: operation, age: age)
            case .read(let operation, let consistency):
                let (result, revision) = try await client.perform(operation, consistency)
                return ResultPrinter(style).printed(result, of: operation, revision: revision)
            case .operation(let operation):
                let (result, revision) = try await client.perform(operation)
                return ResultPrinter(style).printed(result, of: operation, revision: revision)
            case .transaction(let operations):
                let answer = try await client.transact(operations)
                return ResultPrinter(style).printed(answer.results, of: operations, revision: answer.revision)
            case .status:
                return ClusterPrinter(style).status(await client.statusOfAll())
            case .members:
                let status = try await client.status()
                return ClusterPrinter(style).members(status.members, leader: status.leader)
            case .requestLog(let from, let limit, let node):
                return try await log(from: from, limit: limit, node: node)
            case .addServer(let name, let address, let isLearner):
                return ClusterPrinter(style).change(
                    try await client.addServer(name: name, address: address, isLearner: isLearner))
            case .replaceServer(let name, let address):
                return ClusterPrinter(style).change(try await client.replaceServer(name: name, address: address))
            case .removeServer(let name):
                return ClusterPrinter(style).change(try await client.removeServer(name: name))
            case .transferLeadership(let name):
                return ClusterPrinter(style).change(try await client.transferLeadership(to: name))
            case .lab(let order):
                return await Lab(client: client, style: style).carryOut(order)
            }
        } catch {
            return printed(error)
        }
    }

    /// Keys as they come, so that a store of any size can be listed.
    private func keys(_ prefix: Bytes, _ consistency: Wire.Consistency) async throws(ClientError) -> Printed {
        let printer = ResultPrinter(style)
        let write = write
        let separator = Mutex("")
        if style == .json { _ = write(Array(#"{"keys":["#.utf8)) }
        try await client.eachKey(prefix: prefix, consistency: consistency) { keys in
            guard printer.style == .json else { return write(printer.keys(keys)) }
            let lead = separator.withLock { separator in
                defer { separator = "," }
                return separator
            }
            return write(Array((lead + keys.map { ResultPrinter.json($0).text }.joined(separator: ",")).utf8))
        }
        return style == .json ? Printed(line: "]}") : Printed()
    }

    private func log(from: UInt64, limit: UInt64?, node: String?) async throws(ClientError) -> Printed {
        let printer = Mutex(LogPrinter(style))
        let write = write
        let name = try await client.eachLogRecord(from: Index(from), limit: limit ?? 0, node: node) { records in
            let lines = printer.withLock { $0.lines(records) }
            return write(Array((lines.joined(separator: "\n") + "\n").utf8))
        }
        return Printed(lines: printer.withLock { $0.ending(node: name) })
    }

    /// An error, and the exit code that stands for it.
    func printed(_ error: ClientError) -> Printed {
        let code: ExitCode
        switch error.kind {
        case .rejected, .sessionExpired, .badAnswer, .noSuchMember, .sameName: code = .clusterError
        case .noAnswer, .outcomeUnknown, .cancelled: code = .noAnswer
        }
        guard style == .json else { return Printed(errors: "\(error)\n", code: code) }
        var members: [(String, JSONText)] = [("error", .string(error.brief)), ("outcome_unknown", .bool(error.outcomeIsUnknown))]
        switch error.kind {
        case .rejected(let status), .outcomeUnknown(let status): members.append(("code", .string(status.code.name)))
        default: break
        }
        let attempts = error.attempts.map { attempt in
            JSONText.object([
                ("endpoint", .string("\(attempt.endpoint)")), ("reason", .string(attempt.reason)),
                ("count", .integer(Int64(attempt.count))),
            ])
        }
        if !attempts.isEmpty { members.append(("attempts", .array(attempts))) }
        return Printed(errors: JSONText.object(members).text + "\n", code: code)
    }
}
