/// What a client did to one key, when, and what came of it.
struct Step: Hashable, Sendable {
    enum Action: Hashable, Sendable {
        /// What the read saw; nil: no such key.
        case get(saw: String?)
        case set(String)
        case append(String)
        /// What the delete found; nil: no such key.
        case delete(found: String?)
    }

    var action: Action
    /// Nanoseconds on one monotonic clock: before the request left.
    var called: UInt64
    /// After the answer came. Nil: the outcome is unknown, so that the operation may take effect at any time
    /// after it was called, or never. A read whose outcome is unknown says nothing and is not recorded.
    var returned: UInt64?
}

/// Decides whether the history of one key could have happened one operation at a time, each at a moment
/// between its call and its return: the search of Wing and Gong (1993), with Lowe's memory of the states
/// seen (2017). Keys are independent, so that a whole history is linearizable when each key's is.
///
/// The search is exponential in the worst case. Distinct values in writes keep it short; `budget` bounds it.
struct LinearizabilityChecker {
    enum Verdict: Equatable, Sendable {
        case linearizable
        /// The longest prefix found, as indices into the history, and where it got stuck.
        case violation(explanation: String)
        /// The budget was used up: neither proved nor refuted.
        case undecided
    }

    /// How many steps the search may take.
    var budget = 5_000_000

    /// `initial`: what the key held before; nil: it did not exist.
    func check(_ history: [Step], initial: String? = nil) -> Verdict {
        var search = Search(history: relevant(history), initial: initial, budget: budget)
        return search.run()
    }

    /// Leaves out writes of unknown outcome whose value nobody saw: if such a write took effect it was
    /// overwritten, or came last, and the same history without it is just as good. Values are distinct.
    private func relevant(_ history: [Step]) -> [Step] {
        let seen = history.compactMap { operation -> String? in
            switch operation.action {
            case .get(let saw): saw
            case .delete(let found): found
            case .set, .append: nil
            }
        }
        return history.filter { operation in
            guard operation.returned == nil else { return true }
            switch operation.action {
            case .set(let value), .append(let value): return seen.contains(where: { $0.contains(value) })
            case .delete: return true
            case .get: return false
            }
        }
    }
}

/// The states that a search meets, by number: comparing and hashing numbers is what keeps it quick when
/// values grow long. A transition is worked out once.
private struct States {
    /// Number 0 is "no such key".
    private var values: [String?] = [nil]
    private var numbers: [String: Int32] = [:]
    /// By state and operation: the next state, or -1 when the operation cannot have given its answer there.
    private var transitions: [UInt64: Int32] = [:]

    mutating func number(of value: String?) -> Int32 {
        guard let value else { return 0 }
        if let known = numbers[value] { return known }
        let number = Int32(values.count)
        values.append(value)
        numbers[value] = number
        return number
    }

    mutating func applying(_ index: Int, _ operation: Step, to state: Int32) -> Int32? {
        let key = UInt64(index) << 32 | UInt64(UInt32(bitPattern: state))
        if let known = transitions[key] { return known < 0 ? nil : known }
        let now = values[Int(state)]
        let next: Int32? = switch operation.action {
        case .get(let saw): saw == now ? state : nil
        case .set(let value): number(of: value)
        case .append(let suffix): number(of: (now ?? "") + suffix)
        // A delete of unknown outcome found whatever there was.
        case .delete(let found): operation.returned == nil || found == now ? 0 : nil
        }
        transitions[key] = next ?? -1
        return next
    }
}

private struct Search {
    /// Calls and returns in the order of time, as a doubly linked list from which linearized operations are
    /// lifted, and put back when the search retreats.
    struct Node {
        var operation: Int
        var isCall: Bool
        var previous: Int
        var next: Int
    }

    struct Seen: Hashable {
        var done: [UInt64]
        var state: Int32
    }

    let history: [Step]
    var nodes: [Node] = []
    var returnNode: [Int]
    var states = States()
    var state: Int32
    var done: [UInt64]
    var seen: Set<Seen> = []
    var stack: [(call: Int, before: Int32)] = []
    var budget: Int
    var deepest: [Int] = []
    static let end = -1

    init(history: [Step], initial: String?, budget: Int) {
        self.history = history
        self.state = states.number(of: initial)
        self.budget = budget
        done = Array(repeating: 0, count: history.count / 64 + 1)
        returnNode = Array(repeating: Self.end, count: history.count)
        // At equal times calls stand before returns: operations that touch count as concurrent.
        var events: [(time: UInt64, isReturn: Bool, operation: Int)] = []
        for (index, operation) in history.enumerated() {
            events.append((operation.called, false, index))
            events.append((operation.returned ?? .max, true, index))
        }
        events.sort { ($0.time, $0.isReturn ? 1 : 0, $0.operation) < ($1.time, $1.isReturn ? 1 : 0, $1.operation) }
        // Node 0 is the head.
        nodes.append(Node(operation: -1, isCall: false, previous: Self.end, next: events.isEmpty ? Self.end : 1))
        for (offset, event) in events.enumerated() {
            let place = offset + 1
            nodes.append(Node(operation: event.operation, isCall: !event.isReturn, previous: place - 1, next: place < events.count ? place + 1 : Self.end))
            if event.isReturn { returnNode[event.operation] = place }
        }
    }

    mutating func run() -> LinearizabilityChecker.Verdict {
        var at = nodes[0].next
        while at != Self.end {
            budget -= 1
            if budget < 0 { return .undecided }
            let node = nodes[at]
            let operation = history[node.operation]
            if node.isCall {
                if let next = states.applying(node.operation, operation, to: state), remember(node.operation, next) {
                    stack.append((at, state))
                    state = next
                    lift(at)
                    if stack.count > deepest.count { deepest = stack.map { nodes[$0.call].operation } }
                    at = nodes[0].next
                } else {
                    at = node.next
                }
                continue
            }
            // Every operation that returned is linearized: what is left may never have happened.
            if operation.returned == nil { return .linearizable }
            guard let (call, before) = stack.popLast() else { return .violation(explanation: explain()) }
            let undone = nodes[call].operation
            state = before
            done[undone / 64] &= ~(1 << UInt64(undone % 64))
            unlift(call)
            at = nodes[call].next
        }
        return .linearizable
    }

    /// Marks the operation as done; false, and nothing marked, when the same was tried before.
    private mutating func remember(_ operation: Int, _ next: Int32) -> Bool {
        done[operation / 64] |= 1 << UInt64(operation % 64)
        if seen.insert(Seen(done: done, state: next)).inserted { return true }
        done[operation / 64] &= ~(1 << UInt64(operation % 64))
        return false
    }

    private mutating func lift(_ call: Int) {
        for place in [call, returnNode[nodes[call].operation]] {
            let node = nodes[place]
            nodes[node.previous].next = node.next
            if node.next != Self.end { nodes[node.next].previous = node.previous }
        }
    }

    private mutating func unlift(_ call: Int) {
        for place in [returnNode[nodes[call].operation], call] {
            let node = nodes[place]
            nodes[node.previous].next = place
            if node.next != Self.end { nodes[node.next].previous = place }
        }
    }

    private func explain() -> String {
        let placed = Set(deepest)
        let missing = history.indices.filter { !placed.contains($0) && history[$0].returned != nil }
            .sorted { history[$0].called < history[$1].called }
        let order = deepest.suffix(6).map { "\(history[$0])" }.joined(separator: "\n  ")
        let stuck = missing.prefix(6).map { "\(history[$0])" }.joined(separator: "\n  ")
        return "\(deepest.count) of \(history.count) operations fit one order, that ends\n  \(order)\nand then none of these fits\n  \(stuck)"
    }
}
