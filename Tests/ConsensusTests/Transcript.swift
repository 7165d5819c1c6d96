import Base

@testable import Consensus

/// Gathers what a scenario's command made happen, as lines for people.
final class Transcript {
    /// `events`, `messages`, `disk`.
    var shown: Set<String> = ["events", "messages"]
    private var lines: [String] = []

    func take() -> [String] {
        defer { lines = [] }
        return lines
    }

    func note(_ line: String) { lines.append(line) }

    /// Members are called by their number in tests.
    static func name(_ id: MemberID) -> String { "n\(id.rawValue)" }

    func show(_ message: Message) {
        note("\(Self.name(message.from)) → \(Self.name(message.to)): \(message.text(showing: Self.text))")
    }

    static func text(_ entry: Entry) -> String {
        switch entry.kind {
        case .noOperation: "\(entry.index)@\(entry.term)"
        case .configuration: "\(entry.index)@\(entry.term) \(entry.configuration.map(text) ?? "?")"
        default: "\(entry.index)@\(entry.term) \(entry.data)"
        }
    }

    private static func mark(_ standing: Configuration.Standing) -> String {
        switch standing {
        case .voter: ""
        case .learner: "*"
        case .joining: "+"
        }
    }

    static func text(_ configuration: Configuration) -> String {
        "{" + configuration.members.map { $0.name + mark($0.standing) + ($0.priority == 0 ? "" : "^\($0.priority)") }.joined(separator: " ") + "}"
    }

    func show(stepOf member: TestMember, holding: Bool) {
        let effects = member.effects
        if shown.contains("events") {
            for event in effects.events { note("\(member.name) \(event.text(naming: Self.name))") }
        }
        if shown.contains("messages") { for message in effects.sendNow { show(message) } }
        if shown.contains("disk") || holding, let write = effects.write { show(write, of: member) }
        if shown.contains("messages") {
            for message in effects.sendAfterWrite {
                show(message)
                if holding { lines[lines.count - 1] += " (when durable)" }
            }
        }
        show(answersOf: effects, of: member)
    }

    private func show(_ write: Write, of member: TestMember) {
        var parts: [String] = []
        if let state = write.hardState {
            parts.append("term \(state.term), vote \(state.votedFor.map(Self.name) ?? "none")")
        }
        if let index = write.truncateFrom { parts.append("cut from \(index)") }
        if let index = write.restartAfter { parts.append("begin anew behind \(index)") }
        if !write.entries.isEmpty { parts.append("[\(write.entries.map(Self.text).joined(separator: ", "))]") }
        note("\(member.name) writes \(write.token): \(parts.joined(separator: "; "))")
    }

    private func show(answersOf effects: Effects, of member: TestMember) {
        switch effects.proposals {
        case .refused(let refusal): note("\(member.name) refuses the proposals: \(Self.text(refusal))")
        case .accepted, nil: break
        }
        if case .refused(let refusal) = effects.membership {
            note("\(member.name) refuses the change: \(Self.text(refusal))")
        }
        for answer in effects.reads { note("\(member.name) answers read \(answer.token): \(answer.outcome)") }
        for load in effects.loads {
            note("\(member.name) loads \(load.from)-\(load.through) for \(Self.name(load.to))")
        }
    }

    static func text(_ refusal: Refusal) -> String {
        switch refusal {
        case .notLeader(let hint): "not the leader" + (hint.map { ", \(name($0)) is" } ?? "")
        case .transferring(let to): "handing over to \(name(to))"
        case .overloaded: "overloaded"
        case .changeInProgress: "a change is in progress"
        case .notOneByOne: "not one voter at a time"
        }
    }

    func show(statusOf member: TestMember) {
        guard member.isUp else {
            note("\(member.name) is down")
            return
        }
        let view = member.raft.view
        note(
            "\(member.name) \(view.role) of term \(view.term), leader \(view.leader.map(Self.name) ?? "unknown"), "
                + "last \(view.lastIndex)@\(view.lastTerm), durable \(view.durableIndex), commit \(view.commitIndex), "
                + "members \(Self.text(view.configuration))")
    }

    func show(logOf member: TestMember) {
        note("\(member.name): \(member.log.map { "\($0.term)" }.joined(separator: " "))")
    }
}
