import Wire

// The laboratory: faults on purpose, on real members.
extension CommandReference {
    /// The word that all of these begin with.
    static let lab = "lab"

    private static let dataDirectory = Option(
        name: "--data-dir", value: "DIR", meaning: "where `swiftwater up` keeps the cluster (\(UpPlan.defaultDirectory))")
    private static let needsUp = "Needs a cluster of `swiftwater up`, which started the processes."
    private static let needsSwitch = "Needs members that were started with --enable-faults: swiftwater up --enable-faults."

    static let labCommands: [CommandReference] = [
        CommandReference(
            name: "lab show", chapter: .lab, synopsis: [""], summary: "what is cut, dropped, stopped or frozen now",
            options: [dataDirectory]),
        CommandReference(
            name: "lab partition", chapter: .lab, synopsis: ["N,… / N,…", "N,…"], summary: "cut all links between the sides",
            details: [
                "Members on different sides hear nothing of each other; clients still reach all of them.",
                "Members that are not named are one more side: lab partition n1 cuts n1 off from everybody.", needsSwitch,
            ],
            arguments: [.members], examples: [("lab partition n1,n2,n3 / n4,n5", "n1, n2, n3 and n4, n5 do not hear each other.")]),
        CommandReference(
            name: "lab heal", chapter: .lab, synopsis: [""], summary: "make all links whole, and drop nothing more",
            details: ["Members that are stopped or frozen stay so: lab restart, lab resume.", needsSwitch]),
        CommandReference(
            name: "lab drop", chapter: .lab, synopsis: ["[--from N] [--to N] [--count C] MESSAGE"],
            summary: "lose the next message of a kind",
            details: [
                "Messages: " + Wire.MessageKind.allCases.prefix(8).map(\.name).joined(separator: ", ") + ",",
                Wire.MessageKind.allCases.dropFirst(8).map(\.name).joined(separator: ", ") + ".", needsSwitch,
            ],
            options: [
                Option(name: "--from", value: "NAME", meaning: "who drops it (each member its next)"),
                Option(name: "--to", value: "NAME", meaning: "only what goes there (wherever it goes)"),
                Option(name: "--count", value: "C", meaning: "how many (1)"),
            ],
            arguments: [.message], examples: [("lab drop --from n1 AppendEntries", "n1 drops its next AppendEntries.")]),
        CommandReference(
            name: "lab timeout", chapter: .lab, synopsis: ["NAME"], summary: "let a member's election timer run out",
            details: ["Waits a second, and tells what came of it.", needsSwitch], arguments: [.member]),
        CommandReference(
            name: "lab split-vote", chapter: .lab, synopsis: [""], summary: "let all followers campaign at once",
            details: ["Cuts the leader off, lets the timers of all others run out together, and tells how the vote went.", needsSwitch]),
        CommandReference(
            name: "lab stop", chapter: .lab, synopsis: ["[--gently] NAME"], summary: "stop a member, as a power cut would",
            details: [needsUp],
            options: [Option(name: "--gently", value: nil, meaning: "as an operator would: leadership is handed over"), dataDirectory],
            arguments: [.member]),
        CommandReference(
            name: "lab freeze", chapter: .lab, synopsis: ["NAME"], summary: "a member that is there and does nothing",
            details: ["Its connections stay open; nobody answers on them.", needsUp], options: [dataDirectory], arguments: [.member]),
        CommandReference(
            name: "lab resume", chapter: .lab, synopsis: ["[NAME]"], summary: "let frozen members go on", details: [needsUp],
            options: [dataDirectory], arguments: [.member]),
        CommandReference(
            name: "lab restart", chapter: .lab, synopsis: ["NAME"], summary: "start a stopped member, or stop and start one",
            details: ["It comes back with what its disk has, and with no faults.", needsUp], options: [dataDirectory], arguments: [.member]),
        CommandReference(
            name: "lab report", chapter: .lab, synopsis: ["[--out DIR]"],
            summary: "run five experiments on a cluster of its own, and write what was seen"),
    ]

    /// Whether only a shell's command line knows it.
    var needsShell: Bool { chapter == .tools || name == "lab report" }
}
