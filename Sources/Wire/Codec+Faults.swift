import Base
import CProto
import CProtobufC

// The Fault service (proto/swiftwater/v1/fault.proto).
extension Wire.Codec {
    public func encodeSetLinks(_ links: [Wire.Link]) -> Bytes {
        let message = arena.make(swiftwater__v1__set_links_request__init)
        (message.pointee.n_links, message.pointee.links) = build(links)
        return pack(message)
    }

    /// At least one link, and no peer twice.
    public func decodeSetLinks(_ span: RawSpan) throws(Wire.DecodeFailure) -> [Wire.Link] {
        try unpack(swiftwater__v1__set_links_request__unpack, "SetLinksRequest", span) {
            message throws(Wire.DecodeFailure) in
            var links: [Wire.Link] = []
            var peers: Set<String> = []
            for number in 0..<message.n_links {
                let link = try message.links[number]!.pointee.link
                guard peers.insert(link.peer).inserted else { throw .inconsistent("\(link.peer) occurs twice in links") }
                links.append(link)
            }
            guard !links.isEmpty else { throw .missing("links") }
            return links
        }
    }

    public func encodeDropNext(_ drop: Wire.Drop) -> Bytes {
        let message = arena.make(swiftwater__v1__drop_next_request__init)
        message.pointee.drop = build(drop)
        return pack(message)
    }

    public func decodeDropNext(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.Drop {
        try unpack(swiftwater__v1__drop_next_request__unpack, "DropNextRequest", span) {
            message throws(Wire.DecodeFailure) in
            guard let drop = message.drop else { throw .missing("drop") }
            return try drop.pointee.drop
        }
    }

    /// No peers: all.
    public func encodeHeal(_ peers: [String]) -> Bytes {
        let message = arena.make(swiftwater__v1__heal_request__init)
        (message.pointee.n_peers, message.pointee.peers) = build(peers)
        return pack(message)
    }

    public func decodeHeal(_ span: RawSpan) throws(Wire.DecodeFailure) -> [String] {
        try unpack(swiftwater__v1__heal_request__unpack, "HealRequest", span) { message throws(Wire.DecodeFailure) in
            var peers: [String] = []
            for number in 0..<message.n_peers { peers.append(try message.peers[number].text("peers")) }
            return peers
        }
    }

    public func encodeListFaults() -> Bytes { pack(arena.make(swiftwater__v1__list_faults_request__init)) }

    public func decodeListFaults(_ span: RawSpan) throws(Wire.DecodeFailure) {
        try unpack(swiftwater__v1__list_faults_request__unpack, "ListFaultsRequest", span) {
            _ throws(Wire.DecodeFailure) in
        }
    }

    public func encodeExpireElectionTimer() -> Bytes {
        pack(arena.make(swiftwater__v1__expire_election_timer_request__init))
    }

    public func decodeExpireElectionTimer(_ span: RawSpan) throws(Wire.DecodeFailure) {
        try unpack(swiftwater__v1__expire_election_timer_request__unpack, "ExpireElectionTimerRequest", span) {
            _ throws(Wire.DecodeFailure) in
        }
    }

    public func encodeExpireElectionTimerResponse() -> Bytes {
        pack(arena.make(swiftwater__v1__expire_election_timer_response__init))
    }

    public func decodeExpireElectionTimerResponse(_ span: RawSpan) throws(Wire.DecodeFailure) {
        try unpack(swiftwater__v1__expire_election_timer_response__unpack, "ExpireElectionTimerResponse", span) {
            _ throws(Wire.DecodeFailure) in
        }
    }

    // The responses of SetLinks, DropNext, Heal and ListFaults have the same field: one is read and written for all.

    public func encode(_ state: Wire.FaultState) -> Bytes {
        let inner = arena.make(swiftwater__v1__fault_state__init)
        (inner.pointee.n_links, inner.pointee.links) = build(state.links)
        let drops = arena.allocate(UnsafeMutablePointer<Swiftwater__V1__Drop>?.self, count: state.drops.count)
        for (number, drop) in state.drops.enumerated() { drops[number] = build(drop) }
        inner.pointee.n_drops = state.drops.count
        inner.pointee.drops = drops
        inner.pointee.dropped = state.dropped
        inner.pointee.delayed = state.delayed
        let message = arena.make(swiftwater__v1__list_faults_response__init)
        message.pointee.state = inner
        return pack(message)
    }

    public func decodeFaultState(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.FaultState {
        try unpack(swiftwater__v1__list_faults_response__unpack, "answer about faults", span) {
            message throws(Wire.DecodeFailure) in
            guard let inner = message.state?.pointee else { throw .missing("state") }
            var state = Wire.FaultState(dropped: inner.dropped, delayed: inner.delayed)
            for number in 0..<inner.n_links { state.links.append(try inner.links[number]!.pointee.link) }
            for number in 0..<inner.n_drops { state.drops.append(try inner.drops[number]!.pointee.drop) }
            return state
        }
    }

    private func build(
        _ links: [Wire.Link]
    ) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<Swiftwater__V1__Link>?>) {
        let pointers = arena.allocate(UnsafeMutablePointer<Swiftwater__V1__Link>?.self, count: links.count)
        for (number, link) in links.enumerated() {
            let message = arena.make(swiftwater__v1__link__init)
            message.pointee.peer = arena.copy(link.peer)
            message.pointee.drop_to = link.dropsTo ? 1 : 0
            message.pointee.drop_from = link.dropsFrom ? 1 : 0
            message.pointee.delay_ms = link.delayMs
            pointers[number] = message
        }
        return (links.count, pointers)
    }

    private func build(_ drop: Wire.Drop) -> UnsafeMutablePointer<Swiftwater__V1__Drop> {
        let message = arena.make(swiftwater__v1__drop__init)
        message.pointee.kind = Swiftwater__V1__MessageKind(rawValue: drop.kind.rawValue)
        message.pointee.peer = arena.copy(drop.peer)
        message.pointee.count = drop.count
        return message
    }
}

extension Swiftwater__V1__Link {
    fileprivate var link: Wire.Link {
        get throws(Wire.DecodeFailure) {
            let peer = try peer.text("peer")
            guard !peer.isEmpty else { throw .missing("peer") }
            guard delay_ms <= Wire.Link.maxDelayMs else {
                throw .inconsistent("a delay of \(delay_ms) ms: at most \(Wire.Link.maxDelayMs) are allowed")
            }
            return Wire.Link(peer: peer, dropsTo: drop_to != 0, dropsFrom: drop_from != 0, delayMs: delay_ms)
        }
    }
}

extension Swiftwater__V1__Drop {
    fileprivate var drop: Wire.Drop {
        get throws(Wire.DecodeFailure) {
            guard kind.rawValue != 0 else { throw .missing("kind") }
            guard let kind = Wire.MessageKind(rawValue: kind.rawValue) else {
                throw .unknownValue("MessageKind", Int(kind.rawValue))
            }
            guard count > 0 else { throw .missing("count") }
            return Wire.Drop(kind: kind, peer: try peer.text("peer"), count: count)
        }
    }
}
