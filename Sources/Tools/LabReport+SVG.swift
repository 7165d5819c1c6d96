/// A timeline as a drawing: a row for each member, coloured by term and full where it led; a row for each writer below; what was
/// done to the cluster as numbered lines. It takes its colours from the page's style.
struct LabDrawing {
    let timeline: LabTimeline

    static let width = 960.0
    private static let left = 118.0
    private static let right = 14.0
    private static let top = 30.0
    private static let rowHeight = 30.0
    private static let writerHeight = 20.0
    /// Writes of one outcome that are nearer than this are one mark, in seconds: nobody could tell them apart.
    private static let nearness = 0.04

    /// An acknowledgement that takes longer was waited for, in seconds.
    private static let quick = 0.03

    private var span: Double { max(timeline.seconds, 0.001) }
    private func x(_ time: Double) -> Double {
        Self.left + (Self.width - Self.left - Self.right) * min(max(time / span, 0), 1)
    }
    private var membersEnd: Double { Self.top + Double(timeline.members.count) * Self.rowHeight }
    private var writersEnd: Double { membersEnd + 6 + Double(timeline.writers.count) * Self.writerHeight }
    private var height: Double { writersEnd + 30 }

    /// The SVG element. `label` is what a screen reader says of it.
    func svg(_ label: String) -> String {
        var parts = [
            "<svg viewBox=\"0 0 \(Self.number(Self.width)) \(Self.number(height))\" role=\"img\" aria-label=\"\(LabPage.escaped(label))\">"
        ]
        parts += axis
        for (place, member) in timeline.members.enumerated() { parts += row(member, at: Self.top + Double(place) * Self.rowHeight) }
        for (place, writer) in timeline.writers.enumerated() {
            parts += row(writer, at: membersEnd + 6 + Double(place) * Self.writerHeight)
        }
        parts += moments
        return (parts + ["</svg>"]).joined(separator: "\n")
    }

    private func row(_ member: LabTimeline.Member, at y: Double) -> [String] {
        var parts = [Self.text(Self.left - 10, y + Self.rowHeight / 2, member.name, "label end")]
        for span in member.spans {
            let begin = x(span.from), width = max(1, x(span.to) - begin)
            let colour = span.state == .silent ? "" : " style=\"--term:\(Self.hue(span.term))\""
            parts.append(
                "<rect class=\"\(Self.style(span.state))\"\(colour) x=\"\(Self.number(begin))\" y=\"\(Self.number(y + 3))\" width=\"\(Self.number(width))\" height=\"\(Self.number(Self.rowHeight - 6))\"><title>\(LabPage.escaped(Self.words(span, member.name)))</title></rect>"
            )
            let words = span.state == .leader ? "★ term \(span.term)" : span.state == .silent ? "" : "\(span.term)"
            // About as wide as its letters are.
            guard !words.isEmpty, width > 9.0 * Double(words.count) else { continue }
            parts.append(Self.text(begin + width / 2, y + Self.rowHeight / 2, words, span.state == .leader ? "lead" : "small"))
        }
        return parts
    }

    private func row(_ writer: LabTimeline.Writer, at y: Double) -> [String] {
        var parts = [Self.text(Self.left - 10, y + Self.writerHeight / 2, writer.name, "label small end")]
        for write in writer.writes where write.outcome == .acknowledged && write.to - write.from > Self.quick {
            parts.append(
                "<rect class=\"waited\" x=\"\(Self.number(x(write.from)))\" y=\"\(Self.number(y + Self.writerHeight / 2 - 1))\" width=\"\(Self.number(x(write.to) - x(write.from)))\" height=\"2\"/>"
            )
        }
        for mark in Self.merged(writer.writes) {
            let begin = x(mark.from)
            parts.append(
                "<rect class=\"\(mark.outcome.rawValue)\" x=\"\(Self.number(begin))\" y=\"\(Self.number(y + 4))\" width=\"\(Self.number(max(1.5, x(mark.to) - begin)))\" height=\"\(Self.number(Self.writerHeight - 8))\"/>"
            )
        }
        return parts
    }

    /// Neighbours with the same outcome become one mark. What was acknowledged late is marked when it was, and not while its
    /// client waited.
    static func merged(_ writes: [LabTimeline.Write]) -> [LabTimeline.Write] {
        var marks: [LabTimeline.Write] = []
        for var write in writes.sorted(by: { $0.from < $1.from }) {
            if write.outcome == .acknowledged { write.from = max(write.from, write.to - quick) }
            if let last = marks.last, last.outcome == write.outcome, write.from - last.to < nearness {
                marks[marks.count - 1].to = max(last.to, write.to)
            } else {
                marks.append(write)
            }
        }
        return marks
    }

    /// Numbered lines. Flags that would lie on each other are moved apart.
    private var moments: [String] {
        var parts: [String] = []
        var free = 0.0
        for (place, moment) in timeline.moments.enumerated() {
            let line = x(moment.time)
            let flag = min(max(line, free), Self.width - 9)
            free = flag + 20
            parts.append(
                "<path class=\"moment\" d=\"M\(Self.number(flag)) 21 L\(Self.number(line)) \(Self.number(Self.top)) V\(Self.number(writersEnd))\"><title>\(LabPage.escaped(moment.text))</title></path>"
            )
            parts.append("<circle class=\"flag\" cx=\"\(Self.number(flag))\" cy=\"11\" r=\"9.5\"/>")
            parts.append(Self.text(flag, 11, "\(place + 1)", "flagged"))
        }
        return parts
    }

    /// Seconds, at a step that leaves about ten of them.
    private var axis: [String] {
        let step = [0.5, 1, 2, 5, 10, 20, 30].first { span / $0 <= 12 } ?? 60
        var parts: [String] = []
        var time = 0.0
        while time <= span {
            let place = x(time)
            parts.append("<path class=\"tick\" d=\"M\(Self.number(place)) \(Self.number(Self.top)) V\(Self.number(writersEnd + 4))\"/>")
            let words = step < 1 ? Durations.fixed(time, places: 1) : Durations.fixed(time, places: 0)
            parts.append(Self.text(place, writersEnd + 16, words + " s", "small"))
            time += step
        }
        return parts
    }

    private static func style(_ state: LabTimeline.State) -> String {
        switch state {
        case .leader: "leader"
        case .follower: "follower"
        case .candidate: "candidate"
        case .silent: "silent"
        }
    }

    private static func words(_ span: LabTimeline.Span, _ name: String) -> String {
        let time = "from \(Durations.fixed(max(0, span.from), places: 2)) s to \(Durations.fixed(max(0, span.to), places: 2)) s"
        return switch span.state {
        case .leader: "\(name) led in term \(span.term), \(time)"
        case .follower: "\(name) followed in term \(span.term), \(time)"
        case .candidate: "\(name) asked for votes in term \(span.term), \(time)"
        case .silent: "\(name) did not answer, \(time)"
        }
    }

    /// The dashboard's colour of a term: neighbours differ much.
    static func hue(_ term: UInt64) -> String { number((Double(term % 3600) * 137.5 + 160).truncatingRemainder(dividingBy: 360)) }

    private static func text(_ x: Double, _ y: Double, _ words: String, _ style: String) -> String {
        "<text class=\"\(style)\" x=\"\(number(x))\" y=\"\(number(y))\">\(LabPage.escaped(words))</text>"
    }

    /// With one digit after the point, and none when it is whole.
    static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }
}
