import Base
import Wire

extension Random {
    mutating func links() -> [Wire.Link] {
        (0..<below(4)).map {
            Wire.Link(
                peer: "n\($0)\(text())", dropsTo: bool(), dropsFrom: bool(),
                delayMs: pick([0, 1, 250, Wire.Link.maxDelayMs]))
        }
    }

    mutating func drop() -> Wire.Drop {
        Wire.Drop(kind: pick(Wire.MessageKind.allCases), peer: text(), count: number() | 1)
    }

    mutating func setLinks(_ codec: Wire.Codec) -> Sample {
        let links = links() + [Wire.Link(peer: "last", dropsTo: bool())]
        return Sample("SetLinksRequest", codec.encodeSetLinks(links), ["links": links.map(json)]) { bytes in
            try decoding(bytes, codec.decodeSetLinks) == links
        }
    }

    mutating func dropNext(_ codec: Wire.Codec) -> Sample {
        let drop = drop()
        return Sample("DropNextRequest", codec.encodeDropNext(drop), ["drop": json(drop)]) { bytes in
            try decoding(bytes, codec.decodeDropNext) == drop
        }
    }

    mutating func heal(_ codec: Wire.Codec) -> Sample {
        let peers = (0..<below(4)).map { _ in text() }
        return Sample("HealRequest", codec.encodeHeal(peers), ["peers": peers]) { bytes in
            try decoding(bytes, codec.decodeHeal) == peers
        }
    }

    mutating func faultState(_ codec: Wire.Codec) -> Sample {
        let state = Wire.FaultState(
            links: links(), drops: (0..<below(4)).map { _ in drop() }, dropped: number(), delayed: number())
        let type = pick(["SetLinksResponse", "DropNextResponse", "HealResponse", "ListFaultsResponse"])
        let fields: [String: Any] = [
            "links": state.links.map(json), "drops": state.drops.map(json), "dropped": json(state.dropped),
            "delayed": json(state.delayed),
        ]
        return Sample(type, codec.encode(state), ["state": fields]) { bytes in
            try decoding(bytes, codec.decodeFaultState) == state
        }
    }

    /// A message without fields.
    mutating func faultless(_ codec: Wire.Codec) -> Sample {
        switch below(3) {
        case 0:
            Sample("ListFaultsRequest", codec.encodeListFaults(), [:]) { bytes in
                try decoding(bytes, codec.decodeListFaults)
                return true
            }
        case 1:
            Sample("ExpireElectionTimerRequest", codec.encodeExpireElectionTimer(), [:]) { bytes in
                try decoding(bytes, codec.decodeExpireElectionTimer)
                return true
            }
        default:
            Sample("ExpireElectionTimerResponse", codec.encodeExpireElectionTimerResponse(), [:]) { bytes in
                try decoding(bytes, codec.decodeExpireElectionTimerResponse)
                return true
            }
        }
    }
}

private func json(_ link: Wire.Link) -> [String: Any] {
    ["peer": link.peer, "drop_to": link.dropsTo, "drop_from": link.dropsFrom, "delay_ms": String(link.delayMs)]
}

private func json(_ drop: Wire.Drop) -> [String: Any] {
    ["kind": drop.kind.rawValue, "peer": drop.peer, "count": String(drop.count)]
}
