public import Base

/// Decides whether a history could have happened one operation at a time, each at a moment between its start and its end
/// (Herlihy and Wing, 1990): the search of Wing and Gong (1993) with Lowe's memory of what failed (2017).
///
/// - Keys that no transaction and no `keys` joins are independent: each group of joined keys is searched by itself.
/// - An operation of unknown outcome may take effect at any time after its start, or never. One that certainly failed is
///   left out, unless it tells what it found. Reads of one member's own state (`isLocal`) are left out.
/// - Revisions, where they are told, must agree with the order: of two writes of a key the one with the lower revision
///   came first, and a read saw the writes up to its revision and none beyond. They also keep the search short.
/// - What failed is remembered by a hash of 128 bits of what was done and what it left, not by the thing itself.
///
/// The search is exponential in the worst case, and has a budget. A group that used it up is `undecided`: neither proved
/// nor refuted, and counted.
public struct Linearizability: Sendable, Equatable {
    /// Operations that say something: those that succeeded, that tell why they failed, and writes of unknown outcome.
    public var operations = 0
    /// Keys that they touch.
    public var keys = 0
    /// Operations in groups whose search used up its budget.
    public var undecided = 0
    /// Steps of the search: one for each operation when it never errs.
    public var steps = 0
    /// What could not have happened, of the first group that could not.
    public var rejection: Rejection?

    public init() {}

    /// Proved, all of it.
    public var isProved: Bool { rejection == nil && undecided == 0 }

    /// Why a history could not have happened: a window of it that has no order.
    public struct Rejection: Sendable, Equatable {
        public var key: Bytes
        /// Numbers of operations in the history, by their start. Without the last one there is an order.
        public var window: [Int]
        /// One line for each operation of the window, and what makes the last one impossible.
        public var lines: [String]
        /// The same in one sentence.
        public var summary: String
    }

    /// Far more than an honest history takes, in steps for each group of keys; some seconds at worst.
    public static let standardBudget = 2_000_000

    public static func check(_ history: History, budget: Int = standardBudget) -> Linearizability {
        let problem = LinearizabilityProblem(history)
        var result = Linearizability()
        result.operations = problem.operations.count + problem.keyless
        result.keys = problem.keys.count
        var search = LinearizabilitySearch(problem, budget: budget)
        for group in problem.groups() {
            let verdict = search.run(group)
            result.steps = search.steps
            switch verdict {
            case .linearizable: continue
            case .undecided: result.undecided += group.count
            case .stuck(let operation):
                result.rejection = LinearizabilityWindow(history, problem, group, stuckAt: operation).rejection()
                return result
            }
        }
        return result
    }
}
