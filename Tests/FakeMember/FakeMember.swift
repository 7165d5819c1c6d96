import Base
import Consensus
import EventLoop
import Foundation
import GRPC
import Keyspace
import Synchronization
import Wire

/// What fake members of one cluster share.
public final class FakeStore: @unchecked Sendable {
    private var keyspace = Keyspace()
    private var log: [Entry] = []
    /// pthread's own, which ThreadSanitizer sees; guards both.
    private let lock = NSLock()

    public init() {}

    /// A command, in a session or not; or what opens one.
    func apply(_ command: Bytes, _ id: Wire.RequestID? = nil, kind: Entry.Kind = .command) -> Outcome {
        lock.withLock {
            let entry = Entry(
                term: 1, index: Index(UInt64(log.count + 1)), kind: kind, timeMs: 0,
                sessionID: id?.sessionID ?? 0, sequence: id?.sequence ?? 0, version: 1, data: command)
            log.append(entry)
            do {
                return try keyspace.apply(entry, wantsResult: true)
            } catch {
                preconditionFailure("\(error)")
            }
        }
    }

    /// Ends a session, as time does.
    public func end(session: UInt64) {
        _ = apply(Bytes(), Wire.RequestID(sessionID: session, sequence: 0), kind: .closeSession)
    }

    func read(_ command: Command) -> Outcome { lock.withLock { keyspace.read(command) } }

    public var entries: [Entry] { lock.withLock { log } }
}

private struct SessionExpired: Error {}

/// A member that is a real gRPC server, and does what a test tells it: for clients to be tried on.
public final class FakeMember: @unchecked Sendable {
    /// What becomes of one call.
    public enum Reply: Sendable {
        /// What a good member would do.
        case proper
        /// This status; `notApplied` with the trailer that says so.
        case failure(Status, notApplied: Bool = false)
        /// It is done, but nobody is told: this status instead.
        case appliedThen(Status)
        /// It is never answered.
        case silence
        /// An answer that is no message.
        case garbage
        /// The connection ends under the call.
        case hangUp
    }

    public let name: String
    public private(set) var port: UInt16 = 0
    /// Whether it takes changes of servers itself. To be set before it is asked.
    public var leads = true
    private let thread: LoopThread
    private let store: FakeStore
    private let codec = Wire.Codec()
    private var server: GRPCServer!
    /// The next calls' replies; then all are proper, or as `always` says.
    private let script = Mutex<[Reply]>([])
    private let always = Mutex<Reply>(.proper)
    private let received = Mutex<[String]>([])
    private let status = Mutex(Wire.Status())

    public init(name: String = "n1", store: FakeStore = FakeStore(), port: UInt16 = 0) async throws {
        self.name = name
        self.store = store
        thread = LoopThread(name: name)
        thread.start()
        status.withLock { $0.name = name }
        self.port = try await withCheckedThrowingContinuation { continuation in
            thread.loop.perform { continuation.resume(with: Result { try self.start(port) }) }
        }
        status.withLock { $0.address = address }
    }

    public var address: String { "127.0.0.1:\(port)" }
    /// The methods that were called, in order, without their service.
    public var calls: [String] { received.withLock { $0 } }

    public func next(_ replies: Reply...) { script.withLock { $0 += replies } }
    public func from(nowOn reply: Reply) { always.withLock { $0 = reply } }
    public func change(_ body: (inout Wire.Status) -> Void) { status.withLock { body(&$0) } }

    /// Ends every connection and listens no more.
    public func stop() { thread.stop() }

    private func start(_ port: UInt16) throws -> UInt16 {
        server = GRPCServer(loop: thread.loop)
        // The server is this member's own: none of its handlers may keep the member.
        for path in [Wire.Path.kvGet, Wire.Path.kvStrlen, Wire.Path.kvPing] {
            unary(path) { [unowned self] in try read($0, $1) }
        }
        for path in [Wire.Path.kvSet, Wire.Path.kvDelete, Wire.Path.kvAppend, Wire.Path.kvTransact] {
            unary(path) { [unowned self] in try write($0, $1) }
        }
        unary(Wire.Path.clusterStatus) { [unowned self] _, _ in codec.encode(status.withLock { $0 }) }
        unary(Wire.Path.clusterTransferLeadership) { [unowned self] _, _ in
            let leader = status.withLock { $0.leaderAddress }
            return codec.encode(Wire.ChangeResponse(status: leads ? .ok : .notLeader, leaderHint: leader))
        }
        for path in [Wire.Path.kvKeys, Wire.Path.clusterRequestLog] {
            server.register(MethodPath(path)) { [unowned self] call, message in stream(path, call, message) }
        }
        return try server.listen(host: "127.0.0.1", port: port)
    }

    private func reply(_ path: String) -> Reply {
        received.withLock { $0.append(String(path.split(separator: "/")[1])) }
        return script.withLock { $0.isEmpty ? nil : $0.removeFirst() } ?? always.withLock { $0 }
    }

    private func unary(_ path: String, _ answer: @escaping (String, RawSpan) throws -> Bytes) {
        server.register(MethodPath(path)) { [unowned self] call, message in
            do {
                switch reply(path) {
                case .proper: call.reply(try answer(path, message))
                case .appliedThen(let status):
                    _ = try answer(path, message)
                    call.fail(status)
                case .garbage: call.reply([0xff, 0xff, 0xff])
                case let other: self.fail(call, other)
                }
            } catch is SessionExpired {
                var trailers = Metadata()
                trailers.add("swiftwater-session-expired", "1")
                call.fail(Status(.failedPrecondition, "session expired"), trailers: trailers)
            } catch let status as Status {
                call.fail(status)
            } catch {
                call.fail(Status(.invalidArgument, "\(error)"))
            }
        }
    }

    private func fail(_ call: ServerCall, _ reply: Reply) {
        switch reply {
        case .failure(let status, let notApplied):
            var trailers = Metadata()
            if notApplied { trailers.add("swiftwater-not-applied", "1") }
            call.fail(status, trailers: trailers)
        case .hangUp: call.reset()
        case .silence, .proper, .garbage, .appliedThen: break
        }
    }

    private func read(_ path: String, _ message: RawSpan) throws -> Bytes {
        let request: Wire.ReadRequest
        switch path {
        case Wire.Path.kvPing: return codec.encode(.pong, revision: 0)
        case Wire.Path.kvGet: request = try codec.decodeGet(message)
        default: request = try codec.decodeStrlen(message)
        }
        return try encode(store.read(.single(request.operation)))
    }

    private func write(_ path: String, _ message: RawSpan) throws -> Bytes {
        switch path {
        case Wire.Path.kvSet, Wire.Path.kvDelete, Wire.Path.kvAppend:
            let request =
                path == Wire.Path.kvSet ? try codec.decodeSet(message)
                : path == Wire.Path.kvDelete ? try codec.decodeDelete(message) : try codec.decodeAppend(message)
            return try encode(store.apply(request.command, request.requestID))
        default:
            let request = try codec.decodeTransact(message)
            return try encode(store.apply(request.command.encode(), request.requestID))
        }
    }

    /// Lets clients open sessions; a member that was not told to knows none.
    public func openSessions() async {
        await withCheckedContinuation { continuation in
            thread.loop.perform { [self] in
                unary(Wire.Path.clusterOpenSession) { [unowned self] _, _ in
                    guard case .session(let id) = store.apply(SessionLimits().encode(), kind: .openSession).result
                    else { throw Status(.internal, "no session") }
                    return codec.encodeOpenSessionResponse(sessionID: id)
                }
                continuation.resume()
            }
        }
    }

    private func encode(_ outcome: Outcome) throws -> Bytes {
        switch outcome.result {
        case .none, .session: throw Status(.internal, "no result")
        case .single(let result): return codec.encode(result, revision: outcome.revision)
        case .transaction(let results): return codec.encodeTransact(results, revision: outcome.revision)
        case .failed(let failure):
            if case .sessionExpired = failure.reason { throw SessionExpired() }
            throw Status(.failedPrecondition, failure.refusal(inTransaction: false).message)
        }
    }

    /// Keys go out in messages of two, to be seen apart. `appliedThen` breaks the stream after the first.
    private func stream(_ path: String, _ call: ServerCall, _ message: RawSpan) {
        do {
            let reply = reply(path)
            switch reply {
            case .proper, .appliedThen: break
            case .garbage: return call.send([0xff, 0xff, 0xff])
            default: return fail(call, reply)
            }
            let messages = path == Wire.Path.kvKeys ? try keys(message) : try log(message)
            if case .appliedThen(let status) = reply {
                if let first = messages.first { call.send(first) }
                return call.finish(status)
            }
            for message in messages { call.send(message) }
            call.finish()
        } catch {
            call.fail(Status(.invalidArgument, "\(error)"))
        }
    }

    private func keys(_ message: RawSpan) throws -> [Bytes] {
        let request = try codec.decodeKeys(message)
        guard case .single(.keys(let keys)) = store.read(.single(request.operation)).result else { return [] }
        return stride(from: 0, to: keys.count, by: 2).map { codec.encodeKeys(keys[$0..<min($0 + 2, keys.count)]) }
    }

    private func log(_ message: RawSpan) throws -> [Bytes] {
        let request = try codec.decodeRequestLog(message)
        let entries = store.entries.filter { $0.index >= request.from }
        let wanted = request.limit == 0 ? entries : Array(entries.prefix(Int(request.limit)))
        return wanted.map { codec.encode(Wire.LogRecord($0, isCommitted: true)) }
    }
}
