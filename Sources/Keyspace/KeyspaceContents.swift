import Base

/// What a keyspace and a frozen version of it have in common.
struct KeyspaceContents: Sendable {
    var map = OrderedMap()
    var revision: UInt64 = 0
    var appliedIndex: Index = 0
    /// The largest time of any entry applied: what the log says the time is, in milliseconds since 1970.
    var timeMs: UInt64 = 0
    var sessions = SessionTable()

    func read(_ command: Command) -> Outcome {
        do throws(OperationFailure) {
            switch command {
            case .single(let operation):
                return Outcome(revision: revision, result: .single(try read(operation)))
            case .transaction(let operations):
                var answers = Answers(kept: true)
                for operation in operations { try answers.add(try read(operation, at: answers.count)) }
                return Outcome(revision: revision, result: .transaction(answers.results))
            }
        } catch {
            return Outcome(revision: revision, result: .failed(error))
        }
    }

    func read(_ operation: Operation, at number: Int = 0) throws(OperationFailure) -> OperationResult {
        switch operation {
        case .ping:
            return .pong
        case .get(let key):
            let (value, revision) = value(of: key)
            return .value(value, revision: revision)
        case .strlen(let key):
            return .length(map.record(for: key)?.length ?? 0)
        case .keys(let prefix, let startAfter, let limit):
            var scan = KeyScan(prefix: prefix, startAfter: startAfter, limit: limit)
            let keys = scan.next(in: map, maxKeys: Outcome.keysCeiling, maxBytes: Outcome.resultCeiling)
            guard scan.isFinished else { throw OperationFailure(operation: number, reason: .resultTooLarge) }
            return .keys(keys)
        case .set, .delete, .append, .appendItem:
            preconditionFailure("a write was asked for as a read")
        }
    }

    func value(of key: Bytes) -> (value: Value?, revision: UInt64) {
        guard let record = map.record(for: key) else { return (nil, 0) }
        return (record.value, record.modified)
    }
}

/// The answers of a transaction as they gather, held below `Outcome.resultCeiling`.
struct Answers {
    private(set) var results: [OperationResult] = []
    private(set) var count = 0
    private var size = 0
    private let kept: Bool

    /// When they are not `kept` they are counted all the same: whether a transaction fails cannot depend on who asks.
    init(kept: Bool) { self.kept = kept }

    mutating func add(_ result: OperationResult) throws(OperationFailure) {
        size += result.size
        guard size <= Outcome.resultCeiling else {
            throw OperationFailure(operation: count, reason: .resultTooLarge)
        }
        count += 1
        if kept { results.append(result) }
    }
}
