import Base

/// What a keyspace and a frozen version of it have in common.
struct KeyspaceContents: Sendable {
    var map = OrderedMap()
    var revision: UInt64 = 0
    var appliedIndex: Index = 0

    func read(_ command: Command) -> Outcome {
        switch command {
        case .single(let operation):
            return Outcome(revision: revision, result: .single(read(operation)))
        case .transaction(let operations):
            var results: [OperationResult] = []
            results.reserveCapacity(operations.count)
            var size = 0
            for (number, operation) in operations.enumerated() {
                let result = read(operation)
                size += result.size
                guard size <= Outcome.resultCeiling else {
                    let failure = OperationFailure(operation: number, reason: .resultTooLarge)
                    return Outcome(revision: revision, result: .failed(failure))
                }
                results.append(result)
            }
            return Outcome(revision: revision, result: .transaction(results))
        }
    }

    func read(_ operation: Operation) -> OperationResult {
        switch operation {
        case .ping:
            return .pong
        case .get(let key):
            let record = map.record(for: key)
            return .value(record?.value, revision: record?.modified ?? 0)
        case .strlen(let key):
            return .length(map.record(for: key)?.value.length ?? 0)
        case .keys(let prefix, let startAfter, let limit):
            var scan = KeyScan(prefix: prefix, startAfter: startAfter, limit: limit)
            return .keys(scan.next(in: map, maxKeys: .max, maxBytes: .max))
        case .set, .delete, .append, .appendItem:
            preconditionFailure("a write was asked for as a read")
        }
    }
}
