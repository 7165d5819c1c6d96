import Base
import Keyspace
import Wire

/// Turns the results of key/value operations into what is printed.
public struct ResultPrinter: Sendable {
    let style: Style

    public init(_ style: Style) { self.style = style }

    /// The answer to one operation. `revision` is the store's after a write; for reads it is not known.
    public func printed(_ result: OperationResult, of operation: Operation, revision: UInt64) -> Printed {
        switch (style, result) {
        case (.json, _):
            return Printed(
                line: JSONText.object(members(result, of: operation, revision: revision)).text, code: code(result))
        case (.plain, .value(nil, _)):
            return Printed(errors: "key not found: \(shown(operation.key))\n", code: .noSuchKey)
        case (.plain, .deleted(nil)):
            return Printed(errors: "key not found: \(shown(operation.key))\n", code: .noSuchKey)
        case (_, .keys(let keys)):
            return Printed(output: self.keys(keys))
        default:
            return Printed(output: line(result) + [10], code: code(result))
        }
    }

    /// The answer to a read of what one member has. How old it may be is for a person, beside the answer.
    public func printed(_ result: OperationResult, of operation: Operation, age: Wire.ResponseHeader?) -> Printed {
        guard let age else { return printed(result, of: operation, revision: 0) }
        if style == .json {
            var told = members(result, of: operation, revision: 0) + [("applied_index", .unsigned(age.appliedIndex.rawValue))]
            if let heard = age.leaderHeardMs { told.append(("leader_heard_ms", .unsigned(heard))) }
            return Printed(line: JSONText.object(told).text, code: code(result))
        }
        var printed = printed(result, of: operation, revision: 0)
        let heard = age.leaderHeardMs.map { "heard from a leader \($0) ms ago" } ?? "heard from no leader yet"
        printed.errors += "as of entry \(age.appliedIndex); \(heard)\n"
        return printed
    }

    /// The answers of a transaction: one a line.
    public func printed(_ results: [OperationResult], of operations: [Operation], revision: UInt64) -> Printed {
        guard style == .json else { return Printed(output: results.flatMap { line($0) + [10] }) }
        let each = zip(results, operations).map { JSONText.object(members($0, of: $1, revision: nil)) }
        return Printed(line: JSONText.object([("results", .array(each)), ("revision", .unsigned(revision))]).text)
    }

    /// One result on one line, without its end.
    private func line(_ result: OperationResult) -> [UInt8] {
        switch result {
        case .pong: Array("PONG".utf8)
        case .set, .appended: Array("OK".utf8)
        case .length(let length): Array("\(length)".utf8)
        case .value(let value, _): bytes(value)
        case .deleted(let previous): bytes(previous)
        case .keys(let keys): Array(JSONText.array(keys.map(Self.json)).text.utf8)
        }
    }

    private func bytes(_ value: Value?) -> [UInt8] {
        switch value {
        case nil: Array("(nil)".utf8)
        case .list(let items): Array(JSONText.array(items.map(Self.json)).text.utf8)
        case .data(let data): style == .prompt ? Array(Quoting.quoted(data).utf8) : data.array
        }
    }

    /// One key a line; at the prompt as one would type them.
    func keys(_ keys: [Bytes]) -> [UInt8] {
        keys.flatMap { (style == .prompt ? Array(Quoting.word($0).utf8) : $0.array) + [10] }
    }

    private func shown(_ key: Bytes?) -> String {
        guard let key else { return "" }
        return key.utf8String ?? key.description
    }

    /// At the prompt a missing key is an answer like any other; in a shell it is what `if` asks about.
    private func code(_ result: OperationResult) -> ExitCode {
        switch result {
        case .value(nil, _), .deleted(nil): .noSuchKey
        default: .done
        }
    }
}

extension ResultPrinter {
    /// Text as a JSON string; bytes that are no text have no place in one, so they become `{"base64": "…"}`.
    static func json(_ bytes: Bytes) -> JSONText {
        if let text = bytes.utf8String { return .string(text) }
        return .object([("base64", .string(base64(bytes)))])
    }

    static func json(_ value: Value?) -> JSONText {
        switch value {
        case nil: .null
        case .data(let data): json(data)
        case .list(let items): .array(items.map(json))
        }
    }

    private func members(
        _ result: OperationResult, of operation: Operation, revision: UInt64?
    ) -> [(String, JSONText)] {
        let key: [(String, JSONText)] = operation.key.map { [("key", Self.json($0))] } ?? []
        let after: [(String, JSONText)] = revision.map { [("revision", .unsigned($0))] } ?? []
        switch result {
        case .pong: return [("message", .string("PONG"))]
        case .value(let value, let changed): return key + [("value", Self.json(value)), ("revision", .unsigned(changed))]
        case .set: return key + after
        case .length(let length): return key + [("length", .unsigned(length))]
        case .deleted(let previous): return key + [("previous", Self.json(previous))] + after
        case .appended(let length): return key + [("length", .unsigned(length))] + after
        case .keys(let keys): return [("keys", .array(keys.map(Self.json)))]
        }
    }
}
