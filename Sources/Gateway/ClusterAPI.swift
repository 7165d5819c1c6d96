import Base
import Consensus
import FoundationEssentials
import Keyspace
import Replica
import Server
import Wire

/// `/v1/cluster/…`: the Cluster service in JSON, of the member that is asked.
enum ClusterAPI {
    static func log(_ query: Substring, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        let numbers = try NumbersInQuery(query, allowed: ["from_index", "limit"])
        let limit = numbers["limit"] ?? 100
        guard (1...limits.pageEntries).contains(limit) else {
            throw BadRequest("'limit' must be from 1 to \(limits.pageEntries)")
        }
        let report = await member.report()
        var next = max(Index(numbers["from_index"] ?? 0), report.status.firstLogIndex)
        var entries: [JSONLogEntry] = []
        while next <= report.durableIndex, entries.count < limit {
            let answer = await member.submit(.log(from: next, maxBytes: limits.entryBytes), within: limits.patience)
            switch answer {
            case .log(let read, _):
                for entry in read where entry.index <= report.durableIndex && entries.count < limit {
                    entries.append(
                        JSONLogEntry(Wire.LogRecord(entry, isCommitted: entry.index <= report.status.commitIndex)))
                    next = entry.index.next
                }
                // A truncation that went on meanwhile ends the log here; and one answer has one disk read's worth.
                return .json(200, Page(entries: entries))
            case .failed(let failure): throw failure
            case .outcome, .frozen, .leadershipTransferred, .members:
                preconditionFailure("a reader of the log got the answer to another kind of request")
            }
        }
        return .json(200, Page(entries: entries))
    }

    private struct Page: Encodable { var entries: [JSONLogEntry] }

    static func openSession(_ body: Data, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        _ = try decode(JSONNothing.self, from: body)
        switch await member.openSession(within: limits.patience) {
        case .outcome(let outcome):
            guard case .session(let id) = outcome.result else {
                preconditionFailure("a session that was opened has an id")
            }
            return .json(200, ["session_id": JSONIdentity(id)])
        case .failed(let failure): throw failure
        case .frozen, .log, .leadershipTransferred, .members:
            preconditionFailure("a session got the answer to another kind of request")
        }
    }

    static func transfer(_ body: Data, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        let request = try decode(JSONChange.self, from: body).request
        let status = await member.report().status
        guard !request.isLearner else { throw BadRequest("there is no field 'learner' here") }
        guard status.role == .leader else { return await change("NOT_LEADER", member) }
        let target = try await member.transferTarget(request)
        guard target != status.memberID else { return await change("OK", member) }
        switch await member.submit(.transferLeadership(to: target), within: limits.patience) {
        case .leadershipTransferred: return await change("OK", member)
        case .failed(let failure) where failure.code == .deadlineExceeded: return await change("TIMEOUT", member)
        case .failed(let failure): throw failure
        case .outcome, .frozen, .log, .members:
            preconditionFailure("a transfer got the answer to another kind of request")
        }
    }

    /// The leader answers OK when the change is committed, TIMEOUT when it goes on.
    static func addServer(_ body: Data, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        let request = try decode(JSONChange.self, from: body).request
        guard !request.name.isEmpty else { throw BadRequest("the body lacks 'name'") }
        guard HostPort(request.address) != nil else { throw BadRequest("'address' must be HOST:PORT") }
        return try await changeMembers(Wire.Path.clusterAddServer, request, member, limits)
    }

    static func removeServer(_ body: Data, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        let request = try decode(JSONChange.self, from: body).request
        guard !request.name.isEmpty else { throw BadRequest("the body lacks 'name'") }
        guard !request.isLearner else { throw BadRequest("there is no field 'learner' here") }
        return try await changeMembers(Wire.Path.clusterRemoveServer, request, member, limits)
    }

    private static func changeMembers(
        _ path: String, _ request: Wire.ChangeRequest, _ member: Member, _ limits: GatewayLimits
    ) async throws -> Reply {
        let answer = try await OwnService.call(path, Wire.Codec().encode(request), member, limits)
        let codec = Wire.Codec()
        let changed = try OwnService.read(answer, codec.decodeChangeResponse)
        return .json(
            200,
            Changed(
                status: changed.status.name, leader_hint: changed.leaderHint, message: changed.message,
                members: changed.configuration?.configuration.members.map { JSONMember($0) } ?? []))
    }

    private static func change(_ status: String, _ member: Member) async -> Reply {
        let now = await member.report().status
        return .json(
            200, Changed(status: status, leader_hint: now.leaderAddress, members: now.members.map { JSONMember($0) }))
    }

    private struct Changed: Encodable {
        var status: String
        var leader_hint: String
        /// For people; empty when all is well.
        var message = ""
        var members: [JSONMember]
    }

    private struct JSONChange: Decodable {
        var request: Wire.ChangeRequest
        init(from decoder: any Decoder) throws {
            let fields = try Fields(decoder, "name", "address", "learner")
            request = Wire.ChangeRequest(
                name: try fields.find("name") ?? "", address: try fields.find("address") ?? "",
                isLearner: try fields.find("learner") ?? false)
        }
    }
}

/// An object without members.
struct JSONNothing: Decodable {
    init(from decoder: any Decoder) throws { _ = try Fields(decoder) }
}

extension Wire.ChangeStatus {
    fileprivate var name: String {
        switch self {
        case .ok: "OK"
        case .notLeader: "NOT_LEADER"
        case .timeout: "TIMEOUT"
        case .unspecified: "UNSPECIFIED"
        }
    }
}
