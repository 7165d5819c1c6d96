import Base
import EventLoop
import GRPC
import Keyspace
import Wire

extension Client {
    /// Keys as `keys` gives them, in batches as they come: one moment of the store, whatever its size. `body` is
    /// called with each batch; when it returns false, the rest is not asked for.
    ///
    /// Another member is asked only as long as no key has come.
    public func eachKey(
        prefix: Bytes = Bytes(), startAfter: Bytes = Bytes(), limit: UInt64 = 0,
        consistency: Wire.Consistency = .linearizable, _ body: @Sendable ([Bytes]) async -> Bool
    ) async throws(ClientError) {
        let request = codec.encodeRequest(
            .keys(prefix: prefix, startAfter: startAfter, limit: limit), consistency: consistency)
        let codec = codec
        try await stream(Self.keysPath, request, decode: { span in try codec.decodeKeysResponse(span) }, body)
    }

    /// Entries of one member's own log, in batches as they come. `node` nil: whichever member answers first.
    /// The name of the member that answered; empty when none was asked for.
    @discardableResult
    public func eachLogRecord(
        from: Index = 1, limit: UInt64 = 0, node: String? = nil,
        _ body: @Sendable ([Wire.LogRecord]) async -> Bool
    ) async throws(ClientError) -> String {
        let request = codec.encode(Wire.RequestLogRequest(from: from, limit: limit))
        let codec = codec
        var only: Endpoint?
        if let node { only = try await endpoint(of: node) }
        try await stream(Self.logPath, request, only: only, decode: { span in [try codec.decodeLogRecord(span)] }, body)
        return node ?? ""
    }

    /// A backup of the whole store at one moment, in pieces of at most a mebibyte as they come: one behind the other they are
    /// the file. `body` is called with some of them at a time; when it returns false, the rest is not asked for.
    ///
    /// Another member is asked only as long as no piece has come.
    public func eachBackupPiece(_ body: @Sendable ([Wire.BackupPiece]) async -> Bool) async throws(ClientError) {
        let codec = codec
        try await stream(
            Self.backupPath, codec.encodeBackupRequest(), buffer: Self.backupBuffer,
            decode: { span in [try codec.decodeBackupPiece(span)] }, body)
    }

    /// Pieces that are held for a slow `body`.
    private static let backupBuffer = 8
    private static let backupPath = MethodPath(Wire.Path.clusterBackup)
    private static let keysPath = MethodPath(Wire.Path.kvKeys)
    private static let logPath = MethodPath(Wire.Path.clusterRequestLog)

    /// Reads a stream of answers from the first member that begins to give one.
    private func stream<Element: Sendable>(
        _ path: MethodPath, _ request: Bytes, only: Endpoint? = nil, buffer: Int? = nil,
        decode: @escaping (RawSpan) throws -> [Element], _ body: @Sendable ([Element]) async -> Bool
    ) async throws(ClientError) {
        let began = loop.now
        let deadline = began + options.timeout
        var attempts: [ClientError.Attempt] = []
        var place = preferred
        var rounds = 0
        while true {
            for _ in 0..<(only == nil ? endpoints.count : 1) {
                let endpoint = only ?? endpoints[place % endpoints.count]
                let left = max(.milliseconds(1), deadline - loop.now)
                let patience = only == nil ? min(left, options.readAttempt) : left
                let (end, hasBegun) = await read(endpoint, path, request, patience, buffer, decode, body)
                guard let end else {
                    if only == nil { preferred = place % endpoints.count }
                    return
                }
                let verdict = Verdict(end.status, neverSent: end.neverSent, trailers: end.trailers, isSafe: true)
                if verdict == .answered {
                    if only == nil { preferred = place % endpoints.count }
                    return
                }
                let elapsed = loop.now - began
                if Task.isCancelled { throw ClientError(.cancelled(isCertain: true), attempts: attempts, elapsed: elapsed) }
                attempts.note(endpoint, ClientError.text(end.status))
                // What was handed on cannot be taken back.
                if verdict == .rejected || hasBegun {
                    throw ClientError(.rejected(end.status), attempts: attempts, elapsed: elapsed)
                }
                if loop.now >= deadline { throw ClientError(.noAnswer, attempts: attempts, elapsed: elapsed) }
                place += 1
            }
            rounds += 1
            await pause(min(backoff(after: rounds), deadline - loop.now))
        }
    }

    /// One stream from one member. `end` nil: `body` has had enough.
    private func read<Element: Sendable>(
        _ endpoint: Endpoint, _ path: MethodPath, _ request: Bytes, _ patience: Interval,
        _ buffer: Int?, _ decode: @escaping (RawSpan) throws -> [Element], _ body: @Sendable ([Element]) async -> Bool
    ) async -> (end: StreamReader<Element>.End?, hasBegun: Bool) {
        let call = channel(to: endpoint).stream(path)
        let reader = StreamReader(call, on: loop, limit: buffer ?? options.streamBuffer, patience: patience, decode: decode)
        call.send(request)
        call.finishSending()
        defer { reader.close() }
        let loop = loop
        return await withTaskCancellationHandler {
            await self.drain(reader, body)
        } onCancel: {
            loop.perform { call.cancel() }
        }
    }

    private func drain<Element: Sendable>(
        _ reader: StreamReader<Element>, _ body: @Sendable ([Element]) async -> Bool
    ) async -> (end: StreamReader<Element>.End?, hasBegun: Bool) {
        var hasBegun = false
        while true {
            let (elements, end) = await reader.next()
            if let end { return (end, hasBegun) }
            hasBegun = true
            reader.patience = options.timeout
            guard await body(elements) else { return (nil, hasBegun) }
        }
    }
}
