import Base
import GRPC
import Logging
import Replica
import Wire

// The Fault service (proto/swiftwater/v1/fault.proto). It is there before the member has met its cluster: that, too, can
// be disturbed.
extension Faults {
    func register(on server: GRPCServer) {
        register(Wire.Path.faultSetLinks, on: server) { faults, span throws(Wire.DecodeFailure) in
            let links = try faults.codec.decodeSetLinks(span)
            if let stranger = links.map(\.peer).first(where: { !faults.isPeer($0) }) { return .stranger(stranger) }
            for link in links { faults.set(link) }
            return nil
        }
        register(Wire.Path.faultDropNext, on: server) { faults, span throws(Wire.DecodeFailure) in
            let drop = try faults.codec.decodeDropNext(span)
            if !drop.peer.isEmpty, !faults.isPeer(drop.peer) { return .stranger(drop.peer) }
            return faults.add(drop) ? nil : .tooManyDrops
        }
        register(Wire.Path.faultHeal, on: server) { faults, span throws(Wire.DecodeFailure) in
            let peers = try faults.codec.decodeHeal(span)
            if let stranger = peers.first(where: { !faults.isPeer($0) }) { return .stranger(stranger) }
            faults.heal(peers)
            return nil
        }
        register(Wire.Path.faultListFaults, on: server) { faults, span throws(Wire.DecodeFailure) in
            try faults.codec.decodeListFaults(span)
            return nil
        }
        server.register(MethodPath(Wire.Path.faultExpireElectionTimer)) { [self] call, span in
            do throws(Wire.DecodeFailure) {
                try codec.decodeExpireElectionTimer(span)
                if let failure = expireElectionTimer() { return call.fail(failure) }
                log.warning("fault: the election timer runs out")
                call.reply(codec.encodeExpireElectionTimerResponse())
            } catch {
                call.fail(error)
            }
        }
    }

    /// A call that is answered with the state that it left.
    private func register(
        _ path: String, on server: GRPCServer,
        _ obey: @escaping (Faults, RawSpan) throws(Wire.DecodeFailure) -> Failure?
    ) {
        server.register(MethodPath(path)) { [self] call, span in
            do throws(Wire.DecodeFailure) {
                if let failure = try obey(self, span) { return call.fail(failure) }
                call.reply(codec.encode(state))
            } catch {
                call.fail(error)
            }
        }
    }
}

extension Failure {
    fileprivate static func stranger(_ name: String) -> Failure {
        Failure(.invalidArgument, "'\(name)' is no other member of this cluster", notApplied: true)
    }

    fileprivate static let tooManyDrops = Failure(
        .resourceExhausted, "\(Faults.maxDrops) orders to drop messages stand already: heal, or wait until they are used up",
        notApplied: true)
}
