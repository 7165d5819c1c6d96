import Base
import Keyspace
import enum Keyspace.Operation

extension History {
    /// One JSON object for each operation, in the format that `History` describes, each with a line feed behind it.
    public var lines: String {
        var text = ""
        for operation in operations { text += operation.line + "\n" }
        return text
    }
}

extension History.Operation {
    /// Without a line feed.
    public var line: String {
        var members: [(String, JSONText)] = [("process", .integer(Int64(process)))]
        let ends = ending == .unknown ? nil : end
        switch command {
        case .single(let operation): members += operation.members
        case .transaction(let operations):
            members += [
                ("op", .string("transaction")), ("key", .null), ("arg", .array(operations.map { .object($0.members) })),
            ]
        }
        members += [
            ("out", ending == .unknown ? .null : answer), ("start", .unsigned(start.nanoseconds)),
            ("end", ends.map { .unsigned($0.nanoseconds) } ?? .null), ("ok", ending == .unknown ? .null : .bool(ending == .ok)),
        ]
        let revision = ending == .unknown ? place : outcome?.revision ?? 0
        let isTold = if ending == .failed, case .null = answer { false } else { true }
        if revision > 0, isTold { members.append(("rev", .unsigned(revision))) }
        if isLocal { members.append(("local", .bool(true))) }
        if member > 0 { members.append(("member", .integer(Int64(member)))) }
        return JSONText.object(members).text
    }

    private var answer: JSONText {
        switch outcome?.result {
        case .single(let result): result.json
        case .transaction(let results): .array(results.map(\.json))
        case .failed(let failure):
            if case .wrongKind(_, let holds) = failure.reason {
                .object([
                    ("operation", .integer(Int64(failure.operation))), ("holds", .string(holds == .data ? "data" : "list")),
                ])
            } else {
                .null
            }
        case .none?, .session, nil: .null
        }
    }
}

extension Operation {
    fileprivate var members: [(String, JSONText)] {
        let (name, argument): (String, JSONText) =
            switch self {
            case .ping: ("ping", .null)
            case .get: ("get", .null)
            case .set(_, let value): ("set", value.json)
            case .strlen: ("strln", .null)
            case .delete: ("del", .null)
            case .append(_, let suffix): ("append", suffix.json)
            case .appendItem(_, let item): ("append-item", item.json)
            case .keys(_, let after, let limit):
                ("keys", after.isEmpty && limit == 0 ? .null : .object([("after", after.json), ("limit", .unsigned(limit))]))
            }
        var place: JSONText = key?.json ?? .null
        if case .keys(let prefix, _, _) = self { place = prefix.json }
        return [("op", .string(name)), ("key", place), ("arg", argument)]
    }
}

extension OperationResult {
    fileprivate var json: JSONText {
        switch self {
        case .pong, .set: .null
        case .value(let value, _), .deleted(let value): value?.json ?? .null
        case .length(let length), .appended(let length): .unsigned(length)
        case .keys(let keys): .array(keys.map(\.json))
        }
    }
}

extension Value {
    fileprivate var json: JSONText {
        switch self {
        case .data(let bytes): bytes.json
        case .list(let items): .array(items.map(\.json))
        }
    }
}

extension Bytes {
    fileprivate var json: JSONText { utf8String.map { .string($0) } ?? .object([("base64", .string(base64(self)))]) }
}
