import Base
import GRPC
import Keyspace
import Wire

/// What a transaction brought.
public struct TransactionAnswer: Sendable, Equatable {
    /// One for each operation, in order.
    public var results: [OperationResult]
    /// The store's revision after it.
    public var revision: UInt64

    public init(results: [OperationResult], revision: UInt64) {
        self.results = results
        self.revision = revision
    }
}

extension Client {
    public func ping() async throws(ClientError) {
        _ = try await perform(.ping)
    }

    /// The value of a key and the revision that last changed it; nil and 0 when there is none.
    public func get(
        _ key: Bytes, consistency: Wire.Consistency = .linearizable
    ) async throws(ClientError) -> (value: Value?, revision: UInt64) {
        guard case .value(let value, let revision) = try await perform(.get(key: key), consistency).result else {
            throw unexpected
        }
        return (value, revision)
    }

    /// The store's revision with the write in it.
    @discardableResult
    public func set(_ key: Bytes, _ value: Value) async throws(ClientError) -> UInt64 {
        try await perform(.set(key: key, value: value)).revision
    }

    /// Bytes of data, items of a list, 0 for a missing key.
    public func strlen(_ key: Bytes, consistency: Wire.Consistency = .linearizable) async throws(ClientError) -> UInt64 {
        guard case .length(let length) = try await perform(.strlen(key: key), consistency).result else {
            throw unexpected
        }
        return length
    }

    /// The value it had.
    @discardableResult
    public func delete(_ key: Bytes) async throws(ClientError) -> Value? {
        guard case .deleted(let previous) = try await perform(.delete(key: key)).result else { throw unexpected }
        return previous
    }

    /// The length afterwards.
    @discardableResult
    public func append(_ key: Bytes, _ suffix: Bytes) async throws(ClientError) -> UInt64 {
        guard case .appended(let length) = try await perform(.append(key: key, suffix: suffix)).result else {
            throw unexpected
        }
        return length
    }

    /// The number of items afterwards.
    @discardableResult
    public func append(_ key: Bytes, item: String) async throws(ClientError) -> UInt64 {
        let operation = Operation.appendItem(key: key, item: Bytes(utf8: item))
        guard case .appended(let length) = try await perform(operation).result else { throw unexpected }
        return length
    }

    /// All keys that begin with `prefix` and stand after `startAfter`, in byte order; at most `limit` (0: all). They
    /// are gathered in memory: `eachKey` takes a store of any size.
    public func keys(
        prefix: Bytes = Bytes(), startAfter: Bytes = Bytes(), limit: UInt64 = 0,
        consistency: Wire.Consistency = .linearizable
    ) async throws(ClientError) -> [Bytes] {
        let gathered = Gathered<Bytes>()
        try await eachKey(prefix: prefix, startAfter: startAfter, limit: limit, consistency: consistency) { keys in
            gathered.add(keys)
            return true
        }
        return gathered.elements
    }

    /// A get or a strlen of what one member has, whoever answers first, and how old it may be; nil from members that do not
    /// tell.
    public func local(_ operation: Operation) async throws(ClientError) -> (result: OperationResult, age: Wire.ResponseHeader?) {
        let path = MethodPath(Wire.Path.path(of: operation))
        let answer = try await call(path, codec.encodeRequest(operation, consistency: .local), isSafe: true)
        return try read(isWrite: false) { () throws(Wire.DecodeFailure) in
            try answer.withSpan { (span) throws(Wire.DecodeFailure) in
                guard case .single(let result) = try codec.decodeResponse(to: operation, span).result else {
                    throw .inconsistent("it answers another question than the one asked")
                }
                return (result, try codec.decodeHeader(ofResponseTo: operation, span))
            }
        }
    }

    /// One operation of any kind, and the store's revision after it (0 for what only reads). Keys are gathered.
    public func perform(
        _ operation: Operation, _ consistency: Wire.Consistency = .linearizable
    ) async throws(ClientError) -> (result: OperationResult, revision: UInt64) {
        if case .keys(let prefix, let startAfter, let limit) = operation {
            let keys = try await keys(prefix: prefix, startAfter: startAfter, limit: limit, consistency: consistency)
            return (.keys(keys), 0)
        }
        let path = MethodPath(Wire.Path.path(of: operation))
        let answer: Bytes
        if operation.isReadOnly {
            answer = try await call(path, codec.encodeRequest(operation, consistency: consistency), isSafe: true)
        } else {
            answer = try await write(path) { codec.encodeRequest(operation, requestID: $0) }
        }
        let outcome = try read(isWrite: !operation.isReadOnly) { () throws(Wire.DecodeFailure) in
            try answer.withSpan { (span) throws(Wire.DecodeFailure) in try codec.decodeResponse(to: operation, span) }
        }
        guard case .single(let result) = outcome.result else { throw unexpected }
        return (result, outcome.revision)
    }

    /// All of them, as one entry of the log, or none.
    public func transact(_ operations: [Operation]) async throws(ClientError) -> TransactionAnswer {
        let isSafe = operations.allSatisfy(\.isReadOnly)
        let path = MethodPath(Wire.Path.kvTransact)
        let answer: Bytes
        if isSafe {
            answer = try await call(path, codec.encodeTransact(operations), isSafe: true)
        } else {
            answer = try await write(path) { codec.encodeTransact(operations, requestID: $0) }
        }
        let outcome = try read(isWrite: !isSafe) { () throws(Wire.DecodeFailure) in
            try answer.withSpan { (span) throws(Wire.DecodeFailure) in try codec.decodeTransactResponse(span) }
        }
        guard case .transaction(let results) = outcome.result, results.count == operations.count else {
            throw unexpected
        }
        return TransactionAnswer(results: results, revision: outcome.revision)
    }

    /// Runs a decoder.
    func read<T>(isWrite: Bool, _ decode: () throws(Wire.DecodeFailure) -> T) throws(ClientError) -> T {
        do {
            return try decode()
        } catch {
            throw ClientError(.badAnswer(error.message), isWrite: isWrite)
        }
    }

    var unexpected: ClientError { ClientError(.badAnswer("it answers another question than the one asked")) }
}

/// Collects the batches of a stream. Each is handed over before the next one is.
private final class Gathered<Element>: @unchecked Sendable {
    private(set) var elements: [Element] = []
    func add(_ more: [Element]) { elements += more }
}
