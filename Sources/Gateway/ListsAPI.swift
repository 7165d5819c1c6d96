import Base
import FoundationEssentials
import Keyspace
import Replica
import Server

/// Lists of strings under keys, as a laboratory of students uses them: PUT, APPEND and GET on `/keys/{key}`.
enum ListsAPI {
    static func get(_ key: Bytes, _ member: Member, _ limits: GatewayLimits) async -> Reply {
        let answer = await member.submit(.read(.single(.get(key: key)), .linearizable), within: limits.patience)
        switch KVAPI.outcome(answer, inTransaction: false) {
        case .success(let outcome):
            guard case .single(.value(let value, _)) = outcome.result else {
                preconditionFailure("a get is answered with a value")
            }
            switch value {
            case .list(let items): return .json(200, items.texts)
            case .data: return .text(400, "The value is not a list of strings")
            case nil: return Reply(404)
            }
        case .failure(let failure): return plain(failure)
        }
    }

    static func change(_ key: Bytes, _ body: Data, _ member: Member, _ limits: GatewayLimits) async -> Reply {
        let operation: Operation
        switch Change(body) {
        case .put(let items): operation = .set(key: key, value: .list(ItemList(items.map(Bytes.init(utf8:)))))
        case .append(let item): operation = .appendItem(key: key, item: Bytes(utf8: item))
        case .wrong(let text): return .text(400, text)
        }
        let answer = await member.submit(
            .write(Command.single(operation).encode(), version: Command.version), within: limits.patience)
        switch KVAPI.outcome(answer, inTransaction: false) {
        case .success: return Reply(204)
        case .failure(let failure): return plain(failure)
        }
    }

    /// The API knows 400 for everything that the caller should not have asked.
    private static func plain(_ failure: Failure) -> Reply {
        let status = failure.httpStatus == 409 ? 400 : failure.httpStatus
        return Reply.text(status, failure.message).retriable
    }

    private enum Change {
        case put([String])
        case append(String)
        case wrong(String)

        /// First whether it is a request at all, then its type, then its value.
        init(_ body: Data) {
            guard let envelope = try? JSONDecoder().decode(Envelope.self, from: body) else {
                self = .wrong("The request is not valid")
                return
            }
            switch (envelope.type.text, envelope.value) {
            case ("PUT", .list(let items)): self = .put(items)
            case ("APPEND", .text(let item)): self = .append(item)
            case ("PUT", _), ("APPEND", _): self = .wrong("The request value is not valid")
            default: self = .wrong("The request type is not correct")
            }
        }
    }

    /// Both fields, whatever they hold.
    private struct Envelope: Decodable {
        var type: Content
        var value: Content
    }

    private enum Content: Decodable {
        case text(String)
        case list([String])
        case other

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let text = try? container.decode(String.self) {
                self = .text(text)
            } else if let list = try? container.decode([String].self) {
                self = .list(list)
            } else {
                self = .other
            }
        }

        var text: String? { if case .text(let text) = self { text } else { nil } }
    }
}
