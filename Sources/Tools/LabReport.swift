/// What `swiftwater lab report` saw: measured, with plain answers made from what was measured. Rendered as Markdown, as a page
/// and as JSON; nothing in here knows how it came about.
struct LabReport: Equatable, Sendable {
    /// The members' software.
    var version = ""
    var members: [String] = []
    /// How long all of it took, in seconds.
    var seconds = 0.0
    var experiments: [LabExperiment] = []
    /// What holds over all experiments together.
    var claims: [LabClaim] = []

    var allClaims: [LabClaim] { experiments.flatMap(\.claims) + claims }
    /// Whether every promise that was tried was kept.
    var isSound: Bool { allClaims.allSatisfy(\.holds) }

    /// The verdict in a sentence.
    var verdict: String {
        let broken = allClaims.filter { !$0.holds }
        guard !broken.isEmpty else { return "All \(allClaims.count) promises that were tried were kept." }
        return "\(broken.count) of \(allClaims.count) promises that were tried were BROKEN: "
            + broken.map(\.text).joined(separator: " ")
    }
}

/// One experiment: its question, what was seen, and what that answers.
struct LabExperiment: Equatable, Sendable {
    /// `1`, `4a`.
    var number: String
    var title: String
    var question: String
    /// What was done, in a line or two.
    var course = ""
    /// The answer, a sentence or two each.
    var answer: [String] = []
    var timeline = LabTimeline()
    var tables: [LabTable] = []
    var claims: [LabClaim] = []
}

/// A promise that was tried: what was counted, and whether it was kept.
struct LabClaim: Equatable, Sendable {
    var text: String
    var holds: Bool
}

struct LabTable: Equatable, Sendable {
    var title: String
    var headings: [String]
    var rows: [[String]] = []
}

/// What happened when: times are seconds since the experiment began.
struct LabTimeline: Equatable, Sendable {
    enum State: Equatable, Sendable {
        case leader, follower
        /// It asks for votes, or whether it might.
        case candidate
        /// It did not answer: stopped, or not there yet.
        case silent
    }

    /// A stretch in which a member said the same.
    struct Span: Equatable, Sendable {
        var from: Double
        var to: Double
        var state: State
        var term: UInt64
    }

    struct Member: Equatable, Sendable {
        var name: String
        var spans: [Span] = []
    }

    enum Outcome: String, Equatable, Sendable, CaseIterable {
        /// The answer came: committed.
        case acknowledged
        /// Certain that nothing was done.
        case refused
        /// It may or may not have been done.
        case unknown
    }

    /// One write: when it was asked for, and when its answer came or was given up.
    struct Write: Equatable, Sendable {
        var from: Double
        var to: Double
        var outcome: Outcome
    }

    /// Somebody who writes all the time.
    struct Writer: Equatable, Sendable {
        var name: String
        var writes: [Write] = []

        func count(_ outcome: Outcome) -> Int { writes.count { $0.outcome == outcome } }
    }

    /// What was done to the cluster, or what it did.
    struct Moment: Equatable, Sendable {
        var time: Double
        var text: String
    }

    var seconds = 0.0
    var members: [Member] = []
    var writers: [Writer] = []
    var moments: [Moment] = []
}

extension LabTimeline.Writer {
    /// The longest time without an acknowledgement that begins before `until` and ends after `from`: what somebody who writes
    /// notices of an event in between. `end` nil: none came any more.
    func gap(from: Double, until: Double) -> (begin: Double, end: Double?)? {
        let times = writes.filter { $0.outcome == .acknowledged }.map(\.to).sorted()
        var longest: (begin: Double, end: Double?)?
        func length(_ gap: (begin: Double, end: Double?)) -> Double { (gap.end ?? .infinity) - gap.begin }
        for (place, begin) in times.enumerated() where begin <= until {
            let end = place + 1 < times.count ? times[place + 1] : nil
            // The writer stops writing some time: that is no gap.
            if end == nil, begin > from { continue }
            guard end ?? .infinity >= from else { continue }
            let gap = (begin, end)
            if longest.map({ length(gap) > length($0) }) ?? true { longest = gap }
        }
        return longest
    }
}

/// Lengths of time as a report writes them.
enum LabWords {
    /// `250 ms`, `1.3 s`.
    static func span(_ seconds: Double) -> String {
        seconds < 1 ? "\(Int((max(0, seconds) * 1000).rounded())) ms" : Durations.fixed(seconds, places: 1) + " s"
    }

    /// `at 2.04 s`.
    static func at(_ seconds: Double) -> String { "at \(Durations.fixed(max(0, seconds), places: 2)) s" }

    static func count(_ number: Int, _ one: String, _ many: String? = nil) -> String {
        "\(number) \(number == 1 ? one : many ?? one + "s")"
    }

    /// `n1`, `n1 and n2`, `n1, n2 and n3`.
    static func list(_ names: [String]) -> String {
        guard let last = names.last, names.count > 1 else { return names.first ?? "nobody" }
        return names.dropLast().joined(separator: ", ") + " and " + last
    }
}
