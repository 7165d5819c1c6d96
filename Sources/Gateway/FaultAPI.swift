import Base
import FoundationEssentials
import Server
import Wire

/// `/v1/fault/…`: faults on purpose (proto/swiftwater/v1/fault.proto), on a member that was started with
/// `--enable-faults`; on others 501.
enum FaultAPI {
    static func list(_ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        try await ask(Wire.Path.faultListFaults, Wire.Codec().encodeListFaults(), member, limits)
    }

    static func setLinks(_ body: Data, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        let links = try decode(JSONLinks.self, from: body).links.map(\.link)
        return try await ask(Wire.Path.faultSetLinks, Wire.Codec().encodeSetLinks(links), member, limits)
    }

    static func dropNext(_ body: Data, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        let drop = try decode(JSONDrop.self, from: body).drop
        return try await ask(Wire.Path.faultDropNext, Wire.Codec().encodeDropNext(drop), member, limits)
    }

    static func heal(_ body: Data, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        let peers = try decode(JSONPeers.self, from: body).peers
        return try await ask(Wire.Path.faultHeal, Wire.Codec().encodeHeal(peers), member, limits)
    }

    static func expireElectionTimer(_ body: Data, _ member: Member, _ limits: GatewayLimits) async throws -> Reply {
        _ = try decode(JSONNothing.self, from: body)
        let request = Wire.Codec().encodeExpireElectionTimer()
        _ = try await OwnService.call(Wire.Path.faultExpireElectionTimer, request, member, limits)
        return .json(200, [String: String]())
    }

    private static func ask(
        _ path: String, _ message: Bytes, _ member: Member, _ limits: GatewayLimits
    ) async throws -> Reply {
        let answer = try await OwnService.call(path, message, member, limits)
        let codec = Wire.Codec()
        return .json(200, JSONFaults(state: try OwnService.read(answer, codec.decodeFaultState)))
    }
}

private struct JSONLinks: Decodable {
    var links: [JSONLink]

    init(from decoder: any Decoder) throws {
        let fields = try Fields(decoder, "links")
        links = try fields.get("links")
        guard !links.isEmpty else { throw fields.fail("links", "at least one") }
    }
}

private struct JSONLink: Codable {
    var link: Wire.Link

    init(_ link: Wire.Link) { self.link = link }

    init(from decoder: any Decoder) throws {
        let fields = try Fields(decoder, "peer", "drop_to", "drop_from", "delay_ms")
        link = Wire.Link(
            peer: try fields.get("peer"), dropsTo: try fields.find("drop_to") ?? false,
            dropsFrom: try fields.find("drop_from") ?? false, delayMs: try fields.find("delay_ms") ?? 0)
        guard link.delayMs <= Wire.Link.maxDelayMs else { throw fields.fail("delay_ms", "at most \(Wire.Link.maxDelayMs)") }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        try container.encode(link.peer, forKey: Field("peer"))
        try container.encode(link.dropsTo, forKey: Field("drop_to"))
        try container.encode(link.dropsFrom, forKey: Field("drop_from"))
        try container.encode(link.delayMs, forKey: Field("delay_ms"))
    }
}

private struct JSONDrop: Codable {
    var drop: Wire.Drop

    init(_ drop: Wire.Drop) { self.drop = drop }

    init(from decoder: any Decoder) throws {
        let fields = try Fields(decoder, "message", "peer", "count")
        let name = try fields.get("message", as: String.self)
        guard let kind = Wire.MessageKind.allCases.first(where: { $0.name == name }) else {
            throw fields.fail("message", "there is no message '\(name)'")
        }
        drop = Wire.Drop(kind: kind, peer: try fields.find("peer") ?? "", count: try fields.find("count") ?? 1)
        guard drop.count > 0 else { throw fields.fail("count", "at least 1") }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        try container.encode(drop.kind.name, forKey: Field("message"))
        try container.encode(drop.peer, forKey: Field("peer"))
        try container.encode(drop.count, forKey: Field("count"))
    }
}

private struct JSONPeers: Decodable {
    var peers: [String]
    init(from decoder: any Decoder) throws { peers = try Fields(decoder, "peers").find("peers") ?? [] }
}

private struct JSONFaults: Encodable {
    var state: Wire.FaultState

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        try container.encode(state.links.map(JSONLink.init), forKey: Field("links"))
        try container.encode(state.drops.map(JSONDrop.init), forKey: Field("drops"))
        try container.encode(state.dropped, forKey: Field("dropped"))
        try container.encode(state.delayed, forKey: Field("delayed"))
    }
}
