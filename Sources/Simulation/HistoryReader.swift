public import Base
import Keyspace
import enum Keyspace.Operation

/// What is wrong with a history's text, and in which line, from 1.
public struct HistoryFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public var line: Int
    public var what: String

    public init(line: Int, _ what: String) {
        self.line = line
        self.what = what
    }

    public var description: String { "line \(line): \(what)" }
}

extension History {
    /// Reads what `lines` wrote, or clients of real processes: strictly, in the format that `History` describes. Lines end
    /// with a line feed. Nothing may be missing, unknown or twice, and no process may have two
    /// operations under way at a time: such a history would say nothing.
    public init(reading text: Bytes) throws(HistoryFailure) {
        self.init()
        var start = 0
        var number = 0
        while start < text.count {
            number += 1
            let rest = text[start..<text.count]
            let length = rest.withUnsafeBytes { $0.firstIndex(of: 0x0a) } ?? rest.count
            guard length > 0 else { throw HistoryFailure(line: number, "it is empty") }
            operations.append(try Self.read(rest[0..<length], number))
            start += length + 1
        }
        try checkProcesses()
    }

    private static func read(_ line: Bytes, _ number: Int) throws(HistoryFailure) -> Operation {
        do {
            var reader = LineReader(json: try JSONText(reading: line))
            return try reader.readOperation()
        } catch let failure as LineReader.Failure {
            throw HistoryFailure(line: number, failure.what)
        } catch {
            throw HistoryFailure(line: number, "\(error)")
        }
    }

    private func checkProcesses() throws(HistoryFailure) {
        var last: [Int: Int] = [:]
        let order = operations.indices.sorted { (operations[$0].start, $0) < (operations[$1].start, $1) }
        for place in order {
            let operation = operations[place]
            if let before = last[operation.process] {
                guard let end = operations[before].end, end <= operation.start else {
                    throw HistoryFailure(
                        line: place + 1, "process \(operation.process) begins it before its last one ended")
                }
            }
            last[operation.process] = place
        }
    }
}

/// One line, taken apart.
private struct LineReader {
    struct Failure: Error {
        var what: String
    }

    let json: JSONText

    init(json: JSONText) { self.json = json }

    private static let names = ["process", "op", "key", "arg", "out", "start", "end", "ok", "rev", "local", "member"]

    mutating func readOperation() throws(Failure) -> History.Operation {
        guard case .object(let members) = json else { throw Failure(what: "no JSON object") }
        for (name, _) in members where !Self.names.contains(name) { throw Failure(what: "an unknown member, \"\(name)\"") }
        let command = try Self.command(json)
        let start = try number("start")
        var operation = History.Operation(
            process: try small("process"), command: command, start: Instant(nanoseconds: start), member: 0)
        if json["member"] != nil { operation.member = try small("member") }
        if let local = json["local"] {
            guard case .bool(let isLocal) = local else { throw Failure(what: "\"local\" is neither true nor false") }
            operation.isLocal = isLocal
        }
        let revision = json["rev"] == nil ? 0 : try number("rev")
        let out = try Self.member("out", of: json)
        switch try Self.member("ok", of: json) {
        case .null:
            guard case .null = try Self.member("end", of: json), case .null = out else {
                throw Failure(what: "an outcome that nobody knows has an end or an answer")
            }
            operation.place = revision
            return operation
        case .bool(let isOK):
            let end = try number("end")
            guard end >= start else { throw Failure(what: "it ends before it starts") }
            operation.end = Instant(nanoseconds: end)
            operation.ending = isOK ? .ok : .failed
            if isOK {
                operation.outcome = Outcome(revision: revision, result: try Self.result(of: command, out))
            } else if case .null = out {
                return operation
            } else {
                operation.outcome = Outcome(revision: revision, result: .failed(try Self.failure(of: command, out)))
            }
            return operation
        default: throw Failure(what: "\"ok\" is neither true, false nor null")
        }
    }

    private static func member(_ name: String, of json: JSONText) throws(Failure) -> JSONText {
        guard let value = json[name] else { throw Failure(what: "no \"\(name)\"") }
        return value
    }

    private func number(_ name: String) throws(Failure) -> UInt64 {
        guard case .unsigned(let number) = try Self.member(name, of: json) else {
            throw Failure(what: "\"\(name)\" is no whole number from 0 on")
        }
        return number
    }

    private func small(_ name: String) throws(Failure) -> Int {
        guard let number = Int(exactly: try number(name)) else { throw Failure(what: "\"\(name)\" is too large") }
        return number
    }

    // MARK: What was asked

    private static func command(_ json: JSONText) throws(Failure) -> Command {
        guard case .string("transaction") = try member("op", of: json) else { return .single(try operation(json)) }
        guard case .null = try member("key", of: json) else { throw Failure(what: "a transaction has no \"key\" of its own") }
        guard case .array(let parts) = try member("arg", of: json) else {
            throw Failure(what: "a transaction's \"arg\" is an array of operations")
        }
        var operations: [Operation] = []
        for part in parts {
            guard case .object(let members) = part, members.count == 3 else {
                throw Failure(what: "an operation of a transaction has \"op\", \"key\" and \"arg\"")
            }
            operations.append(try operation(part))
        }
        return .transaction(operations)
    }

    private static func operation(_ json: JSONText) throws(Failure) -> Operation {
        guard case .string(let name) = try member("op", of: json) else { throw Failure(what: "\"op\" is no string") }
        let place = try member("key", of: json)
        let argument = try member("arg", of: json)
        if name == "ping" {
            guard case .null = place, case .null = argument else { throw Failure(what: "ping has neither \"key\" nor \"arg\"") }
            return .ping
        }
        let key = try bytes(place, "key")
        switch name {
        case "set": return .set(key: key, value: try value(argument, "arg"))
        case "append": return .append(key: key, suffix: try bytes(argument, "arg"))
        case "append-item":
            let item = try bytes(argument, "arg")
            guard item.isValidUTF8 else { throw Failure(what: "an item is text") }
            return .appendItem(key: key, item: item)
        case "keys": return try keys(key, argument)
        default: break
        }
        guard case .null = argument else { throw Failure(what: "\(name) has no \"arg\"") }
        switch name {
        case "get": return .get(key: key)
        case "strln": return .strlen(key: key)
        case "del": return .delete(key: key)
        default: throw Failure(what: "an unknown \"op\", \"\(name)\"")
        }
    }

    private static func keys(_ prefix: Bytes, _ argument: JSONText) throws(Failure) -> Operation {
        if case .null = argument { return .keys(prefix: prefix, startAfter: Bytes(), limit: 0) }
        guard case .object(let members) = argument, members.count == 2, case .unsigned(let limit)? = argument["limit"] else {
            throw Failure(what: "\"arg\" of keys is null or has \"after\" and \"limit\"")
        }
        return .keys(prefix: prefix, startAfter: try bytes(try member("after", of: argument), "after"), limit: limit)
    }

    // MARK: What came of it

    private static func result(of command: Command, _ out: JSONText) throws(Failure) -> Outcome.Result {
        switch command {
        case .single(let operation): return .single(try result(of: operation, out))
        case .transaction(let operations):
            guard case .array(let values) = out, values.count == operations.count else {
                throw Failure(what: "\"out\" of a transaction is an array with an answer to each operation")
            }
            var results: [OperationResult] = []
            for (operation, value) in zip(operations, values) { results.append(try result(of: operation, value)) }
            return .transaction(results)
        }
    }

    private static func result(of operation: Operation, _ out: JSONText) throws(Failure) -> OperationResult {
        switch operation {
        case .ping, .set:
            guard case .null = out else { throw Failure(what: "\"out\" of ping and set is null") }
            return operation == .ping ? .pong : .set
        case .get: return .value(try optional(out), revision: 0)
        case .delete: return .deleted(previous: try optional(out))
        case .strlen: return .length(try length(out))
        case .append, .appendItem: return .appended(length: try length(out))
        case .keys:
            guard case .array(let values) = out else { throw Failure(what: "\"out\" of keys is an array") }
            var keys: [Bytes] = []
            for value in values { keys.append(try bytes(value, "out")) }
            return .keys(keys)
        }
    }

    private static func failure(of command: Command, _ out: JSONText) throws(Failure) -> OperationFailure {
        guard case .object(let members) = out, members.count == 2, case .unsigned(let place)? = out["operation"],
            case .string(let name)? = out["holds"], name == "data" || name == "list"
        else { throw Failure(what: "\"out\" of a failure is null or has \"operation\" and \"holds\"") }
        let operations: [Operation] =
            switch command {
            case .single(let operation): [operation]
            case .transaction(let operations): operations
            }
        guard place < UInt64(operations.count) else { throw Failure(what: "there is no operation \(place)") }
        switch operations[Int(place)] {
        case .append(let key, _), .appendItem(let key, _):
            return OperationFailure(operation: Int(place), reason: .wrongKind(key: key, holds: name == "data" ? .data : .list))
        default: throw Failure(what: "operation \(place) cannot fail for the kind of a value")
        }
    }

    private static func length(_ json: JSONText) throws(Failure) -> UInt64 {
        guard case .unsigned(let length) = json else { throw Failure(what: "\"out\" is no length") }
        return length
    }

    private static func optional(_ json: JSONText) throws(Failure) -> Value? {
        if case .null = json { return nil }
        return try value(json, "out")
    }

    private static func value(_ json: JSONText, _ name: String) throws(Failure) -> Value {
        guard case .array(let values) = json else { return .data(try bytes(json, name)) }
        var items = ItemList()
        for value in values {
            let item = try bytes(value, name)
            guard item.isValidUTF8 else { throw Failure(what: "an item is text") }
            items.append(item)
        }
        return .list(items)
    }

    private static func bytes(_ json: JSONText, _ name: String) throws(Failure) -> Bytes {
        switch json {
        case .string(let text): return Bytes(utf8: text)
        case .object(let members):
            guard members.count == 1, case .string(let text)? = json["base64"], let bytes = Bytes(base64: text) else {
                throw Failure(what: "\"\(name)\" is not {\"base64\":\"…\"}")
            }
            return bytes
        default: throw Failure(what: "\"\(name)\" is no string")
        }
    }
}
