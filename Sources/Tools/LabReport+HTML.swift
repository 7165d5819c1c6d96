extension LabReport {
    /// The report as one page that needs nothing else: no script, no font, nothing from anywhere.
    var html: String {
        var page = LabPage()
        page.add("<header><h1>What \(members.count) members did under faults</h1>")
        page.paragraph(
            "Five experiments on a fresh cluster of \(LabWords.list(members)), real processes of Swiftwater \(version), in \(LabWords.span(seconds)). "
                + "Everything below was measured in this run.")
        page.add("<p class=\"verdict \(isSound ? "good" : "bad")\">\(isSound ? "✓" : "✗") \(LabPage.escaped(verdict))</p>")
        page.add("<nav aria-label=\"Experiments\"><ol class=\"contents\">")
        for experiment in experiments {
            page.add(
                "<li><a href=\"#e\(experiment.number)\"><b>\(experiment.number) · \(LabPage.escaped(experiment.title))</b></a> <span>\(LabPage.escaped(experiment.answer.first ?? ""))</span></li>"
            )
        }
        page.add("</ol></nav>")
        page.add(LabPage.legend)
        page.add("</header><main>")
        for experiment in experiments { page.add(experiment) }
        page.add("<section class=\"panel\"><h2>Over all experiments</h2>")
        page.add(claims)
        page.add("</section></main>")
        page.add("<footer><p>Times are seconds since the experiment began. Members were asked \(LabReporter.looksASecond) times a second, and their logs were read as they were written.</p></footer>")
        return page.text
    }
}

/// HTML that is put together; everything that is not of this program's making goes through `escaped`.
struct LabPage {
    private var body = ""

    var text: String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Swiftwater: five experiments</title>
        <style>
        \(Self.style)
        </style>
        </head>
        <body>
        \(body)
        </body>
        </html>

        """
    }

    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    mutating func add(_ markup: String) { body += markup + "\n" }

    mutating func paragraph(_ words: String, _ style: String = "") {
        add("<p\(style.isEmpty ? "" : " class=\"\(style)\"")>\(Self.escaped(words))</p>")
    }

    mutating func add(_ experiment: LabExperiment) {
        add("<section class=\"panel\" id=\"e\(experiment.number)\"><h2>\(experiment.number) · \(Self.escaped(experiment.title))</h2>")
        paragraph(experiment.question, "question")
        if !experiment.course.isEmpty { paragraph(experiment.course, "quiet") }
        add("<div class=\"answer\">")
        for sentence in experiment.answer { paragraph(sentence) }
        add("</div>")
        if !experiment.timeline.members.isEmpty {
            add("<figure><div class=\"scroll\">")
            add(LabDrawing(timeline: experiment.timeline).svg("Timeline of experiment \(experiment.number): the list below says the same in words"))
            add("</div><figcaption><ol class=\"moments\">")
            for moment in experiment.timeline.moments {
                add("<li><time>\(Durations.fixed(max(0, moment.time), places: 2)) s</time> \(Self.escaped(moment.text))</li>")
            }
            add("</ol></figcaption></figure>")
        }
        add("<div class=\"tables\">")
        for table in experiment.tables { add(table) }
        if !experiment.timeline.writers.isEmpty { add(LabReport.writers(of: experiment.timeline)) }
        add("</div>")
        add(experiment.claims)
        add("</section>")
    }

    mutating func add(_ table: LabTable) {
        add("<div class=\"scroll\"><table><caption>\(Self.escaped(table.title))</caption><thead><tr>")
        for heading in table.headings { add("<th scope=\"col\">\(Self.escaped(heading))</th>") }
        add("</tr></thead><tbody>")
        for row in table.rows {
            add("<tr>")
            for (place, cell) in row.enumerated() {
                add(place == 0 ? "<th scope=\"row\">\(Self.escaped(cell))</th>" : "<td>\(Self.escaped(cell))</td>")
            }
            add("</tr>")
        }
        add("</tbody></table></div>")
    }

    mutating func add(_ claims: [LabClaim]) {
        guard !claims.isEmpty else { return }
        add("<ul class=\"claims\">")
        for claim in claims {
            add("<li class=\"\(claim.holds ? "good" : "bad")\">\(claim.holds ? "✓" : "✗ BROKEN:") \(Self.escaped(claim.text))</li>")
        }
        add("</ul>")
    }

    /// What the drawings' marks mean.
    fileprivate static let legend = """
        <p class="legend" aria-label="What the drawings mean">
        <span><svg viewBox="0 0 24 14"><rect class="leader" style="--term:160" width="24" height="14"/></svg> led</span>
        <span><svg viewBox="0 0 24 14"><rect class="follower" style="--term:160" width="24" height="14"/></svg> followed (a colour is a term)</span>
        <span><svg viewBox="0 0 24 14"><rect class="candidate" style="--term:160" width="24" height="14"/></svg> asked for votes</span>
        <span><svg viewBox="0 0 24 14"><rect class="silent" width="24" height="14"/></svg> did not answer</span>
        <span><svg viewBox="0 0 24 14"><rect class="acknowledged" y="3" width="24" height="8"/></svg> writes acknowledged</span>
        <span><svg viewBox="0 0 24 14"><rect class="refused" y="3" width="24" height="8"/></svg> refused, certainly not done</span>
        <span><svg viewBox="0 0 24 14"><rect class="unknown" y="3" width="24" height="8"/></svg> outcome unknown</span>
        </p>
        """

    private static let style = """
        :root { --page: #f4f6f8; --panel: #fff; --ink: #17222d; --quiet: #566573; --line: #d5dce3; --accent: #0b6e99; --danger: #b3261e;
          --good: #1a7f4b; --silent: #c3cad1; --unknown: #b97a00; --pale: 35%; }
        @media (prefers-color-scheme: dark) { :root { --page: #10161c; --panel: #19222b; --ink: #e6edf3; --quiet: #9fb0bf; --line: #2f3b47;
          --accent: #4db6e2; --danger: #ff8a80; --good: #5fd39a; --silent: #3a4652; --unknown: #ffc46b; --pale: 45%; } }
        * { box-sizing: border-box; }
        html { font: 16px/1.5 system-ui, sans-serif; background: var(--page); color: var(--ink); }
        body { margin: 0 auto; max-width: 66rem; padding: 1rem; }
        h1 { font-size: 1.5rem; margin: .5rem 0; }
        h2 { font-size: 1.15rem; margin: 0 0 .4rem; }
        .panel { background: var(--panel); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem 1.2rem; margin: 1rem 0; }
        .quiet, .question { color: var(--quiet); }
        .question { font-style: italic; margin-top: 0; }
        .answer { font-size: 1.05rem; border-left: 4px solid var(--accent); padding-left: .9rem; }
        .answer p { margin: .4rem 0; }
        .verdict { font-size: 1.1rem; font-weight: 600; }
        .good { color: var(--good); }
        .bad { color: var(--danger); }
        a { color: var(--accent); }
        .contents { list-style: none; padding: 0; }
        .contents li { padding: .3rem 0; border-top: 1px solid var(--line); }
        figure { margin: 1rem 0; }
        .scroll { overflow-x: auto; }
        figure svg { width: 100%; min-width: 40rem; display: block; font: 13px system-ui, sans-serif; }
        svg text { fill: var(--ink); text-anchor: middle; dominant-baseline: central; }
        svg .end { text-anchor: end; }
        svg .label { font-weight: 600; }
        svg .small { font-size: 12px; fill: var(--quiet); }
        svg .lead { fill: #fff; font-weight: 600; }
        svg rect { fill: var(--silent); }
        svg .leader { fill: hsl(var(--term) 55% 40%); }
        svg .follower { fill: hsl(var(--term) 55% 40%); fill-opacity: var(--pale); }
        svg .candidate { fill: hsl(var(--term) 55% 40%); fill-opacity: .15; stroke: hsl(var(--term) 55% 45%); stroke-width: 2; stroke-dasharray: 3 2; }
        svg .acknowledged { fill: var(--good); }
        svg .refused { fill: var(--danger); }
        svg .unknown { fill: var(--unknown); }
        svg .waited { fill: var(--quiet); }
        svg .tick { stroke: var(--line); fill: none; }
        svg .moment { stroke: var(--ink); stroke-dasharray: 2 3; fill: none; }
        svg .flag { fill: var(--ink); }
        svg .flagged { fill: var(--panel); font-size: 11px; font-weight: 700; }
        .legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .88rem; color: var(--quiet); }
        .legend svg { width: 24px; height: 14px; vertical-align: -2px; }
        .moments { font-size: .92rem; columns: 2 20rem; padding-left: 1.6rem; }
        .moments time { color: var(--quiet); font-variant-numeric: tabular-nums; }
        .moments li::marker { font-weight: 700; }
        table { border-collapse: collapse; font-size: .92rem; margin: .8rem 0; }
        caption { text-align: left; font-weight: 600; padding-bottom: .2rem; }
        th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0; border-top: 1px solid var(--line); max-width: 24rem; }
        thead th { border-top: 0; color: var(--quiet); font-weight: 500; }
        tbody th { font-weight: 600; }
        .claims { list-style: none; padding: 0; margin: .6rem 0 0; }
        footer { color: var(--quiet); font-size: .9rem; }
        @media (max-width: 40rem) { body { padding: .5rem; } .panel { padding: .8rem; } }
        """
}
