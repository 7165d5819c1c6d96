import Base
import EventLoop
import GRPC
import Keyspace
import Wire

// For experiments: each call goes to the member that is named, once, and to no other in its place. Faults on purpose
// (proto/swiftwater/v1/fault.proto) are one member's own.
extension Client {
    /// Says what this member's links to others do from now on; the others' links stay as they are.
    @discardableResult
    public func setLinks(_ links: [Wire.Link], at member: Endpoint) async throws(ClientError) -> Wire.FaultState {
        try await faults(Wire.Path.faultSetLinks, codec.encodeSetLinks(links), at: member)
    }

    /// This member drops its next messages of a kind.
    @discardableResult
    public func dropNext(_ drop: Wire.Drop, at member: Endpoint) async throws(ClientError) -> Wire.FaultState {
        try await faults(Wire.Path.faultDropNext, codec.encodeDropNext(drop), at: member)
    }

    /// Ends this member's faults: those on the links to `peers`, or all of them when none is named.
    @discardableResult
    public func heal(_ peers: [String] = [], at member: Endpoint) async throws(ClientError) -> Wire.FaultState {
        try await faults(Wire.Path.faultHeal, codec.encodeHeal(peers), at: member)
    }

    /// What this member drops and holds back now. Rejected as UNIMPLEMENTED by one that was started without
    /// `--enable-faults`.
    public func faults(at member: Endpoint) async throws(ClientError) -> Wire.FaultState {
        try await faults(Wire.Path.faultListFaults, codec.encodeListFaults(), at: member)
    }

    /// This member's election timer runs out now.
    public func expireElectionTimer(at member: Endpoint) async throws(ClientError) {
        _ = try await once(Wire.Path.faultExpireElectionTimer, codec.encodeExpireElectionTimer(), at: member)
    }

    /// One operation, but not `keys`, at one member, in one attempt and in no session: how it ended there is the answer.
    public func perform(
        _ operation: Operation, _ consistency: Wire.Consistency = .linearizable, at member: Endpoint
    ) async throws(ClientError) -> OperationResult {
        let isWrite = !operation.isReadOnly
        let request = isWrite ? codec.encodeRequest(operation, requestID: nil) : codec.encodeRequest(operation, consistency: consistency)
        let answer = try await once(
            Wire.Path.path(of: operation), request, at: member, isWrite: isWrite, timeout: options.timeout)
        let outcome = try read(isWrite: isWrite) { () throws(Wire.DecodeFailure) in
            try answer.withSpan { (span) throws(Wire.DecodeFailure) in try codec.decodeResponse(to: operation, span) }
        }
        guard case .single(let result) = outcome.result else { throw unexpected }
        return result
    }

    private func faults(
        _ path: String, _ message: Bytes, at member: Endpoint
    ) async throws(ClientError) -> Wire.FaultState {
        let answer = try await once(path, message, at: member)
        return try read(isWrite: false) { () throws(Wire.DecodeFailure) in
            try answer.withSpan { (span) throws(Wire.DecodeFailure) in try codec.decodeFaultState(span) }
        }
    }

    /// One attempt at one member: for what no other could do instead.
    private func once(
        _ path: String, _ message: Bytes, at member: Endpoint, isWrite: Bool = false, timeout: Interval? = nil
    ) async throws(ClientError) -> Bytes {
        let began = loop.now
        let patience = timeout ?? min(options.statusTimeout, options.timeout)
        let result = await attempt(member, MethodPath(path), message, timeout: patience)
        let verdict = Verdict(
            result.status, neverSent: result.neverSent, trailers: result.trailers, isSafe: !isWrite)
        var attempts: [ClientError.Attempt] = []
        attempts.note(member, ClientError.text(result.status))
        func error(_ kind: ClientError.Kind) -> ClientError {
            ClientError(kind, isWrite: isWrite, attempts: attempts, elapsed: loop.now - began)
        }
        switch verdict {
        case .answered: return result.message
        case .rejected, .sessionOver: throw error(.rejected(result.status))
        case .outcomeUnknown: throw error(.outcomeUnknown(result.status))
        case .tryAgain: throw error(.noAnswer)
        }
    }
}
