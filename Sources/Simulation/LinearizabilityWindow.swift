import Base
import Keyspace
import enum Keyspace.Operation

/// Finds the shortest part of a history that shows why it has no order, and tells it.
///
/// It ends with the operation beyond whose end no order reaches. It begins with the latest write of its key from which on
/// the rest has an order without that operation and none with it. Then it leaves out what is not needed for that.
struct LinearizabilityWindow {
    let history: History
    let problem: LinearizabilityProblem
    let group: [Int32]
    /// Its number in the history.
    let stuck: Int

    /// Small searches: a window that takes more to judge explains nothing.
    private static let budget = 20_000
    private static let maxCuts = 200
    private static let maxLeavingOut = 80
    private static let maxLines = 16

    init(_ history: History, _ problem: LinearizabilityProblem, _ group: [Int32], stuckAt stuck: Int) {
        self.history = history
        self.problem = problem
        self.group = group
        self.stuck = stuck
    }

    func rejection() -> Linearizability.Rejection {
        let keys = stuckKeys
        for key in keys {
            if let window = window(of: [key]) { return tell(window, key) }
        }
        let key = keys.first ?? Bytes()
        return tell(window(of: keys) ?? everything(before: group.map { problem.operations[Int($0)].number }), key)
    }

    private var stuckKeys: [Bytes] {
        guard let place = group.first(where: { problem.operations[Int($0)].number == stuck }) else { return [] }
        return problem.operations[Int(place)].touched.map { problem.keys[Int(problem.touched[Int($0)].key)] }
    }

    private var end: UInt64 { history.operations[stuck].end?.nanoseconds ?? .max }

    private func everything(before numbers: [Int]) -> [Int] {
        numbers.filter { $0 != stuck && history.operations[$0].start.nanoseconds <= end } + [stuck]
    }

    /// Nil when these keys alone do not show it.
    private func window(of keys: [Bytes]) -> [Int]? {
        let all = LinearizabilityProblem(history, group.map { problem.operations[Int($0)].number }, until: end, only: keys)
        let numbers = everything(before: all.operations.map(\.number))
        guard shows(numbers, keys) else { return nil }
        var window = numbers
        let cuts = numbers.reversed().filter { history.operations[$0].ending == .ok && Self.isBlind(history.operations[$0].command) }
        for cut in cuts.prefix(Self.maxCuts) {
            let start = history.operations[cut].start
            let rest = numbers.filter { number in
                number == stuck || history.operations[number].end.map { $0 > start } ?? true
                    || history.operations[number].ending == .unknown
            }
            if shows(rest, keys) {
                window = rest
                break
            }
        }
        // Reads, and what nobody knows of, may go; a write that is known may be what another one saw.
        guard window.count <= Self.maxLeavingOut else { return window }
        for number in window.reversed() where number != stuck {
            let operation = history.operations[number]
            guard operation.command.isReadOnly || operation.ending == .unknown else { continue }
            let rest = window.filter { $0 != number }
            if shows(rest, keys) { window = rest }
        }
        return window
    }

    /// A write that looks at nothing: what was before it does not matter.
    private static func isBlind(_ command: Command) -> Bool {
        if case .single(.set) = command { true } else { false }
    }

    /// Whether there is an order of all but the last, and none with it.
    private func shows(_ window: [Int], _ keys: [Bytes]) -> Bool {
        judge(Array(window.dropLast()), keys) == .linearizable && isStuck(judge(window, keys))
    }

    private func isStuck(_ verdict: LinearizabilitySearch.Verdict) -> Bool {
        if case .stuck = verdict { true } else { false }
    }

    private func judge(_ window: [Int], _ keys: [Bytes]) -> LinearizabilitySearch.Verdict {
        let problem = LinearizabilityProblem(history, window, until: end, only: keys)
        var search = LinearizabilitySearch(problem, budget: Self.budget)
        for group in problem.groups() {
            let verdict = search.run(group)
            if verdict != .linearizable { return verdict }
        }
        return .linearizable
    }

    // MARK: Telling it

    private func tell(_ window: [Int], _ key: Bytes) -> Linearizability.Rejection {
        var lines = window.suffix(Self.maxLines).map { line($0) }
        let left = window.count - lines.count
        if left > 0 { lines.insert("(and \(left) operations before)", at: 0) }
        if let source = source(of: stuck, key), !window.contains(source) {
            lines.insert("(what the last one saw was written long before: \(line(source)))", at: 0)
        }
        lines.append(
            "the last one fits nowhere: the others have an order\(history.operations[stuck].ending == .failed ? ", and it failed" : "") only without it")
        let before = window.dropLast().last.map { ", after \(told($0))" } ?? ""
        return Linearizability.Rejection(
            key: key, window: window, lines: lines,
            summary: "key \(key): \(told(stuck)) fits no order of \(window.count) operations\(before)")
    }

    /// The write whose value the operation saw at the end of what it saw.
    private func source(of number: Int, _ key: Bytes) -> Int? {
        guard case .single(let result)? = history.operations[number].outcome?.result else { return nil }
        let seen: Value?
        switch result {
        case .value(let value, _): seen = value
        case .deleted(let previous): seen = previous
        default: seen = nil
        }
        guard let seen else { return nil }
        return history.operations.indices.last { place in
            guard place != number, case .single(let write) = history.operations[place].command, write.key == key else { return false }
            switch write {
            case .set(_, let value): return value == seen
            case .append(_, let suffix):
                let content = seen.content
                return suffix.count > 0 && suffix.count <= content.count && content[content.count - suffix.count..<content.count] == suffix
            default: return false
            }
        }
    }

    private func line(_ number: Int) -> String {
        let operation = history.operations[number]
        let end = operation.ending == .unknown ? "" : operation.end.map { ($0 - .zero).shown } ?? ""
        return "\((operation.start - .zero).shown)–\(end.isEmpty ? "?" : end) \(told(number))"
    }

    private func told(_ number: Int) -> String {
        let operation = history.operations[number]
        let revision = operation.outcome.map { $0.revision > 0 ? ", revision \($0.revision)" : "" } ?? ""
        let member = operation.member > 0 ? " at n\(operation.member)" : ""
        return "process \(operation.process)\(member): \(operation.command.told) → \(operation.answer)\(revision)"
    }
}

extension History.Operation {
    /// What came of it, for people.
    fileprivate var answer: String {
        switch ending {
        case .unknown: return "nobody knows"
        case .failed: if case .failed(let failure)? = outcome?.result { return failure.told } else { return "failed" }
        case .ok: break
        }
        switch outcome?.result {
        case .single(let result): return result.told
        case .transaction(let results): return results.map(\.told).joined(separator: "; ")
        case .failed(let failure): return failure.told
        case .none?, .session, nil: return "ok"
        }
    }
}

extension OperationFailure {
    fileprivate var told: String {
        if case .wrongKind(let key, let holds) = reason { return "failed: \(key.told) holds \(holds == .data ? "bytes" : "a list")" }
        return "failed"
    }
}

extension Command {
    fileprivate var told: String {
        switch self {
        case .single(let operation): operation.told
        case .transaction(let operations): "transaction " + operations.map(\.told).joined(separator: "; ")
        }
    }
}

extension Operation {
    fileprivate var told: String {
        switch self {
        case .ping: "ping"
        case .get(let key): "get \(key.told)"
        case .set(let key, let value): "set \(key.told) \(value.told)"
        case .strlen(let key): "strln \(key.told)"
        case .delete(let key): "del \(key.told)"
        case .append(let key, let suffix): "append \(key.told) \(suffix.told)"
        case .appendItem(let key, let item): "append --item \(key.told) \(item.told)"
        case .keys(let prefix, _, _): "keys \(prefix.told)"
        }
    }
}

extension OperationResult {
    fileprivate var told: String {
        switch self {
        case .pong: "PONG"
        case .value(let value, _), .deleted(let value): value?.told ?? "(nil)"
        case .set: "OK"
        case .length(let length), .appended(let length): "\(length)"
        case .keys(let keys): keys.map(\.told).joined(separator: " ")
        }
    }
}

extension Value {
    fileprivate var told: String {
        switch self {
        case .data(let bytes): bytes.told
        case .list(let items): "[" + items.map(\.told).joined(separator: ", ") + "]"
        }
    }
}

extension Bytes {
    /// A long one keeps its end: that is what was written last.
    fileprivate var told: String { count <= 60 ? "\(self)" : "\(self[0..<20])…\(self[count - 30..<count])" }
}
