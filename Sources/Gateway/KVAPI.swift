import Base
import FoundationEssentials
import Keyspace
import Replica
import Server
import Wire

/// `POST /v1/kv/…`: the KV service in JSON.
enum KVAPI {
    static func answer(_ name: OperationName, _ body: Data, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        let request = try JSONRequest(name, from: body)
        switch request.operation {
        case .ping:
            return .json(200, JSONResult(result: .pong, revision: 0))
        case .keys(let prefix, let startAfter, let limit):
            let scan = KeyScan(prefix: prefix, startAfter: startAfter, limit: limit)
            return await keys(scan, request.freshness, member, limits)
        default:
            let command = Command.single(request.operation)
            let (outcome, age) = try await ask(command, request.freshness, request.requestID, member, limits)
            guard case .single(let result) = outcome.result else {
                preconditionFailure("one operation has one result")
            }
            return .json(200, JSONResult(result: result, revision: outcome.revision, age: age))
        }
    }

    static func transact(_ body: Data, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        let request = try decode(JSONTransaction.self, from: body)
        let (outcome, _) = try await ask(
            .transaction(request.operations), .linearizable, request.requestID, member, limits)
        guard case .transaction(let results) = outcome.result else {
            preconditionFailure("a transaction has its operations' results")
        }
        return .json(200, JSONTransactionResult(results, revision: outcome.revision))
    }

    private static func ask(
        _ command: Command, _ freshness: Freshness, _ id: Wire.RequestID?, _ member: Member, _ limits: GatewayLimits
    ) async throws(Failure) -> (Outcome, LocalAge?) {
        let request: LocalRequest = command.isReadOnly
            ? .read(command, freshness)
            : .write(
                command.encode(), version: Command.version, session: id?.sessionID ?? 0, sequence: id?.sequence ?? 0)
        let answer = await member.submitted(request, within: limits.patience)
        var isTransaction = false
        if case .transaction = command { isTransaction = true }
        return (try outcome(answer.result, inTransaction: isTransaction).get(), answer.age)
    }

    static func outcome(_ answer: Answer.Result, inTransaction: Bool) -> Result<Outcome, Failure> {
        switch answer {
        case .outcome(let outcome):
            if case .failed(let failure) = outcome.result {
                return .failure(Failure(failure, inTransaction: inTransaction))
            }
            return .success(outcome)
        case .failed(let failure):
            return .failure(failure)
        case .frozen, .log, .leadershipTransferred, .members:
            preconditionFailure("a command got the answer to another kind of request")
        }
    }

    /// One page of keys, of one moment of the keyspace; the next begins behind its last.
    private static func keys(
        _ scan: KeyScan, _ freshness: Freshness, _ member: Member, _ limits: GatewayLimits
    ) async -> Reply {
        let most = scan.remaining
        // One more than asked for shows whether there are more.
        var scan = KeyScan(prefix: scan.prefix, startAfter: scan.after ?? Bytes(), limit: most + 1)
        let answer = await member.submitted(.freeze(freshness), within: limits.patience)
        switch answer.result {
        case .frozen(let keyspace):
            var keys = keyspace.keys(&scan, maxKeys: Int(most) + 1, maxBytes: limits.pageBytes)
            var more = !scan.isFinished
            if keys.count > most {
                keys.removeLast(keys.count - Int(most))
                more = true
            }
            return .json(200, JSONResult(result: .keys(keys), revision: 0, more: more, age: answer.age))
        case .failed(let failure):
            return .refusal(failure)
        case .outcome, .log, .leadershipTransferred, .members:
            preconditionFailure("a scan got the answer to another kind of request")
        }
    }
}
