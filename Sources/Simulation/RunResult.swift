public import Base

/// What a checker saw that must never be.
public struct Violation: Sendable, Equatable, CustomStringConvertible {
    /// The checker's name, in lower case with hyphens: "log-matching".
    public var checker: String
    /// A sentence: who, what, where.
    public var what: String
    /// Virtual time of the run.
    public var at: Instant

    public init(checker: String, what: String, at: Instant) {
        self.checker = checker
        self.what = what
        self.at = at
    }

    public var description: String { "\(checker): \(what)" }
}

/// What came of a run.
public struct RunResult: Sendable {
    /// The first violation; the run ends with it.
    public var violation: Violation?
    /// Folded over everything that happened.
    public var traceHash: UInt64
    public var statistics: Statistics
    public var history: History
    /// What the checker of histories says of it; it may have found more than the violation that ended the run.
    public var linearizability: Linearizability
    public var coverage: Coverage
}

/// What happened in a run, in numbers.
public struct Statistics: Sendable, Equatable {
    /// Client operations that began.
    public var operations = 0
    /// Answered with success.
    public var succeeded = 0
    /// Certainly not applied.
    public var failed = 0
    /// Nobody knows.
    public var unknown = 0
    /// Operations that the checker of histories has looked at.
    public var checked = 0
    /// Of these, the ones on which it used up its budget: neither proved nor refuted.
    public var undecided = 0
    /// Requests of a session that were sent once more.
    public var retries = 0
    /// Terms that got a leader.
    public var elections = 0
    /// The largest term that any member came to.
    public var highestTerm: UInt64 = 0
    /// Faults that took effect, by kind (`Fault.Kind.rawValue`). One that finds its victim down has none.
    public var faults = [Int](repeating: 0, count: Fault.Kind.allCases.count)
    /// Messages between members that were sent, and that arrived.
    public var sent = 0
    public var delivered = 0
    /// Turns of all members: each is one `Replica.step`.
    public var steps = 0
    /// Process starts after the first.
    public var restarts = 0
    /// Snapshots that came from another member and took the place of what was there.
    public var snapshotsInstalled = 0
    /// Configurations that leaders appended.
    public var configurations = 0
    /// Items that were appended, acknowledged, and found once in the end; counted where there is nothing but appends.
    public var appends = 0
    /// Entries that were committed.
    public var committed = 0
    public var virtualTime = Interval.zero
    /// The longest time without any write that succeeded.
    public var longestGap = Interval.zero

    public init() {}

    public func count(of kind: Fault.Kind) -> Int { faults[Int(kind.rawValue)] }
    public var totalFaults: Int { faults.reduce(0, +) }
}

/// One line of a narrated run.
public struct TraceLine: Sendable, CustomStringConvertible {
    public var at: Instant
    /// The member it happened to, from 1; 0 for the world and its clients.
    public var member: Int
    public var text: String
    /// A fault, a start, an election: what somebody wants to know who reads how it came to something.
    public var isTurningPoint: Bool

    public init(at: Instant, member: Int, text: String, isTurningPoint: Bool = false) {
        self.at = at
        self.member = member
        self.text = text
        self.isTurningPoint = isTurningPoint
    }

    public var description: String { "\((at - .zero).shown) \(member == 0 ? "--" : "n\(member)") \(text)" }
}
