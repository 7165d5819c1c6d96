import Base

extension LabReport {
    /// The report for people who read text.
    var markdown: String {
        var lines = [
            "# What \(members.count) members did under faults", "",
            "Five experiments on a fresh cluster of \(LabWords.list(members)), real processes of Swiftwater \(version), "
                + "in \(LabWords.span(seconds)). Everything below was measured in this run.",
            "", "**\(verdict)**", "",
        ]
        lines += ["| experiment | in short |", "| --- | --- |"]
        lines += experiments.map { "| \($0.number) · \(Self.cell($0.title)) | \(Self.cell($0.answer.first ?? "")) |" }
        for experiment in experiments { lines += ["", ""] + Self.markdown(experiment) }
        lines += ["", "", "## Over all experiments", ""] + claims.map(Self.markdown)
        lines += [
            "", "The same with the timelines drawn is in report.html. Times are seconds since the experiment began; members were asked "
                + "\(LabReporter.looksASecond) times a second.", "",
        ]
        return lines.joined(separator: "\n")
    }

    private static func markdown(_ experiment: LabExperiment) -> [String] {
        var lines = ["## \(experiment.number) · \(experiment.title)", "", "*\(experiment.question)*", ""]
        if !experiment.course.isEmpty { lines += [experiment.course, ""] }
        lines += experiment.answer.flatMap { [$0, ""] }
        for table in experiment.tables { lines += markdown(table) + [""] }
        if !experiment.timeline.writers.isEmpty { lines += markdown(writers(of: experiment.timeline)) + [""] }
        if !experiment.timeline.moments.isEmpty {
            lines += ["What happened when:", ""]
            lines += experiment.timeline.moments.map { "- \(LabWords.at($0.time)): \($0.text)" } + [""]
        }
        return lines + experiment.claims.map(markdown)
    }

    /// What became of the writes, for a reader without a picture.
    static func writers(of timeline: LabTimeline) -> LabTable {
        LabTable(
            title: "Writes", headings: ["asked by", "acknowledged", "refused, certainly not done", "outcome unknown"],
            rows: timeline.writers.map { writer in
                [writer.name] + LabTimeline.Outcome.allCases.map { "\(writer.count($0))" }
            })
    }

    private static func markdown(_ table: LabTable) -> [String] {
        ["\(table.title):", "", "| " + table.headings.map(cell).joined(separator: " | ") + " |",
            "|" + String(repeating: " --- |", count: table.headings.count)]
            + table.rows.map { "| " + $0.map(cell).joined(separator: " | ") + " |" }
    }

    private static func markdown(_ claim: LabClaim) -> String { "- \(claim.holds ? "✓" : "✗ **BROKEN**:") \(claim.text)" }

    /// A bar would end the cell.
    private static func cell(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }

    /// For programs.
    var json: JSONText {
        .object([
            ("sound", .bool(isSound)), ("verdict", .string(verdict)), ("version", .string(version)), ("members", .names(members)),
            ("seconds", .number((seconds * 10).rounded() / 10)),
            ("experiments", .array(experiments.map(Self.json))), ("claims", .array(claims.map(Self.json))),
        ])
    }

    private static func json(_ experiment: LabExperiment) -> JSONText {
        let writers = experiment.timeline.writers.map { writer in
            JSONText.object(
                [("name", .string(writer.name))] + LabTimeline.Outcome.allCases.map { ($0.rawValue, .integer(Int64(writer.count($0)))) })
        }
        return .object([
            ("number", .string(experiment.number)), ("title", .string(experiment.title)), ("question", .string(experiment.question)),
            ("answer", .names(experiment.answer)), ("claims", .array(experiment.claims.map(json))), ("writers", .array(writers)),
            ("tables", .array(experiment.tables.map(json))),
        ])
    }

    private static func json(_ claim: LabClaim) -> JSONText {
        .object([("text", .string(claim.text)), ("holds", .bool(claim.holds))])
    }

    private static func json(_ table: LabTable) -> JSONText {
        .object([
            ("title", .string(table.title)), ("headings", .names(table.headings)), ("rows", .array(table.rows.map(JSONText.names))),
        ])
    }
}
