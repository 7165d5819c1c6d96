import Base
import EventLoop
import GRPC
import Wire

/// A session of the cluster's (Raft dissertation 6.3), as its client keeps it: which requests are under way.
///
/// Confined to the client's loop.
final class WriteSession {
    let id: UInt64
    private var next: UInt64 = 1
    /// Whether each sequence from `oldest` on has ended.
    private var ended: [Bool] = []
    private var oldest: UInt64 = 1
    private var waiters: [UnsafeContinuation<Void, Never>] = []

    /// How far the newest sequence may be ahead of the oldest that is under way: less than the window of sequences that a
    /// session remembers.
    static let spread = 200

    init(id: UInt64) { self.id = id }

    /// Waits for room, and gives the next sequence.
    func begin(isolation: isolated (any Actor)? = #isolation) async -> UInt64 {
        while ended.count >= Self.spread { await withUnsafeContinuation { waiters.append($0) } }
        defer { next += 1 }
        ended.append(false)
        return next
    }

    func end(_ sequence: UInt64) {
        ended[Int(sequence - oldest)] = true
        let count = ended.prefix { $0 }.count
        guard count > 0 else { return }
        ended.removeFirst(count)
        oldest += UInt64(count)
        let waiting = waiters
        waiters = []
        for waiter in waiting { waiter.resume() }
    }
}

// Writes in a session are applied once, however often they are sent: so they are sent again when their answer is lost.
extension Client {
    private static let openSessionPath = MethodPath(Wire.Path.clusterOpenSession)

    /// Makes a write. `encode` gives the request; nil: without a session, as far as the cluster knows none.
    func write(_ path: MethodPath, _ encode: (Wire.RequestID?) -> Bytes) async throws(ClientError) -> Bytes {
        let began = loop.now
        let deadline = began + options.timeout
        while true {
            guard let session = try await session(until: deadline) else {
                return try await call(path, encode(nil), isSafe: false, since: began, timeout: deadline - loop.now)
            }
            let sequence = await session.begin()
            let request = encode(Wire.RequestID(sessionID: session.id, sequence: sequence))
            do throws(ClientError) {
                defer { session.end(sequence) }
                return try await call(
                    path, request, isSafe: false, in: session, since: began, timeout: deadline - loop.now)
            } catch {
                // It was sent once and not applied: a new session may try.
                guard case .sessionExpired = error.kind, loop.now < deadline else { throw error }
            }
        }
    }

    /// This client's session, opened when there is none; nil when the cluster knows none.
    private func session(until deadline: Instant) async throws(ClientError) -> WriteSession? {
        while true {
            if let writeSession { return writeSession }
            guard options.usesSession, !sessionsAreUnknown else { return nil }
            if isOpeningSession {
                await withUnsafeContinuation { sessionWaiters.append($0) }
            } else {
                try await openSession(until: deadline)
            }
        }
    }

    private func openSession(until deadline: Instant) async throws(ClientError) {
        isOpeningSession = true
        defer {
            isOpeningSession = false
            let waiting = sessionWaiters
            sessionWaiters = []
            for waiter in waiting { waiter.resume() }
        }
        do throws(ClientError) {
            // To open one in vain does no harm.
            let answer = try await call(
                Self.openSessionPath, codec.encodeOpenSessionRequest(), isSafe: true, timeout: deadline - loop.now)
            let id = try read(isWrite: false) { () throws(Wire.DecodeFailure) in
                try answer.withSpan { (span) throws(Wire.DecodeFailure) in try codec.decodeOpenSessionResponse(span) }
            }
            writeSession = WriteSession(id: id)
        } catch {
            guard case .rejected(let status) = error.kind,
                status.code == .unimplemented || status.code == .failedPrecondition
            else {
                throw ClientError(error.kind, isWrite: true, attempts: error.attempts, elapsed: error.elapsed)
            }
            sessionsAreUnknown = true
        }
    }

    /// It is over: the next write opens another.
    func forget(_ session: WriteSession) {
        if writeSession === session { writeSession = nil }
    }
}
