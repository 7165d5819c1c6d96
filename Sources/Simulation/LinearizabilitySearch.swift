import Base
import Keyspace

/// The search for an order of one group of operations.
///
/// It always looks at the operation that ended first of those that have no place yet (the due one). Until it has one, only
/// operations that had begun when it ended can be next, and of those only the ones that its keys join to it need be tried:
/// the others commute with them, and their own turn comes. One that changes nothing and fits goes at once, since it can
/// do no harm. When nothing fits, the search goes back to the last choice that touched a key on which the failure depends.
struct LinearizabilitySearch {
    enum Verdict: Equatable {
        case linearizable
        case undecided
        /// No order reaches beyond the end of this operation, and one reaches up to it.
        case stuck(Int)
    }

    typealias Step = LinearizabilityProblem.Step

    /// A choice, or a step that had no alternative.
    struct Frame {
        /// The operation that was given its place here.
        var operation: Int32 = -1
        var due: Int32
        /// In `choices`: all candidates, and the next to be tried.
        var first: Int32
        var next: Int32
        /// Nothing else was possible.
        var isForced: Bool
        /// Candidates of unknown outcome stand among the choices.
        var hasUnknown = false
        /// Where `byEnd` was.
        var cursor: Int32
        /// Keys of the candidates.
        var mask: UInt64
        /// Keys on which the failure of alternatives depends.
        var conflict: UInt64 = 0
    }

    let problem: LinearizabilityProblem
    /// For each group.
    let budget: Int
    /// Of all groups so far.
    private(set) var steps = 0
    private var firstStep = 0

    var state: KeyStates
    var hasPlace: [Bool]
    private var doneHash: UInt64 = 0
    /// Those with an end, by their end.
    private var byEnd: [Int32] = []
    private var cursor = 0
    /// Those with an end and without a place, by start: a list through both; the last element is the head.
    private var nextKnown: [Int32]
    private var previousKnown: [Int32]
    /// By key: those of unknown outcome that touch it alone.
    var unknown: [[Int32]]
    /// Those of unknown outcome that touch several.
    private(set) var unknownTransactions: [Int32] = []
    /// The log has told where some of these are.
    private(set) var isTold = false
    private var frames: [Frame] = []
    var choices: [Int32] = []
    private var failures = FailureTable()
    private var furthest: Int32 = -1

    // What belongs to one look.
    private var stamp: [Int32]
    private var stampNow: Int32 = 0
    var stamped: [Int32] = []
    var candidates: [Int32] = []

    init(_ problem: LinearizabilityProblem, budget: Int) {
        self.problem = problem
        self.budget = budget
        let count = problem.operations.count
        state = KeyStates(problem)
        hasPlace = Array(repeating: false, count: count)
        nextKnown = Array(repeating: -1, count: count + 1)
        previousKnown = Array(repeating: -1, count: count + 1)
        unknown = Array(repeating: [], count: problem.keys.count)
        stamp = Array(repeating: 0, count: problem.keys.count)
    }

    /// Looks for an order of one group, which shares no key with those before.
    mutating func run(_ group: [Int32]) -> Verdict {
        begin(group)
        return search()
    }

    private mutating func begin(_ group: [Int32]) {
        let operations = problem.operations
        let head = operations.count
        var last = Int32(head)
        byEnd.removeAll(keepingCapacity: true)
        unknownTransactions.removeAll(keepingCapacity: true)
        frames.removeAll(keepingCapacity: true)
        choices.removeAll(keepingCapacity: true)
        failures = FailureTable()
        (cursor, furthest, firstStep, isTold) = (0, -1, steps, false)
        for place in group {
            let operation = operations[Int(place)]
            if operation.isUnknown {
                if operation.place > 0 { isTold = true }
                if operation.touched.count == 1 {
                    unknown[Int(problem.touched[Int(operation.touched.lowerBound)].key)].append(place)
                } else {
                    unknownTransactions.append(place)
                }
                continue
            }
            byEnd.append(place)
            nextKnown[Int(last)] = place
            previousKnown[Int(place)] = last
            last = place
        }
        nextKnown[Int(last)] = Int32(head)
        previousKnown[head] = last
        byEnd.sort { (operations[Int($0)].end, $0) < (operations[Int($1)].end, $1) }
    }

    private mutating func search() -> Verdict {
        while true {
            while cursor < byEnd.count, hasPlace[Int(byEnd[cursor])] { cursor += 1 }
            guard cursor < byEnd.count else { return .linearizable }
            steps += 1
            if steps - firstStep > budget { return .undecided }
            let due = byEnd[cursor]
            if place(problem.operations[Int(due)].isObserver, due, due) { continue }
            if let conflict = look(due), !retreat(conflict) {
                return .stuck(problem.operations[Int(furthest)].number)
            }
        }
    }

    /// Gives an operation its place as the only thing to do, if it may be the only thing, and fits.
    private mutating func place(_ isForced: Bool, _ operation: Int32, _ due: Int32) -> Bool {
        guard isForced, state.apply(Int(operation), problem) else { return false }
        take(operation)
        frames.append(
            Frame(
                operation: operation, due: due, first: Int32(choices.count), next: Int32(choices.count), isForced: true,
                cursor: Int32(cursor), mask: problem.operations[Int(operation)].mask))
        return true
    }

    /// Finds what can be next, and takes the first of it. Otherwise: the keys on which it depends that nothing can.
    private mutating func look(_ due: Int32) -> UInt64? {
        let deadline = problem.operations[Int(due)].end
        if furthest < 0 || deadline > problem.operations[Int(furthest)].end { furthest = due }
        if let known = failures.conflict(doneHash, state.hash) { return known }
        let mask = gather(due, deadline)
        for candidate in candidates where place(problem.operations[Int(candidate)].isObserver, candidate, due) { return nil }
        var frame = Frame(
            due: due, first: Int32(choices.count), next: Int32(choices.count), isForced: false, cursor: Int32(cursor),
            mask: mask)
        if let placed = placedBefore(candidates[0], deadline) { choices.append(placed) }
        for candidate in candidates where isNext(candidate) { choices.append(candidate) }
        guard advance(&frame) else { return fail(frame) }
        frames.append(frame)
        return nil
    }

    /// Whether no revision says that another one comes first.
    func isNext(_ candidate: Int32) -> Bool {
        let operation = problem.operations[Int(candidate)]
        return !operation.isObserver && operation.revision <= problem.operations[Int(candidates[0])].revision
    }

    /// Fills `candidates` with operations that have begun by `deadline`, have an end, and are joined to `due` by keys,
    /// by revision or by end; and stamps the keys.
    mutating func gather(_ due: Int32, _ deadline: UInt64) -> UInt64 {
        stampNow += 1
        stamped.removeAll(keepingCapacity: true)
        candidates.removeAll(keepingCapacity: true)
        join(due)
        var isGrowing = true
        while isGrowing {
            isGrowing = false
            var place = nextKnown[hasPlace.count]
            while place < hasPlace.count, problem.operations[Int(place)].start <= deadline {
                if joins(place) { isGrowing = true }
                place = nextKnown[Int(place)]
            }
            for place in unknownTransactions where !hasPlace[Int(place)] && problem.operations[Int(place)].start <= deadline {
                if joins(place) { isGrowing = true }
            }
        }
        var mask = problem.operations[Int(due)].mask
        var place = nextKnown[hasPlace.count]
        while place < hasPlace.count, problem.operations[Int(place)].start <= deadline {
            let operation = problem.operations[Int(place)]
            if isStamped(problem.touched[Int(operation.touched.lowerBound)].key) {
                mask |= operation.mask
                var at = candidates.count
                candidates.append(place)
                while at > 0, comes(place, before: candidates[at - 1]) {
                    candidates.swapAt(at, at - 1)
                    at -= 1
                }
            }
            place = nextKnown[Int(place)]
        }
        for place in unknownTransactions where !hasPlace[Int(place)] {
            let operation = problem.operations[Int(place)]
            if operation.start <= deadline, isStamped(problem.touched[Int(operation.touched.lowerBound)].key) { mask |= operation.mask }
        }
        return mask
    }

    private func comes(_ place: Int32, before other: Int32) -> Bool {
        let (a, b) = (problem.operations[Int(place)], problem.operations[Int(other)])
        return (a.revision, a.end) < (b.revision, b.end)
    }

    func isStamped(_ key: Int32) -> Bool { stamp[Int(key)] == stampNow }

    private mutating func join(_ place: Int32) {
        for touch in problem.operations[Int(place)].touched {
            let key = problem.touched[Int(touch)].key
            guard !isStamped(key) else { continue }
            stamp[Int(key)] = stampNow
            stamped.append(key)
        }
    }

    /// Stamps all keys of an operation when one is stamped; whether that was news.
    private mutating func joins(_ place: Int32) -> Bool {
        let touched = problem.operations[Int(place)].touched
        if touched.count == 1 { return false }
        var some = false
        var all = true
        for touch in touched {
            if isStamped(problem.touched[Int(touch)].key) { some = true } else { all = false }
        }
        guard some, !all else { return false }
        join(place)
        return true
    }

    /// Takes the next candidate of a frame that fits: first those after which the keys hold the beginning of what was seen
    /// next, then what may have happened without anybody knowing, then the others.
    private mutating func advance(_ frame: inout Frame) -> Bool {
        while true {
            while Int(frame.next) < choices.count {
                let candidate = choices[Int(frame.next)]
                frame.next += 1
                steps += 1
                guard state.apply(Int(candidate), problem) else { continue }
                if !frame.hasUnknown, !isTold, isDoubtful(candidate) {
                    state.revert(Int(candidate), problem)
                    continue
                }
                take(candidate)
                frame.operation = candidate
                return true
            }
            if frame.hasUnknown { return false }
            frame.hasUnknown = true
            addUnknown(frame)
        }
    }

    private mutating func fail(_ frame: Frame) -> UInt64 {
        let conflict = frame.conflict | frame.mask
        failures.insert(doneHash, state.hash, conflict)
        choices.removeLast(choices.count - Int(frame.first))
        return conflict
    }

    /// Goes back to a choice on which the failure depends and that has an alternative; false when there is none.
    private mutating func retreat(_ conflict: UInt64) -> Bool {
        var conflict = conflict
        while var frame = frames.popLast() {
            giveBack(frame.operation)
            cursor = Int(frame.cursor)
            // "The failure lies in what is left of these keys": a step on other keys has no part in it.
            let hasPart = conflict & problem.operations[Int(frame.operation)].mask != 0
            if frame.isForced {
                if hasPart { conflict |= frame.mask }
                continue
            }
            guard hasPart else {
                choices.removeLast(choices.count - Int(frame.first))
                continue
            }
            frame.conflict |= conflict
            if advance(&frame) {
                frames.append(frame)
                return true
            }
            conflict = fail(frame)
        }
        return false
    }

    private mutating func take(_ place: Int32) {
        hasPlace[Int(place)] = true
        doneHash ^= Self.tag(place)
        guard !problem.operations[Int(place)].isUnknown else { return }
        nextKnown[Int(previousKnown[Int(place)])] = nextKnown[Int(place)]
        previousKnown[Int(nextKnown[Int(place)])] = previousKnown[Int(place)]
    }

    private mutating func giveBack(_ place: Int32) {
        state.revert(Int(place), problem)
        hasPlace[Int(place)] = false
        doneHash ^= Self.tag(place)
        guard !problem.operations[Int(place)].isUnknown else { return }
        nextKnown[Int(previousKnown[Int(place)])] = place
        previousKnown[Int(nextKnown[Int(place)])] = place
    }

    private static func tag(_ place: Int32) -> UInt64 {
        var mixer = SplitMix64(seed: UInt64(UInt32(bitPattern: place)))
        return mixer.next()
    }
}
