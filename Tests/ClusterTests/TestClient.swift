import Base
import EventLoop
import GRPC
import Keyspace
import Wire

/// How a call ended that gave no answer.
struct CallFailure: Error, CustomStringConvertible {
    var status: GRPC.Status
    /// It is certain that nothing was applied: the call was never sent, or the member says so.
    var notApplied: Bool
    var description: String { "\(status)\(notApplied ? " (not applied)" : "")" }
}

/// One member as a test speaks to it: one attempt a call, no retries, no other member. What a test claims about
/// an outcome is then what that member said.
final class TestClient: Sendable {
    /// Every client of the test process lives on one loop.
    private static let thread: LoopThread = {
        let thread = LoopThread(name: "test clients")
        thread.start()
        return thread
    }()

    /// What belongs to the loop.
    private final class Confined: @unchecked Sendable {
        var channel: Channel?
        let codec = Wire.Codec()
    }

    let endpoint: String
    private let confined = Confined()

    init(_ endpoint: String) { self.endpoint = endpoint }

    deinit {
        let confined = confined
        Self.thread.loop.perform { confined.channel?.close() }
    }

    // MARK: What a test asks

    func get(_ key: String, seconds: Double = 5) async throws -> String? {
        guard case .value(let value, _) = try await single(.get(key: Bytes(utf8: key)), seconds) else { return nil }
        guard case .data(let data) = value else { return nil }
        return data.utf8String
    }

    /// Whatever this member has applied, however old.
    func getLocal(_ key: String) async throws -> String? {
        let operation = Operation.get(key: Bytes(utf8: key))
        let outcome = try await call(Wire.Path.path(of: operation), 5, { $0.encodeRequest(operation, consistency: .local) }) {
            try $0.decodeResponse(to: operation, $1)
        }
        guard case .single(.value(.data(let data)?, _)) = outcome.result else { return nil }
        return data.utf8String
    }

    /// The store's revision with this write in it.
    @discardableResult
    func set(_ key: String, _ value: String, seconds: Double = 5) async throws -> UInt64 {
        try await outcome(.set(key: Bytes(utf8: key), value: .data(Bytes(utf8: value))), seconds).revision
    }

    func append(_ key: String, _ suffix: String, seconds: Double = 5) async throws {
        _ = try await outcome(.append(key: Bytes(utf8: key), suffix: Bytes(utf8: suffix)), seconds)
    }

    func delete(_ key: String, seconds: Double = 5) async throws -> String? {
        guard case .deleted(.data(let data)?) = try await single(.delete(key: Bytes(utf8: key)), seconds) else { return nil }
        return data.utf8String
    }

    func status(seconds: Double = 1) async throws -> Wire.Status {
        try await call(Wire.Path.clusterStatus, seconds, { $0.encodeStatusRequest() }) { try $0.decodeStatus($1) }
    }

    // MARK: How

    func outcome(_ operation: Operation, seconds: Double) async throws -> Outcome {
        try await outcome(operation, seconds)
    }

    private func outcome(_ operation: Operation, _ seconds: Double) async throws -> Outcome {
        try await call(Wire.Path.path(of: operation), seconds, { $0.encodeRequest(operation) }) {
            try $0.decodeResponse(to: operation, $1)
        }
    }

    private func single(_ operation: Operation, _ seconds: Double) async throws -> OperationResult? {
        guard case .single(let result) = try await outcome(operation, seconds).result else { return nil }
        return result
    }

    func call<Answer: Sendable>(
        _ path: String, _ seconds: Double, _ encode: @escaping @Sendable (Wire.Codec) -> Bytes,
        _ decode: @escaping @Sendable (Wire.Codec, RawSpan) throws -> Answer
    ) async throws -> Answer {
        try await withCheckedThrowingContinuation { continuation in
            Self.thread.loop.perform { [self] in
                channel().unary(MethodPath(path), message: encode(confined.codec), timeout: Interval.milliseconds(UInt64(seconds * 1000))) { [confined] result in
                    guard result.isOK else {
                        let notApplied = result.neverSent || result.trailers["swiftwater-not-applied"] == "1"
                        return continuation.resume(throwing: CallFailure(status: result.status, notApplied: notApplied))
                    }
                    continuation.resume(with: Result { try result.message.withSpan { try decode(confined.codec, $0) } })
                }
            }
        }
    }

    /// On the loop.
    private func channel() -> Channel {
        if let channel = confined.channel { return channel }
        let colon = endpoint.lastIndex(of: ":")!
        var options = ChannelOptions()
        options.maxBackoff = .milliseconds(100)
        let channel = Channel(loop: Self.thread.loop, host: String(endpoint[..<colon]), port: UInt16(endpoint[endpoint.index(after: colon)...])!, options: options)
        confined.channel = channel
        return channel
    }
}
