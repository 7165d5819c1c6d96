import Base
import Consensus
import FoundationEssentials
import Replica
import Server
import Wire

/// `/v1/events`: server-sent events (HTML standard, section 9.2) of what this member does.
enum EventsAPI {
    /// The state goes out with every so many handfuls, five times a second; and at once when another leads.
    private static let stateEvery = 4

    static func open(_ member: Member) async throws(Failure) -> Reply {
        guard let watcher = await member.watch() else { throw Failure.tooManyWaiting }
        var reply = Reply(200, contentType: "text/event-stream", headers: [("Cache-Control", "no-store")])
        reply.stream = { write in
            do {
                try await run(watcher, member, write)
            } catch {
                // Whoever watched is gone.
            }
            await member.leave(watcher)
        }
        return reply
    }

    private static func run(
        _ watcher: Watcher, _ member: Member, _ write: (Data) async throws -> Void
    ) async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        var names: [MemberID: String] = [:]
        var handfuls = 0
        // A browser whose stream ended asks again after so many milliseconds.
        try await write(Data("retry: 500\n\n".utf8))
        for await notices in watcher.feed {
            var chunk = Data()
            if handfuls % stateEvery == 0 || notices.contains(where: \.changesRoles) {
                let report = await member.report()
                for member in report.status.members { names[member.id] = member.name }
                chunk.append(contentsOf: "event: state\ndata: ".utf8)
                chunk.append(try encoder.encode(JSONStatus(report)))
                chunk.append(contentsOf: "\n\n".utf8)
            }
            handfuls += 1
            for notice in notices {
                chunk.append(contentsOf: "data: ".utf8)
                chunk.append(try encoder.encode(JSONNotice(notice: notice, names: names)))
                chunk.append(contentsOf: "\n\n".utf8)
            }
            if !chunk.isEmpty { try await write(chunk) }
        }
    }
}

extension Notice {
    fileprivate var changesRoles: Bool {
        switch what {
        case .event(.becameLeader), .event(.becameFollower), .event(.steppedDown), .event(.campaign): true
        default: false
        }
    }
}
