import Base
import GRPC
import Keyspace
import Replica
import Wire

// The KV service (proto/swiftwater/v1/kv.proto): a request is decoded straight from the read buffer and waits in the
// turn; the answer is encoded when the replica gives it.
extension Member {
    func registerKeyValueService() {
        server.register(MethodPath(Wire.Path.kvPing)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                try codec.decodePing(message)
                call.reply(codec.encode(.pong, revision: 0))
            } catch {
                call.fail(error)
            }
        }
        register(read: Wire.Path.kvGet) { (codec, span) throws(Wire.DecodeFailure) in try codec.decodeGet(span) }
        register(read: Wire.Path.kvStrlen) { (codec, span) throws(Wire.DecodeFailure) in try codec.decodeStrlen(span) }
        register(write: Wire.Path.kvSet) { (codec, span) throws(Wire.DecodeFailure) in try codec.decodeSet(span) }
        register(write: Wire.Path.kvDelete) { (codec, span) throws(Wire.DecodeFailure) in try codec.decodeDelete(span) }
        register(write: Wire.Path.kvAppend) { (codec, span) throws(Wire.DecodeFailure) in try codec.decodeAppend(span) }
        server.register(MethodPath(Wire.Path.kvTransact)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                transact(call, try codec.decodeTransact(message))
            } catch {
                call.fail(error)
            }
        }
        server.register(MethodPath(Wire.Path.kvKeys)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                streamKeys(call, try codec.decodeKeys(message))
            } catch {
                call.fail(error)
            }
        }
    }

    private func register(
        read path: String,
        _ decode: @escaping @Sendable (Wire.Codec, RawSpan) throws(Wire.DecodeFailure) -> Wire.ReadRequest
    ) {
        server.register(MethodPath(path)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                let request = try decode(codec, message)
                ask(
                    .read(.single(request.operation), request.consistency.freshness), deadline: call.deadline,
                    for: .unary(call))
            } catch {
                call.fail(error)
            }
        }
    }

    private func register(
        write path: String,
        _ decode: @escaping @Sendable (Wire.Codec, RawSpan) throws(Wire.DecodeFailure) -> Wire.WriteRequest
    ) {
        server.register(MethodPath(path)) { [unowned self] call, message in
            do throws(Wire.DecodeFailure) {
                let request = try decode(codec, message)
                write(call, request.command, request.requestID)
            } catch {
                call.fail(error)
            }
        }
    }

    private func transact(_ call: ServerCall, _ request: Wire.TransactRequest) {
        let command = request.command
        if command.isReadOnly {
            ask(.read(command, .linearizable), deadline: call.deadline, for: .unary(call))
        } else {
            write(call, command.encode(), request.requestID)
        }
    }

    /// With a request id it is applied once, however often it is sent (dissertation 6.3).
    private func write(_ call: ServerCall, _ command: Bytes, _ id: Wire.RequestID?) {
        if let id, id.sessionID == 0 || id.sequence == 0 {
            return call.fail(
                Status(.invalidArgument, "a request_id has a session_id from OpenSession, and a sequence from 1 on"),
                trailers: .notApplied)
        }
        ask(
            .write(command, version: Command.version, session: id?.sessionID ?? 0, sequence: id?.sequence ?? 0),
            deadline: call.deadline, for: .unary(call))
    }

    private func streamKeys(_ call: ServerCall, _ request: Wire.ReadRequest) {
        guard case .keys(let prefix, let startAfter, let limit) = request.operation else {
            preconditionFailure("Keys decodes to keys")
        }
        let stream = KeyStream(
            on: loop, call: call, codec: codec,
            scan: KeyScan(prefix: prefix, startAfter: startAfter, limit: limit))
        ask(.freeze(request.consistency.freshness), deadline: call.deadline, for: .keys(stream))
    }

    /// Answers one call of the KV service.
    func reply(to call: ServerCall, _ result: Answer.Result, _ age: LocalAge?) {
        guard !call.isClosed else { return }
        switch result {
        case .outcome(let outcome):
            switch outcome.result {
            case .single(let result): call.reply(codec.encode(result, revision: outcome.revision, header: age?.header))
            case .transaction(let results): call.reply(codec.encodeTransact(results, revision: outcome.revision))
            case .failed(let failed):
                let failure = Failure(failed, inTransaction: call.method == .transact)
                guard case .sessionExpired = failed.reason else { return call.fail(failure) }
                call.fail(Status(failure), trailers: .sessionExpired)
            case .none, .session: preconditionFailure("a write that somebody waits for is applied with its result")
            }
        case .failed(let failure):
            call.fail(failure)
        case .frozen, .log, .leadershipTransferred, .members:
            preconditionFailure("a call got the answer to another kind of request")
        }
    }
}

extension LocalAge {
    public var header: Wire.ResponseHeader {
        Wire.ResponseHeader(
            appliedIndex: appliedIndex, leaderHeardMs: leaderHeard.map { $0.nanoseconds / 1_000_000 })
    }
}

extension Wire.Consistency {
    var freshness: Freshness {
        switch self {
        case .linearizable: .linearizable
        case .lease: .lease
        case .local: .local
        }
    }
}
