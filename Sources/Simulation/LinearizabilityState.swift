import Base
import Keyspace

/// What the keys hold at one place of the search, and how to go back.
struct KeyStates {
    typealias Step = LinearizabilityProblem.Step

    private struct Change {
        var key: Int32
        var value: Value?
        var hash: UInt64
    }

    /// By key; nil: missing.
    private(set) var values: [Value?]
    private var hashes: [UInt64]
    /// By key: the last one to touch it was of unknown outcome and touched nothing else. Who replaces what it left without a
    /// look makes that it need not have happened: such orders are left out.
    private var isUnmet: [Bool]
    private var unmetBefore: [Bool] = []
    /// By key: how many of its writers (`LinearizabilityProblem.writers`) have a place.
    private var passed: [Int32]
    /// By key: `Touch.ahead` of the last operation with an end.
    private(set) var ahead: [Int32]
    private var aheads: [Int32] = []
    private var changes: [Change] = []
    /// By place in the order: how many changes there were before. One for each operation that was applied.
    private var marks: [Int32] = []
    /// Of all keys. Equal values that came about in other pieces may differ in it: that costs time, not truth.
    private(set) var hash: UInt64 = 0

    init(_ problem: LinearizabilityProblem) {
        values = Array(repeating: nil, count: problem.keys.count)
        hashes = Array(repeating: 0, count: problem.keys.count)
        passed = Array(repeating: 0, count: problem.keys.count)
        ahead = problem.firstAhead
        isUnmet = Array(repeating: false, count: problem.keys.count)
    }

    /// Does what the operation does; false, and nothing done, when it cannot have been answered so here.
    mutating func apply(_ place: Int, _ problem: LinearizabilityProblem) -> Bool {
        let operation = problem.operations[place]
        if operation.revision > 0 {
            for touch in operation.touched {
                let touch = problem.touched[Int(touch)]
                guard allows(place, key: touch.key, problem, isWrite: touch.isWrite) else { return false }
            }
        }
        for touch in operation.touched {
            let touch = problem.touched[Int(touch)]
            if touch.isBlind, isUnmet[Int(touch.key)] { return false }
        }
        let mark = changes.count
        for at in operation.steps {
            guard apply(problem.steps[Int(at)]) else {
                undo(to: mark)
                return false
            }
        }
        if operation.hasFailed { undo(to: mark) }
        marks.append(Int32(mark))
        let isUnmet = operation.isUnknown && operation.touched.count == 1 && operation.place == 0
        for touch in operation.touched { meet(problem.touched[Int(touch)].key, isUnmet) }
        guard !operation.isUnknown || operation.revision > 0 else { return true }
        for touch in operation.touched {
            let touch = problem.touched[Int(touch)]
            aheads.append(ahead[Int(touch.key)])
            ahead[Int(touch.key)] = touch.ahead
            if touch.isWrite, operation.revision > 0 { passed[Int(touch.key)] += 1 }
        }
        return true
    }

    /// Takes back the last operation that was applied, which is this one.
    mutating func revert(_ place: Int, _ problem: LinearizabilityProblem) {
        guard let mark = marks.popLast() else { preconditionFailure("nothing was applied that could be taken back") }
        undo(to: Int(mark))
        let operation = problem.operations[place]
        for touch in operation.touched.reversed() { meet(problem.touched[Int(touch)].key, unmetBefore.removeLast(), isBack: true) }
        guard !operation.isUnknown || operation.revision > 0 else { return }
        for touch in operation.touched.reversed() {
            let touch = problem.touched[Int(touch)]
            ahead[Int(touch.key)] = aheads.removeLast()
            if touch.isWrite, operation.revision > 0 { passed[Int(touch.key)] -= 1 }
        }
    }

    /// Whether the revisions of a key let this operation be next.
    func allows(_ place: Int, key: Int32, _ problem: LinearizabilityProblem) -> Bool {
        let operation = problem.operations[place]
        guard operation.revision > 0 else { return true }
        let isWrite = operation.touched.contains {
            problem.touched[Int($0)].key == key && problem.touched[Int($0)].isWrite
        }
        return allows(place, key: key, problem, isWrite: isWrite)
    }

    private func allows(_ place: Int, key: Int32, _ problem: LinearizabilityProblem, isWrite: Bool) -> Bool {
        let revision = problem.operations[place].revision
        let next = Int(passed[Int(key)])
        let before = next > 0 ? problem.writers[Int(key)][next - 1].revision : 0
        if isWrite { return problem.writers[Int(key)][next].operation == place && before < revision }
        let after = next < problem.writers[Int(key)].count ? problem.writers[Int(key)][next].revision : .max
        return before <= revision && revision < after
    }

    private mutating func meet(_ key: Int32, _ isUnmet: Bool, isBack: Bool = false) {
        let before = self.isUnmet[Int(key)]
        if !isBack { unmetBefore.append(before) }
        guard before != isUnmet else { return }
        self.isUnmet[Int(key)] = isUnmet
        hash ^= Self.mix(key, 0x756e_6d65_7400_0001)
    }

    private mutating func undo(to mark: Int) {
        while changes.count > mark, let change = changes.popLast() {
            rehash(change.key, change.hash)
            values[Int(change.key)] = change.value
        }
    }

    private mutating func rehash(_ key: Int32, _ new: UInt64) {
        hash ^= Self.mix(key, hashes[Int(key)]) ^ Self.mix(key, new)
        hashes[Int(key)] = new
    }

    private static func mix(_ key: Int32, _ value: UInt64) -> UInt64 {
        guard value != 0 else { return 0 }
        var mixed = value
        mixed.fold(UInt64(UInt32(bitPattern: key)))
        return mixed
    }

    private mutating func change(_ key: Int32, _ value: Value?, _ hash: UInt64) {
        changes.append(Change(key: key, value: values[Int(key)], hash: hashes[Int(key)]))
        values[Int(key)] = value
        rehash(key, hash)
    }

    private mutating func apply(_ step: Step) -> Bool {
        let key = Int(step.key)
        switch step.verb {
        case .observe:
            return Self.fits(values[key], step)
        case .set:
            if case .impossible = step.seen { return false }
            change(step.key, step.argument, Self.hash(step.argument, after: nil, 0))
        case .delete:
            guard Self.fits(values[key], step) else { return false }
            if values[key] != nil { change(step.key, nil, 0) }
        case .append:
            let old = values[key]
            guard let argument = step.argument, Self.fits(old, step) else { return false }
            let new: Value
            switch (old, argument) {
            case (nil, _): new = argument
            case (.data(let bytes)?, .data(let suffix)): new = .data(bytes.appending(suffix))
            case (.list(var items)?, .list(let more)):
                for item in more { items.append(item) }
                new = .list(items)
            default: return false
            }
            change(step.key, new, Self.hash(argument, after: old, hashes[key]))
        }
        return true
    }

    /// Never 0, which is a missing key's.
    private static func hash(_ value: Value?, after old: Value?, _ before: UInt64) -> UInt64 {
        guard let value else { return 0 }
        var hash = old == nil ? UInt64(value.kind.rawValue) + 1 : before
        value.content.withUnsafeBytes { hash.fold($0) }
        return hash | 1
    }

    private static func fits(_ value: Value?, _ step: Step) -> Bool {
        switch step.seen {
        case .nothing: true
        case .value(let seen): seen == value
        case .length(let length) where step.verb == .append:
            (value?.length ?? 0) + (step.argument?.length ?? 0) == length && (value == nil || value?.kind == step.argument?.kind)
        case .length(let length): (value?.length ?? 0) == length
        case .exists(let exists): exists == (value != nil)
        case .kind(let kind): value?.kind == kind
        case .impossible: false
        }
    }

    /// Whether the step sees what it saw when the key holds this (true), or would when more was appended (false); nil
    /// when it never does.
    static func leads(_ value: Value?, to step: Step) -> Bool? {
        if fits(value, step) { return true }
        switch step.seen {
        case .nothing, .impossible: return nil
        case .value(nil): return nil
        case .value(let seen?):
            guard let value else { return false }
            return value.kind == seen.kind && seen.content.hasPrefix(value.content) ? false : nil
        case .length(let length):
            let more = step.verb == .append ? step.argument?.length ?? 0 : 0
            if step.verb == .append, let value, value.kind != step.argument?.kind { return nil }
            return (value?.length ?? 0) + more <= length ? false : nil
        case .exists(let exists): return exists ? false : nil
        case .kind: return value == nil ? false : nil
        }
    }
}

/// Places of the search from which no order goes on, and the keys on which that depends; by the 128 bits of what was
/// done and what it left.
struct FailureTable {
    private struct Slot {
        var done: UInt64 = 0
        var state: UInt64 = 0
        /// 0: empty. A failure depends on one key at least.
        var conflict: UInt64 = 0
    }

    private var slots: [Slot] = []
    private var count = 0

    func conflict(_ done: UInt64, _ state: UInt64) -> UInt64? {
        guard count > 0 else { return nil }
        let slot = slots[place(done, state)]
        return slot.conflict == 0 ? nil : slot.conflict
    }

    mutating func insert(_ done: UInt64, _ state: UInt64, _ conflict: UInt64) {
        if 2 * (count + 1) > slots.count { grow() }
        let at = place(done, state)
        if slots[at].conflict == 0 { count += 1 }
        slots[at] = Slot(done: done, state: state, conflict: conflict)
    }

    /// Where it is, or would be: slots are a power of two, and never full.
    private func place(_ done: UInt64, _ state: UInt64) -> Int {
        let mask = slots.count - 1
        var at = Int(truncatingIfNeeded: done ^ state) & mask
        while slots[at].conflict != 0, slots[at].done != done || slots[at].state != state { at = (at + 1) & mask }
        return at
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Slot(), count: max(64, 2 * old.count))
        for slot in old where slot.conflict != 0 { slots[place(slot.done, slot.state)] = slot }
    }
}
