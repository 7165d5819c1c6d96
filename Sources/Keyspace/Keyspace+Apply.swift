import Base

extension Keyspace {
    /// Why an entry cannot be applied. The member must stop: it can neither skip the entry nor guess at it.
    public enum Failure: Error, Equatable {
        /// The entry is not the one after `applied`.
        case outOfOrder(entry: Index, applied: Index)
        case unknownKind(index: Index, kind: UInt64)
        /// A command that this program cannot read: a newer version, or damage.
        case unreadable(index: Index, Command.Failure)
    }

    /// Applies the next entry of the log (figure 3.1, "if commitIndex > lastApplied"). With `wantsResult` the
    /// outcome holds what is to be answered; a failure of the command is reported either way, and then nothing has
    /// changed but `appliedIndex`.
    ///
    /// O(log n) for each operation, plus the bytes it writes.
    public mutating func apply(_ entry: Entry, wantsResult: Bool) throws(Failure) -> Outcome {
        guard entry.index == contents.appliedIndex.next else {
            throw .outOfOrder(entry: entry.index, applied: contents.appliedIndex)
        }
        switch entry.kind {
        case .noOperation, .configuration:
            contents.appliedIndex = entry.index
            return Outcome(revision: contents.revision, result: .none)
        case .command:
            let command: Command
            do {
                command = try Command(decoding: entry.data, version: entry.version)
            } catch {
                throw .unreadable(index: entry.index, error)
            }
            let outcome = contents.apply(command, wantsResult: wantsResult)
            contents.appliedIndex = entry.index
            return outcome
        default:
            throw .unknownKind(index: entry.index, kind: entry.kind.rawValue)
        }
    }
}

extension KeyspaceContents {
    mutating func apply(_ command: Command, wantsResult: Bool) -> Outcome {
        var changes = Changes(revision: revision + 1)
        let result: Outcome.Result
        do {
            switch command {
            case .single(let operation):
                let answer = try apply(operation, &changes)
                result = wantsResult ? .single(answer) : .none
            case .transaction(let operations):
                var answers: [OperationResult] = []
                for (number, operation) in operations.enumerated() {
                    changes.operation = number
                    answers.append(try apply(operation, &changes))
                }
                result = wantsResult ? .transaction(answers) : .none
            }
        } catch {
            for (key, record) in changes.undo.reversed() {
                if let record { _ = map.set(record) } else { _ = map.remove(key) }
            }
            return Outcome(revision: revision, result: .failed(error))
        }
        if !changes.undo.isEmpty { revision = changes.revision }
        return Outcome(revision: revision, result: result)
    }

    struct Changes {
        var revision: UInt64
        var operation = 0
        var undo: [(Bytes, Record?)] = []
    }

    private mutating func apply(
        _ operation: Operation, _ changes: inout Changes
    ) throws(OperationFailure) -> OperationResult {
        switch operation {
        case .ping, .get, .strlen, .keys:
            return read(operation)
        case .set(let key, let value):
            put(key, value, &changes)
            return .set
        case .delete(let key):
            guard let record = map.remove(key) else { return .deleted(previous: nil) }
            changes.undo.append((key, record))
            return .deleted(previous: record.value)
        case .append(let key, let suffix):
            var data = Bytes()
            switch map.record(for: key)?.value {
            case .data(let bytes): data = bytes
            case .list: throw OperationFailure(operation: changes.operation, reason: .wrongKind(key: key, holds: .list))
            case nil: break
            }
            data = data.appending(suffix)
            put(key, .data(data), &changes)
            return .appended(length: UInt64(data.count))
        case .appendItem(let key, let item):
            var list = ItemList()
            switch map.record(for: key)?.value {
            case .list(let items): list = items
            case .data: throw OperationFailure(operation: changes.operation, reason: .wrongKind(key: key, holds: .data))
            case nil: break
            }
            list.append(item)
            put(key, .list(list), &changes)
            return .appended(length: UInt64(list.count))
        }
    }

    private mutating func put(_ key: Bytes, _ value: Value, _ changes: inout Changes) {
        let old = map.record(for: key)
        changes.undo.append((key, old))
        _ = map.set(
            Record(
                key: key, value: value, created: old?.created ?? changes.revision, modified: changes.revision,
                version: (old?.version ?? 0) + 1))
    }
}
