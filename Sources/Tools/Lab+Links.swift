import Base
import Client
import EventLoop
import Wire

// Partitions, and messages that are lost.
extension Lab {
    func partition(_ named: [[String]]) async throws(LabFailure) -> Printed {
        let members = try await members()
        try check(Array(named.joined()), among: members)
        let rest = members.map(\.name).filter { name in !named.joined().contains(name) }
        let sides = rest.isEmpty ? named : named + [rest]
        guard sides.count > 1 else {
            throw LabFailure("all members are on one side", hint: "to make all links whole: \(command("heal"))")
        }
        _ = try await faults(of: members)
        let silent = try await cut(sides, members)
        let words = sides.map { $0.joined(separator: ", ") }.joined(separator: " and ")
        return printed(
            ["\(words) do not hear each other."], [("sides", .array(sides.map(JSONText.names)))], silent: silent,
            hint: "Ask both sides: \(style == .prompt ? "status" : "swiftwater status"). Make them one again: \(command("heal"))")
    }

    /// Each member is told of all others, so that a partition takes the place of the one before it.
    func cut(_ sides: [[String]], _ members: [LabMember]) async throws(LabFailure) -> [String] {
        let names = members.map(\.name)
        func side(_ name: String) -> Int? { sides.firstIndex { $0.contains(name) } }
        var orders: [String: [Wire.Link]] = [:]
        for name in names {
            orders[name] = names.filter { $0 != name }.map { peer in
                let isCut = side(name) != side(peer)
                return Wire.Link(peer: peer, dropsTo: isCut, dropsFrom: isCut)
            }
        }
        let links = orders
        return try await tell(members) { client, member throws(ClientError) in
            guard let own = links[member.name], !own.isEmpty else { return }
            try await client.setLinks(own, at: member.endpoint)
        }
    }

    func heal() async throws(LabFailure) -> Printed {
        let members = try await members()
        let silent = try await tell(members) { client, member throws(ClientError) in
            try await client.heal(at: member.endpoint)
        }
        return printed(
            ["All links are whole, and nothing more is dropped."],
            [("healed", .names(members.map(\.name).filter { !silent.contains($0) }))], silent: silent,
            hint: silent.isEmpty ? nil : "A stopped member comes back healed: \(command("restart NAME")); a frozen one: \(command("resume"))")
    }

    func drop(_ kind: Wire.MessageKind, from: String?, to: String, _ count: UInt64) async throws(LabFailure) -> Printed {
        let members = try await members()
        try check((from.map { [$0] } ?? []) + (to.isEmpty ? [] : [to]), among: members)
        // Nobody sends to itself.
        let senders = members.filter { from == nil ? $0.name != to : $0.name == from }
        guard from != to, !senders.isEmpty else { throw LabFailure("nobody sends messages to itself") }
        let silent = try await tell(senders) { client, member throws(ClientError) in
            try await client.dropNext(Wire.Drop(kind: kind, peer: to, count: count), at: member.endpoint)
        }
        let what = count == 1 ? "its next \(kind.name)" : "its next \(count) \(kind.name)"
        let told = senders.map(\.name).filter { !silent.contains($0) }
        return printed(
            told.map { "\($0) drops \(what)\(to.isEmpty ? "" : " to \(to)")." },
            [("message", .string(kind.name)), ("from", .names(told)), ("to", .string(to)), ("count", .unsigned(count))],
            silent: silent)
    }

    // MARK: What stands

    func show(_ directory: String) async throws(LabFailure) -> Printed {
        let members = try await members()
        let found = try await faults(of: members)
        let processes = Self.knownProcesses(in: directory)
        var lines: [String] = []
        for (member, state) in found {
            lines += state.links.map { "\(member.name): \(Self.words($0))" }
            lines += state.drops.map { drop in
                "\(member.name): drops its next \(drop.count) \(drop.kind.name)\(drop.peer.isEmpty ? "" : " to \(drop.peer)")"
            }
        }
        let silent = members.map(\.name).filter { name in !found.contains { $0.member.name == name } }
        let facts = found.map { member, state in
            JSONText.object([
                ("name", .string(member.name)), ("links", .array(state.links.map(Self.json))),
                ("drops", .array(state.drops.map(Self.json))), ("dropped", .unsigned(state.dropped)),
                ("delayed", .unsigned(state.delayed)),
            ])
        }
        guard style != .json else {
            let states = processes.map { JSONText.object([("name", .string($0.name)), ("state", .string($0.state.rawValue))]) }
            return printed([], [("members", .array(facts)), ("processes", .array(states))], silent: silent)
        }
        return Printed(
            lines: (lines.isEmpty ? ["All links are whole, and nothing is dropped."] : lines)
                + silent.map { name in
                    let state = processes.first { $0.name == name }?.state
                    return "\(name) does not answer" + (state.map { $0 == .running ? "" : ": it is \($0.rawValue)" } ?? ": stopped, or frozen?")
                })
    }

    /// None when no `up` runs there: then nobody knows.
    private static func knownProcesses(in directory: String) -> [LabProcess] {
        do throws(LabFailure) {
            return try processes(in: directory)
        } catch {
            return []
        }
    }

    private static func words(_ link: Wire.Link) -> String {
        var words: [String] = []
        if link.dropsTo, link.dropsFrom {
            words.append("cut off from \(link.peer)")
        } else if link.dropsTo {
            words.append("what goes to \(link.peer) is lost")
        } else if link.dropsFrom {
            words.append("what comes from \(link.peer) is lost")
        }
        if link.delayMs > 0 { words.append("what goes to \(link.peer) is \(link.delayMs) ms late") }
        return words.joined(separator: ", ")
    }

    private static func json(_ link: Wire.Link) -> JSONText {
        .object([
            ("peer", .string(link.peer)), ("drop_to", .bool(link.dropsTo)), ("drop_from", .bool(link.dropsFrom)),
            ("delay_ms", .unsigned(link.delayMs)),
        ])
    }

    private static func json(_ drop: Wire.Drop) -> JSONText {
        .object([("message", .string(drop.kind.name)), ("peer", .string(drop.peer)), ("count", .unsigned(drop.count))])
    }
}
