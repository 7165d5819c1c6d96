import Base
import Keyspace

// What may have happened without anybody knowing, and when it is likely.
extension LinearizabilitySearch {
    private struct Guess {
        var place: Int32
        /// The lower the likelier.
        var doubt: Int
    }

    /// Of the operations of unknown outcome that the log is said to have put before `first`, and that share keys with it,
    /// the earliest.
    func placedBefore(_ first: Int32, _ deadline: UInt64) -> Int32? {
        var best: Int32?
        // A read sees the write whose revision it has.
        let target = problem.operations[Int(first)]
        var place = target.revision + (target.isObserver && target.revision > 0 ? 1 : 0)
        func look(_ other: Int32) {
            let operation = problem.operations[Int(other)]
            guard !hasPlace[Int(other)], operation.place > 0, operation.place < place, operation.start <= deadline else { return }
            best = other
            place = operation.place
        }
        for key in stamped { for other in unknown[Int(key)] { look(other) } }
        for other in unknownTransactions where isStamped(problem.touched[Int(problem.operations[Int(other)].touched.lowerBound)].key) {
            look(other)
        }
        return best
    }

    /// Adds to the choices what may have happened without anybody knowing. Of those that touch one key only what somebody
    /// who is waiting can be on the way to see: an effect that nobody sees before it is overwritten need not have happened.
    mutating func addUnknown(_ frame: Frame) {
        let deadline = problem.operations[Int(frame.due)].end
        _ = gather(frame.due, deadline)
        let joined = unknownTransactions.filter {
            let operation = problem.operations[Int($0)]
            return !hasPlace[Int($0)] && operation.start <= deadline
                && isStamped(problem.touched[Int(operation.touched.lowerBound)].key)
        }
        var guesses: [Guess] = []
        for place in joined {
            if let harm = harm(of: place) { guesses.append(Guess(place: place, doubt: 120 + harm)) }
        }
        for waiting in candidates {
            for touch in problem.operations[Int(waiting)].touched {
                let touch = problem.touched[Int(touch)]
                for place in open(touch.key, deadline) {
                    if let doubt = doubt(place, for: waiting, touch) { note(place, doubt, in: &guesses) }
                }
                for place in joined where touches(place, touch.key) {
                    if let doubt = doubt(place, for: waiting, touch) { note(place, doubt, in: &guesses) }
                }
            }
        }
        // What comes before a transaction that nobody knows of may be seen through it.
        if !joined.isEmpty {
            for key in stamped where joined.contains(where: { touches($0, key) }) {
                for place in open(key, deadline) { note(place, 150, in: &guesses) }
            }
        }
        // Better than what would do harm is what was doubtful.
        for place in candidates where !problem.operations[Int(place)].isObserver && state.apply(Int(place), problem) {
            if !isNext(place) || !isTold && isDoubtful(place) { note(place, isNext(place) ? 29 : 99, in: &guesses) }
            state.revert(Int(place), problem)
        }
        guesses.sort { ($0.doubt, $0.place) < ($1.doubt, $1.place) }
        for guess in guesses { choices.append(guess.place) }
    }

    /// How much farther the keys are from what was seen next; nil when it cannot happen now.
    private mutating func harm(of place: Int32) -> Int? {
        let before = distances(place)
        guard state.apply(Int(place), problem) else { return nil }
        defer { state.revert(Int(place), problem) }
        return 30 * max(0, distances(place) - before)
    }

    /// How far what a key holds is from being the beginning of what was seen there next, from 0 to 3.
    private func distance(_ key: Int32) -> Int {
        let ahead = state.ahead[Int(key)]
        guard ahead >= 0 else { return 0 }
        switch KeyStates.leads(state.values[Int(key)], to: problem.steps[Int(ahead)]) {
        case true?: return 0
        case false?: return state.values[Int(key)] == nil ? 2 : 1
        case nil: return 3
        }
    }

    /// Whether what an operation has left, which was applied just now, is not the beginning of what was seen next.
    func isDoubtful(_ place: Int32) -> Bool {
        problem.operations[Int(place)].touched.contains { touch in
            let touch = problem.touched[Int(touch)]
            return touch.isWrite && !touch.isBlind && distance(touch.key) == 3
        }
    }

    /// The sum of the distances of the keys that an operation writes.
    private func distances(_ place: Int32) -> Int {
        problem.operations[Int(place)].touched.reduce(0) { sum, touch in
            let touch = problem.touched[Int(touch)]
            return sum + (touch.isWrite ? distance(touch.key) : 0)
        }
    }

    private func note(_ place: Int32, _ doubt: Int, in guesses: inout [Guess]) {
        if let known = guesses.firstIndex(where: { $0.place == place }) {
            guesses[known].doubt = min(guesses[known].doubt, doubt)
        } else {
            guesses.append(Guess(place: place, doubt: doubt))
        }
    }

    /// Those of unknown outcome that touch this key alone and may happen now.
    private func open(_ key: Int32, _ deadline: UInt64) -> [Int32] {
        unknown[Int(key)].filter {
            let operation = problem.operations[Int($0)]
            return !hasPlace[Int($0)] && operation.start <= deadline && (operation.twin < 0 || hasPlace[Int(operation.twin)])
        }
    }

    private func touches(_ place: Int32, _ key: Int32) -> Bool {
        problem.operations[Int(place)].touched.contains { problem.touched[Int($0)].key == key }
    }

    /// How far it is from what an operation that waits has seen at a key; nil when it does not lead there.
    private mutating func doubt(_ place: Int32, for waiting: Int32, _ touch: LinearizabilityProblem.Touch) -> Int? {
        let steps = problem.operations[Int(waiting)].steps
        guard !touch.isBlind, let at = steps.first(where: { problem.steps[Int($0)].key == touch.key }) else { return nil }
        let step = problem.steps[Int(at)]
        // What is right as it is needs no more.
        let isRight = KeyStates.leads(state.values[Int(touch.key)], to: step) == true && distance(touch.key) < 3
        let needless = isRight ? 30 : 0
        let before = distances(place)
        guard state.apply(Int(place), problem) else { return nil }
        defer { state.revert(Int(place), problem) }
        guard state.allows(Int(waiting), key: touch.key, problem) else { return nil }
        let doubt = needless + 30 * max(0, distances(place) - before) + (waiting == candidates[0] ? 0 : 100)
        if case .nothing = step.seen { return 10 + doubt }
        guard let isThere = KeyStates.leads(state.values[Int(touch.key)], to: step) else { return nil }
        if case .value = step.seen { return (isThere ? 0 : 1) + doubt }
        let isUnseen = touch.sight < 0 && !problem.operations[Int(place)].isSeen
        return (isUnseen ? 2 : 4) + (isThere ? 0 : 1) + doubt
    }
}
