/// What led to the end of a run, as far as somebody wants to read: the turning points, and the last lines of all.
/// Hears every line of a trace and keeps few.
public struct Narration: Sendable {
    private let limit: Int
    private var turningPoints: [TraceLine] = []
    private var last: [TraceLine] = []

    /// - Parameter limit: So many lines of either kind are kept.
    public init(limit: Int = 40) { self.limit = limit }

    public mutating func hear(_ line: TraceLine) {
        // Twice as many before the older half goes: no line is moved more than once.
        if last.count == 2 * limit {
            keepTurningPoints(of: last.prefix(limit))
            last.removeFirst(limit)
        }
        last.append(line)
    }

    private mutating func keepTurningPoints(of lines: ArraySlice<TraceLine>) {
        turningPoints += lines.filter(\.isTurningPoint)
        if turningPoints.count > 2 * limit { turningPoints.removeFirst(turningPoints.count - limit) }
    }

    /// In order of time. First the turning points before the last lines, then those.
    public var lines: [TraceLine] {
        var whole = self
        whole.keepTurningPoints(of: last.dropLast(limit))
        return whole.turningPoints.suffix(limit) + last.suffix(limit)
    }
}
