import Base
import Consensus
import FoundationEssentials
import Server
import Wire

/// One thing that a member did, as `/v1/events` tells it.
struct JSONNotice: Encodable {
    var notice: Notice
    var names: [MemberID: String]

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        func put(_ name: String, _ value: some Encodable) throws { try container.encode(value, forKey: Field(name)) }
        try put("sequence", notice.sequence)
        try put("time_ms", notice.wallMs)
        switch notice.what {
        case .skipped(let count):
            try put("kind", "skipped")
            try put("text", "\(count) more, not told one by one")
            try put("skipped", count)
        case .sent(let message):
            try put("kind", "sent")
            try put("text", "sends \(message.kind.name) to \(name(message.peer))")
            try put(message)
        case .received(let message):
            try put("kind", "received")
            try put("text", "receives \(message.kind.name) of \(name(message.peer))")
            try put(message)
        case .event(let event):
            try put("text", event.text(naming: name))
            for (name, value) in facts(of: event) { try put(name, value) }
        }
        func put(_ message: MessageNote) throws {
            try put("message", message.kind.name)
            try put("peer", name(message.peer))
            try put("term", message.term.rawValue)
            if let entries = message.entries { try put("entries", entries) }
            if let agrees = message.agrees { try put("granted", agrees) }
        }
    }

    private func name(_ id: MemberID) -> String { names[id] ?? "\(id)" }

    /// What can be counted on beside the text.
    enum Fact: Encodable {
        case text(String)
        case number(UInt64)
        case flag(Bool)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .number(let number): try container.encode(number)
            case .flag(let flag): try container.encode(flag)
            }
        }
    }

    private typealias Facts = [(name: String, value: Fact)]

    private func fact(_ kind: String, _ term: Term? = nil, peer: MemberID? = nil, index: Index? = nil) -> Facts {
        var facts: Facts = [("kind", .text(kind))]
        if let term { facts.append(("term", .number(term.rawValue))) }
        if let peer { facts.append(("peer", .text(name(peer)))) }
        if let index { facts.append(("index", .number(index.rawValue))) }
        return facts
    }

    private func facts(of event: Event) -> Facts {
        switch event {
        case .electionTimedOut: fact("election_timed_out")
        case .preCampaign(let term): fact("pre_campaign", term)
        case .campaign(let term, _): fact("campaign", term)
        case .voteGranted(let to, let term, let preVote): fact("vote_granted", term, peer: to) + [("pre_vote", .flag(preVote))]
        case .voteRefused(let to, let term, let preVote, _):
            fact("vote_refused", term, peer: to) + [("pre_vote", .flag(preVote))]
        case .voteReceived(let from, let granted, let preVote):
            fact("vote_received", peer: from) + [("granted", .flag(granted)), ("pre_vote", .flag(preVote))]
        case .becameLeader(let term): fact("became_leader", term)
        case .becameFollower(let term, let leader): fact("became_follower", term, peer: leader)
        case .steppedDown(let term, _): fact("stepped_down", term)
        case .appended(_, let last): fact("appended", index: last)
        case .truncated(let from): fact("truncated", index: from)
        case .durable(let through): fact("durable", index: through)
        case .committed(let through): fact("committed", index: through)
        case .conflict(let index, let term): fact("conflict", term, index: index)
        case .configurationAdopted(let index): fact("configuration_adopted", index: index)
        case .configurationRolledBack(let index): fact("configuration_rolled_back", index: index)
        case .promoting(let peer): fact("promoting", peer: peer)
        case .removed(let index): fact("removed", index: index)
        case .compacted(let through): fact("compacted", index: through)
        case .sendingSnapshot(let peer, let index): fact("sending_snapshot", peer: peer, index: index)
        case .installed(let index, let term): fact("installed", term, index: index)
        case .transferStarted(let peer): fact("transfer_started", peer: peer)
        case .ignored(let from, _, _): fact("ignored", peer: from)
        default: fact("other")
        }
    }
}
