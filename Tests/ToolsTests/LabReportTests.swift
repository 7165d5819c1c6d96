import Base
import Testing
import Wire

@testable import Tools

@Suite("The laboratory's report")
struct LabReportTests {
    private static let nasty = "<script>alert(\"1 & 2\")</script> | x"

    private var timeline: LabTimeline {
        var timeline = LabTimeline(seconds: 4)
        timeline.members = [
            .init(name: "n1", spans: [.init(from: 0, to: 1, state: .leader, term: 3), .init(from: 1, to: 4, state: .silent, term: 0)]),
            .init(name: "n2", spans: [.init(from: 0, to: 1.3, state: .follower, term: 3), .init(from: 1.3, to: 4, state: .leader, term: 4)]),
        ]
        timeline.writers = [writer]
        timeline.moments = [.init(time: 1, text: "n1 is killed"), .init(time: 1.01, text: Self.nasty)]
        return timeline
    }

    private var writer: LabTimeline.Writer {
        .init(name: "a client", writes: [
            .init(from: 0.1, to: 0.11, outcome: .acknowledged), .init(from: 0.12, to: 0.13, outcome: .acknowledged),
            .init(from: 0.9, to: 0.95, outcome: .acknowledged), .init(from: 0.99, to: 1.2, outcome: .unknown),
            .init(from: 1.2, to: 1.3, outcome: .refused), .init(from: 1.31, to: 1.6, outcome: .acknowledged),
            .init(from: 3.8, to: 3.9, outcome: .acknowledged),
        ])
    }

    private var report: LabReport {
        var experiment = LabExperiment(number: "2", title: "The leader stops", question: "Is the write there?", course: Self.nasty)
        experiment.answer = ["It is, after \(Self.nasty)."]
        experiment.timeline = timeline
        experiment.tables = [LabTable(title: "Statuses", headings: ["member", "term"], rows: [["n1", Self.nasty]])]
        experiment.claims = [LabClaim(text: "What was acknowledged is there: 5 of 5 writes.", holds: true)]
        return LabReport(
            version: "9.9", members: ["n1", "n2"], seconds: 61.25, experiments: [experiment],
            claims: [LabClaim(text: "No term had two leaders.", holds: true)])
    }

    @Test("The page needs nothing else, says everything, and takes nothing for markup")
    func page() {
        let html = report.html
        for expected in [
            "<!doctype html>", "2 · The leader stops", "Is the write there?", "It is, after &lt;script&gt;", "n1 is killed", "61.3 s", "Swiftwater 9.9",
            "What was acknowledged is there: 5 of 5 writes.", "✓ All 2 promises that were tried were kept.", "No term had two leaders.",
            "<th scope=\"row\">n1</th>", "n1 did not answer, from 1.00 s to 4.00 s", "★ term 4",
        ] {
            #expect(html.contains(expected), "\(expected)")
        }
        for forbidden in ["<script", "src=", "@import", "url(", "http://", "https://"] { #expect(!html.contains(forbidden), "\(forbidden)") }
        #expect(html.ranges(of: "<svg").count == html.ranges(of: "</svg>").count)
        #expect(html.ranges(of: "<section").count == html.ranges(of: "</section>").count)
    }

    @Test("A broken promise is seen in every form of the report")
    func broken() {
        var broken = report
        broken.experiments[0].claims[0] = LabClaim(text: "What was acknowledged is there: 4 of 5 writes.", holds: false)
        #expect(!broken.isSound && report.isSound)
        let sentence = "1 of 2 promises that were tried were BROKEN: What was acknowledged is there: 4 of 5 writes."
        #expect(broken.verdict == sentence)
        #expect(broken.html.contains("✗ \(sentence)") && broken.html.contains("<li class=\"bad\">✗ BROKEN: What was"))
        #expect(broken.markdown.contains("**\(sentence)**") && broken.markdown.contains("- ✗ **BROKEN**: What was"))
        #expect(broken.json.text.hasPrefix("{\"sound\":false,"))
        #expect(broken.summary("d").contains(sentence))
    }

    @Test("Markdown has tables that hold together, the writes in numbers, and what happened when")
    func markdown() {
        let text = report.markdown
        for expected in [
            "| member | term |\n| --- | --- |\n| n1 | <script>alert(\"1 & 2\")</script> \\| x |", "| a client | 5 | 1 | 1 |", "- at 1.00 s: n1 is killed",
            "## 2 · The leader stops\n\n*Is the write there?*",
        ] {
            #expect(text.contains(expected), "\(expected)")
        }
    }

    @Test("A drawing has a stretch for each state, and marks that lie near each other are one")
    func drawing() {
        let svg = LabDrawing(timeline: timeline).svg("n1 & n2")
        #expect(svg.hasPrefix("<svg viewBox=\"0 0 960 ") && svg.contains("aria-label=\"n1 &amp; n2\""))
        #expect(svg.ranges(of: "class=\"leader\"").count == 2 && svg.ranges(of: "class=\"follower\"").count == 1)
        #expect(svg.ranges(of: "class=\"silent\"").count == 1 && svg.ranges(of: "class=\"moment\"").count == 2)
        // 0.1 and 0.12 are one mark; 0.95, 1.6 and 3.9 are marked when their answers came.
        let marks = LabDrawing.merged(writer.writes)
        #expect(marks.count == 6)
        #expect(marks.first == .init(from: 0.1, to: 0.13, outcome: .acknowledged))
        #expect(svg.ranges(of: "class=\"acknowledged\"").count == 4)
        #expect(svg.ranges(of: "class=\"waited\"").count == 3)
        // Flags of the same moment stand beside each other.
        #expect(LabDrawing(timeline: LabTimeline()).svg("nothing").hasSuffix("</svg>"))
    }

    @Test("A gap is the longest time without an acknowledgement around an event")
    func gaps() {
        let gap = writer.gap(from: 1, until: 1.5)
        #expect(gap?.begin == 0.95 && gap?.end == 1.6)
        // Between 1.6 and 3.9 nothing happened that was asked about.
        #expect(writer.gap(from: 0.2, until: 0.5)?.end == 0.95)
        #expect(writer.gap(from: 3.95, until: 4).map { $0.begin == 3.9 && $0.end == nil } == true, "none came any more")
        #expect(LabTimeline.Writer(name: "nobody").gap(from: 0, until: 1) == nil)
    }

    @Test("What was acknowledged and is gone, or refused and is there, breaks a promise")
    func claims() {
        func entry(_ key: Bytes, _ outcome: LabTimeline.Outcome) -> LabWriter.Entry {
            .init(key: key, from: .zero, to: .zero, outcome: outcome, reason: "")
        }
        let entries = [entry("a", .acknowledged), entry("b", .acknowledged), entry("c", .refused), entry("d", .unknown)]
        #expect(LabReporter.claims(of: entries, present: ["a", "b"]).map(\.holds) == [true, true])
        #expect(LabReporter.claims(of: entries, present: ["a", "b", "d"]).map(\.holds) == [true, true])
        #expect(LabReporter.claims(of: entries, present: ["a"]).map(\.holds) == [false, true])
        #expect(LabReporter.claims(of: entries, present: ["a", "b", "c"]).map(\.holds) == [true, false])
        let idle = LabProbe(write: .refused, read: false, localRead: true, reason: "no leader")
        let busy = LabProbe(write: .acknowledged, read: true, localRead: true, reason: "")
        func stage(_ alive: Int, _ probe: LabProbe) -> LabReporter.Stage { .init(name: "x", alive: alive, leader: "", probe: probe) }
        #expect(LabReporter.claims([stage(5, busy), stage(2, idle)], of: 5).map(\.holds) == [true])
        #expect(LabReporter.claims([stage(5, busy), stage(2, busy)], of: 5).map(\.holds) == [false])
        #expect(LabReporter.answer([stage(3, busy), stage(2, idle), stage(5, busy)], of: 5).first?.hasPrefix("With 3 of 5 members everything") == true)
        let late = LabTimeline.Writer(name: "w", writes: [.init(from: 1.5, to: 1.6, outcome: .acknowledged)])
        #expect(LabReporter.acknowledged(late, in: (1, 2)) && !LabReporter.acknowledged(late, in: (1.45, 2)) && !LabReporter.acknowledged(late, in: (0, 1.55)))
    }

    @Test("A member's log is read for its elections alone")
    func words() {
        let lines = [
            ("2026-11-21T01:40:34+0000 info n1: [Server] no leader was heard within the election timeout", LabRecorder.Word.Kind.timedOut, 0),
            ("2026-11-21T01:40:34+0000 info n1: term=7 [Server] asking whether an election could be won", .asks, 7),
            ("2026-11-21T01:40:34+0000 info n1: term=7 transfer=false [Server] campaigning", .campaigns, 7),
            ("2026-11-21T01:40:34+0000 notice n1: term=7 [Server] became leader", .leads, 7),
            ("2026-11-21T01:40:34+0000 notice n1: term=7 [Server] stepped down: no quorum", .stepsDown("no quorum"), 7),
        ] as [(String, LabRecorder.Word.Kind, UInt64)]
        for (line, kind, term) in lines {
            let word = LabRecorder.word(line, "n1", .zero)
            #expect(word == LabRecorder.Word(time: .zero, member: "n1", kind: kind, term: term), "\(line)")
        }
        for line in ["", "] ", "2026-11-21T01:40:34+0000 info n1: [Server] connected to n2", "] became leader of the pack"] {
            #expect(LabRecorder.word(line, "n1", .zero) == nil)
        }
    }

    @Test("Looks that say the same become one stretch")
    func spans() {
        func look(_ seconds: UInt64, _ role: Wire.Role?, _ term: Term) -> LabRecorder.Look {
            guard let role else { return .init(time: .zero + .seconds(seconds), status: nil) }
            var status = Wire.Status()
            status.role = role
            status.term = term
            return .init(time: .zero + .seconds(seconds), status: status)
        }
        let looks = [look(10, .follower, 1), look(11, .follower, 1), look(12, .preCandidate, 1), look(13, .leader, 2), look(14, nil, 0), look(90, .leader, 9)]
        let spans = LabRecorder.spans(looks, since: .zero + .seconds(10), until: .zero + .seconds(15))
        #expect(spans == [
            .init(from: 0, to: 1, state: .follower, term: 1), .init(from: 1, to: 2, state: .candidate, term: 1),
            .init(from: 2, to: 3, state: .leader, term: 2), .init(from: 3, to: 5, state: .silent, term: 0),
        ])
    }
}
