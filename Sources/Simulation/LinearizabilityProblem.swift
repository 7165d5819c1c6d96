import Base
import Keyspace
import enum Keyspace.Operation

/// A history made ready for the search: keys and operations are numbers, and an operation is what it asks of each key.
struct LinearizabilityProblem {
    /// What an operation asks of one key, and what it says it saw there.
    struct Step {
        enum Verb: UInt8 {
            case observe, set, delete, append
        }

        enum Seen {
            /// Nobody told: anything will do.
            case nothing
            /// This was there.
            case value(Value?)
            /// It was so long; of an append: it was so long afterwards.
            case length(UInt64)
            case exists(Bool)
            /// It was there and of this kind, and so the operation failed.
            case kind(Value.Kind)
            /// No store can say so.
            case impossible
        }

        var key: Int32
        var verb: Verb
        /// Of a set the value, of an append what comes behind: bytes, or a list of one.
        var argument: Value?
        var seen: Seen
    }

    struct Call {
        /// In the history.
        var number: Int
        var start: UInt64
        /// `.max`: it may take effect at any time, or never.
        var end: UInt64
        /// 0: not told.
        var revision: UInt64
        /// Where it is tried first: its revision, or the one that the log is said to have given it.
        var place: UInt64
        /// In `steps`.
        var steps: Range<Int32>
        /// In `touched`.
        var touched: Range<Int32>
        var mask: UInt64 = 0
        /// It leaves everything as it was, as its answer shows.
        var isObserver: Bool
        /// It failed, and undid what it had done.
        var hasFailed = false
        /// One before it, of unknown outcome and otherwise the same; -1: none. It goes first.
        var twin: Int32 = -1
        /// Somebody has seen what it wrote, or may have.
        var isSeen = true

        var isUnknown: Bool { end == .max }
    }

    struct Touch {
        var key: Int32
        var isWrite: Bool
        /// What was there is replaced without a look.
        var isBlind: Bool
        /// The next step on this key, by revision or by end, that saw its whole value, when no known write replaced it
        /// before that; -1: none. What the key holds after this touch begins that value, unless an operation of unknown
        /// outcome came between.
        var ahead: Int32 = -1
        /// The same of what the key holds before this touch.
        var sight: Int32 = -1
    }

    /// A write whose place among the writes of its key is known.
    struct Writer {
        var operation: Int32
        var revision: UInt64
    }

    /// By start.
    private(set) var operations: [Call] = []
    private(set) var steps: [Step] = []
    /// The keys of each operation, each once.
    private(set) var touched: [Touch] = []
    private(set) var keys: [Bytes] = []
    /// Operations that touch no key.
    private(set) var keyless = 0
    /// By key, ascending by revision.
    private(set) var writers: [[Writer]] = []
    /// By key: the bits of those that are met most are their own.
    private(set) var masks: [UInt64] = []

    /// By key: what `Touch.ahead` would be of a touch before all others.
    private(set) var firstAhead: [Int32] = []

    private var numbers: [Bytes: Int32] = [:]

    /// `chosen`: these operations of the history only, those that end after `until` being of unknown outcome; `only`: what
    /// they ask of these keys.
    init(_ history: History, _ chosen: [Int]? = nil, until: UInt64 = .max, only: [Bytes]? = nil) {
        let all = history.operations
        var order = (chosen ?? Array(all.indices)).filter { Self.says(all[$0]) }
        let isSorted = zip(order, order.dropFirst()).allSatisfy { all[$0].start <= all[$1].start }
        if !isSorted { order.sort { (all[$0].start, $0) < (all[$1].start, $1) } }
        if let only {
            for key in only { _ = number(of: key) }
        } else {
            for place in order {
                Self.forEach(all[place].command) { if let key = $0.key { _ = number(of: key) } }
            }
        }
        let scope = Scope(keys: keys, isClosed: only != nil)
        operations.reserveCapacity(order.count)
        for place in order { add(all[place], place, until: until, scope) }
        findWriters()
        lookAhead()
        findTwins()
        giveMasks()
    }

    /// The keys that count, in byte order, for operations that ask for many.
    private struct Scope {
        var sorted: [Bytes]
        /// What is asked of other keys is left out.
        var isClosed: Bool

        init(keys: [Bytes], isClosed: Bool) {
            sorted = keys.sorted()
            self.isClosed = isClosed
        }
    }

    private static func says(_ operation: History.Operation) -> Bool {
        guard !operation.isLocal else { return false }
        switch operation.ending {
        case .ok: return true
        case .unknown: return !operation.command.isReadOnly
        case .failed:
            guard case .failed(let failure)? = operation.outcome?.result, case .wrongKind = failure.reason else { return false }
            return true
        }
    }

    private static func forEach(_ command: Command, _ body: (Operation) -> Void) {
        switch command {
        case .single(let operation): body(operation)
        case .transaction(let operations): for operation in operations { body(operation) }
        }
    }

    private mutating func number(of key: Bytes) -> Int32 {
        if let known = numbers[key] { return known }
        let number = Int32(keys.count)
        numbers[key] = number
        keys.append(key)
        return number
    }

    // MARK: What an operation asks

    private mutating func add(_ operation: History.Operation, _ number: Int, until: UInt64, _ scope: Scope) {
        let first = Int32(steps.count)
        var hasFailed = false
        switch (operation.command, operation.outcome?.result) {
        case (.single(let only), .failed(let failure)?):
            hasFailed = true
            fail(only, failure, scope)
        case (.transaction(let parts), .failed(let failure)?):
            hasFailed = true
            for (place, part) in parts.enumerated() where place <= failure.operation {
                if place < failure.operation { ask(part, nil, scope) } else { fail(part, failure, scope) }
            }
        case (.single(let only), .single(let result)?): ask(only, result, scope)
        case (.transaction(let parts), .transaction(let results)?) where parts.count == results.count:
            for (part, result) in zip(parts, results) { ask(part, result, scope) }
        case (let command, let result):
            // Nobody told what came of it; or something that does not belong to it.
            let isTold = if let result, result != .none { true } else { false }
            Self.forEach(command) { ask($0, nil, scope, impossible: isTold) }
        }
        guard Int32(steps.count) > first else {
            keyless += 1
            return
        }
        let isKnown = operation.ending != .unknown && (operation.end?.nanoseconds ?? .max) <= until
        operations.append(
            Call(
                number: number, start: operation.start.nanoseconds,
                end: isKnown ? operation.end?.nanoseconds ?? .max : .max, revision: operation.outcome?.revision ?? 0,
                place: operation.ending == .unknown ? operation.place : operation.outcome?.revision ?? 0,
                steps: first..<Int32(steps.count), touched: 0..<0, isObserver: true, hasFailed: hasFailed))
        touch(operations.count - 1)
    }

    private mutating func ask(
        _ operation: Operation, _ result: OperationResult?, _ scope: Scope, impossible: Bool = false
    ) {
        if case .keys(let prefix, let after, let limit) = operation {
            return askForKeys(prefix, after, limit, result, scope)
        }
        guard let key = operation.key, !scope.isClosed || numbers[key] != nil else { return }
        var step = Step(key: number(of: key), verb: .observe, seen: impossible ? .impossible : .nothing)
        switch operation {
        case .ping, .keys: return
        case .get, .strlen: break
        case .set(_, let value): (step.verb, step.argument) = (.set, value)
        case .delete: step.verb = .delete
        case .append(_, let suffix): (step.verb, step.argument) = (.append, .data(suffix))
        case .appendItem(_, let item): (step.verb, step.argument) = (.append, .list([item]))
        }
        switch (operation, result) {
        case (_, nil), (.set, .set?): break
        case (.get, .value(let value, _)?): step.seen = .value(value)
        case (.strlen, .length(let length)?): step.seen = .length(length)
        case (.delete, .deleted(let previous)?): step.seen = .value(previous)
        case (.append, .appended(let length)?), (.appendItem, .appended(let length)?): step.seen = .length(length)
        default: step.seen = .impossible
        }
        steps.append(step)
    }

    /// The append that found a value of the wrong kind.
    private mutating func fail(_ operation: Operation, _ failure: OperationFailure, _ scope: Scope) {
        guard let key = operation.key, !scope.isClosed || numbers[key] != nil,
            case .wrongKind(_, let holds) = failure.reason
        else { return }
        steps.append(Step(key: number(of: key), verb: .observe, seen: .kind(holds)))
    }

    /// Which of the keys that anybody ever touched existed. A limit that was reached says nothing of those behind.
    private mutating func askForKeys(
        _ prefix: Bytes, _ after: Bytes, _ limit: UInt64, _ result: OperationResult?, _ scope: Scope
    ) {
        var found: [Bytes]?
        if case .keys(let keys)? = result { found = keys }
        let isCut = limit > 0 && UInt64(found?.count ?? 0) == limit
        var next = 0
        for key in scope.sorted where key.hasPrefix(prefix) && key > after {
            guard let found else {
                steps.append(Step(key: number(of: key), verb: .observe, seen: result == nil ? .nothing : .impossible))
                continue
            }
            if isCut, let last = found.last, key > last { break }
            let exists = next < found.count && found[next] == key
            if exists { next += 1 }
            steps.append(Step(key: number(of: key), verb: .observe, seen: .exists(exists)))
        }
        // A key that nobody ever made, or keys out of order.
        if !scope.isClosed, let found, next < found.count {
            steps.append(Step(key: number(of: found[next]), verb: .observe, seen: .impossible))
        }
    }

    private mutating func touch(_ place: Int) {
        let first = touched.count
        let isKnown = !operations[place].isUnknown
        for step in steps[Int(operations[place].steps.lowerBound)..<Int(operations[place].steps.upperBound)] {
            var changes = step.verb != .observe && !operations[place].hasFailed
            if step.verb == .delete, case .value(nil) = step.seen { changes = false }
            if changes { operations[place].isObserver = false }
            if let known = touched[first...].firstIndex(where: { $0.key == step.key }) {
                touched[known].isWrite = touched[known].isWrite || changes
                continue
            }
            var isBlind = step.verb == .set
            if step.verb == .delete, case .nothing = step.seen { isBlind = true }
            touched.append(Touch(key: step.key, isWrite: changes, isBlind: isBlind && !operations[place].hasFailed))
        }
        operations[place].touched = Int32(first)..<Int32(touched.count)
        // What nobody saw and what changes nothing need not happen at all.
        if !isKnown, operations[place].isObserver { operations.removeLast() }
    }

    // MARK: All operations together

    private mutating func findWriters() {
        writers = Array(repeating: [], count: keys.count)
        for (place, operation) in operations.enumerated() where operation.revision > 0 && !operation.isObserver {
            for touch in touched[Int(operation.touched.lowerBound)..<Int(operation.touched.upperBound)] where touch.isWrite {
                writers[Int(touch.key)].append(Writer(operation: Int32(place), revision: operation.revision))
            }
        }
        for key in writers.indices { writers[key].sort { ($0.revision, $0.operation) < ($1.revision, $1.operation) } }
    }

    private mutating func lookAhead() {
        let calls = operations
        var order = calls.indices.filter { !calls[$0].isUnknown }
        func rank(_ place: Int) -> (UInt64, Int, UInt64, Int) {
            let operation = calls[place]
            return (operation.revision, operation.revision > 0 && operation.isObserver ? 1 : 0, operation.end, place)
        }
        order.sort { rank($0) < rank($1) }
        var next = [Int32](repeating: -1, count: keys.count)
        for place in order.reversed() {
            for touch in operations[place].touched { touched[Int(touch)].ahead = next[Int(touched[Int(touch)].key)] }
            for at in operations[place].steps.reversed() {
                let step = steps[Int(at)]
                if step.verb == .set { next[Int(step.key)] = -1 }
                if case .value = step.seen { next[Int(step.key)] = at }
            }
            for touch in operations[place].touched { touched[Int(touch)].sight = next[Int(touched[Int(touch)].key)] }
        }
        firstAhead = next
    }

    /// Of operations of unknown outcome that differ in nothing that anybody has seen one may stand for the other, and so the
    /// one that began first goes first.
    private mutating func findTwins() {
        var pieces = SeenPieces(keys: keys.count)
        let single = operations.indices.filter { operations[$0].isUnknown && operations[$0].steps.count == 1 }
        guard !single.isEmpty else { return }
        for place in single { pieces.look(for: steps[Int(operations[place].steps.lowerBound)]) }
        for step in steps { pieces.see(step) }
        var last: [TwinClass: Int32] = [:]
        for place in single {
            let step = steps[Int(operations[place].steps.lowerBound)]
            guard case .nothing = step.seen, !pieces.haveSeen(step) else { continue }
            operations[place].isSeen = false
            let twins = TwinClass(
                key: step.key, verb: step.verb.rawValue, kind: step.argument?.kind, length: step.argument?.length ?? 0)
            operations[place].twin = last[twins] ?? -1
            last[twins] = Int32(place)
        }
    }

    private struct TwinClass: Hashable {
        var key: Int32
        var verb: UInt8
        var kind: Value.Kind?
        var length: UInt64
    }

    private mutating func giveMasks() {
        var heat = [Int](repeating: 0, count: keys.count)
        for touch in touched { heat[Int(touch.key)] += 1 }
        masks = Array(repeating: 0, count: keys.count)
        for (rank, key) in keys.indices.sorted(by: { (heat[$1], $0) < (heat[$0], $1) }).enumerated() {
            masks[key] = 1 << UInt64(rank < 48 ? rank : 48 + rank % 16)
        }
        for place in operations.indices {
            for touch in touched[Int(operations[place].touched.lowerBound)..<Int(operations[place].touched.upperBound)] {
                operations[place].mask |= masks[Int(touch.key)]
            }
        }
    }

    /// Places of the operations of each group of keys that operations join, in the order of their first operations.
    func groups() -> [[Int32]] {
        var parent = Array(Int32(0)..<Int32(keys.count))
        func root(_ key: Int32) -> Int32 {
            var key = key
            while parent[Int(key)] != key {
                parent[Int(key)] = parent[Int(parent[Int(key)])]
                key = parent[Int(key)]
            }
            return key
        }
        for operation in operations {
            let first = root(touched[Int(operation.touched.lowerBound)].key)
            for place in operation.touched.dropFirst() { parent[Int(root(touched[Int(place)].key))] = first }
        }
        var groupOf = [Int](repeating: -1, count: keys.count)
        var groups: [[Int32]] = []
        for (place, operation) in operations.enumerated() {
            let key = Int(root(touched[Int(operation.touched.lowerBound)].key))
            if groupOf[key] < 0 {
                groupOf[key] = groups.count
                groups.append([])
            }
            groups[groupOf[key]].append(Int32(place))
        }
        return groups
    }
}

extension Value {
    /// The bytes it is made of: a longer value of the same kind that begins with it begins with these.
    var content: Bytes {
        switch self {
        case .data(let bytes): bytes
        case .list(let items): items.packed
        }
    }
}
