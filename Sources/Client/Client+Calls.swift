import Base
import EventLoop
import GRPC
import Synchronization

extension Client {
    /// Makes a call until it is answered, judged, or out of time.
    ///
    /// `isSafe`: it changes nothing, so that it may be sent again whatever became of it. So may a write in a session. `since`:
    /// when the caller began, if it did something before.
    func call(
        _ path: MethodPath, _ message: Bytes, isSafe: Bool, in session: WriteSession? = nil, since first: Instant? = nil,
        timeout: Interval? = nil
    ) async throws(ClientError) -> Bytes {
        let began = loop.now
        let deadline = began + (timeout ?? options.timeout)
        var attempts: [ClientError.Attempt] = []
        var place = preferred
        var rounds = 0
        /// How an attempt ended that may have been applied.
        var doubt: Status?
        func error(_ kind: ClientError.Kind) -> ClientError {
            ClientError(kind, isWrite: !isSafe, attempts: attempts, elapsed: loop.now - (first ?? began))
        }
        while true {
            for _ in 0..<endpoints.count {
                let left = deadline - loop.now
                guard left > .zero else { throw error(doubt.map { .outcomeUnknown($0) } ?? .noAnswer) }
                let endpoint = endpoints[place % endpoints.count]
                let patience =
                    isSafe ? min(left, options.readAttempt) : session == nil ? left : min(left, options.writeAttempt)
                let result = await attempt(endpoint, path, message, timeout: patience)
                let verdict = Verdict(
                    result.status, neverSent: result.neverSent, trailers: result.trailers,
                    isSafe: isSafe || session != nil, inDoubt: doubt != nil)
                switch verdict {
                case .answered:
                    preferred = place % endpoints.count
                    return result.message
                case .rejected:
                    throw error(.rejected(result.status))
                case .sessionOver:
                    if let session { forget(session) }
                    throw error(doubt == nil ? .sessionExpired(result.status) : .outcomeUnknown(result.status))
                case .outcomeUnknown:
                    if Task.isCancelled { throw error(.cancelled(isCertain: false)) }
                    attempts.note(endpoint, ClientError.text(result.status))
                    throw error(.outcomeUnknown(result.status))
                case .tryAgain:
                    if session != nil, !Verdict.isCertain(result) { doubt = result.status }
                    if Task.isCancelled { throw error(.cancelled(isCertain: doubt == nil)) }
                    attempts.note(endpoint, ClientError.text(result.status))
                    place += 1
                }
            }
            rounds += 1
            await pause(min(backoff(after: rounds), deadline - loop.now))
            if Task.isCancelled { throw error(.cancelled(isCertain: doubt == nil)) }
        }
    }

    /// Sends a request to one member, once.
    func attempt(_ endpoint: Endpoint, _ path: MethodPath, _ message: Bytes, timeout: Interval) async -> UnaryResult {
        let pending = PendingCall()
        let loop = loop
        return await withTaskCancellationHandler {
            await self.send(message, to: endpoint, path, timeout: timeout, pending)
        } onCancel: {
            // At the end of the turn: the call has begun by then, even when the task was cancelled before.
            loop.perform { pending.handle.withLock { $0 }?.cancel() }
        }
    }

    /// A method, not a closure: what runs in a cancellation handler's operation is not on the loop by itself.
    private func send(
        _ message: Bytes, to endpoint: Endpoint, _ path: MethodPath, timeout: Interval, _ pending: PendingCall
    ) async -> UnaryResult {
        let channel = channel(to: endpoint)
        return await withUnsafeContinuation { continuation in
            let handle = channel.unary(path, message: message, timeout: timeout) { continuation.resume(returning: $0) }
            pending.handle.withLock { $0 = handle }
        }
    }

    /// Waits, unless the task is cancelled.
    func pause(_ interval: Interval) async {
        do {
            try await Task.sleep(nanoseconds: interval.nanoseconds)
        } catch {
            // Cancelled: the caller looks at the task itself.
        }
    }
}

/// Where a cancellation finds the call.
private final class PendingCall: Sendable {
    let handle = Mutex<CallHandle?>(nil)
}
