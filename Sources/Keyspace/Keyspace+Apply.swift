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
    /// changed but `appliedIndex`. When it throws, nothing has changed at all.
    ///
    /// O(log n) for each operation, plus the bytes that it writes.
    public mutating func apply(_ entry: Entry, wantsResult: Bool) throws(Failure) -> Outcome {
        guard digested == nil else { return try applyDigested(entry, wantsResult: wantsResult) }
        return try applyNext(entry, wantsResult: wantsResult)
    }

    mutating func applyNext(_ entry: Entry, wantsResult: Bool) throws(Failure) -> Outcome {
        guard entry.index == contents.appliedIndex.next else {
            throw .outOfOrder(entry: entry.index, applied: contents.appliedIndex)
        }
        if entry.kind == .command, entry.sessionID == 0, contents.applyPlainSet(entry) {
            return Outcome(revision: contents.revision, result: wantsResult ? .single(.set) : .none)
        }
        let outcome: Outcome
        switch entry.kind {
        case .command:
            let command = try Self.read(entry) { entry throws(Command.Failure) in
                try Command(decoding: entry.data, version: entry.version)
            }
            contents.enter(entry)
            outcome = contents.apply(command, of: entry, wantsResult: wantsResult)
        case .noOperation, .configuration:
            contents.enter(entry)
            outcome = Outcome(revision: contents.revision, result: .none)
        case .openSession:
            let limits = try Self.read(entry) { entry throws(Command.Failure) in
                try SessionLimits(decoding: entry.data, version: entry.version)
            }
            contents.enter(entry)
            contents.sessions.open(entry.index, limits, timeMs: contents.timeMs)
            outcome = Outcome(
                revision: contents.revision, result: wantsResult ? .session(entry.index.rawValue) : .none)
        case .closeSession:
            contents.enter(entry)
            contents.sessions.close(entry.sessionID)
            outcome = Outcome(revision: contents.revision, result: .none)
        default:
            throw .unknownKind(index: entry.index, kind: entry.kind.rawValue)
        }
        return outcome
    }

    private static func read<T>(
        _ entry: Entry, _ body: (Entry) throws(Command.Failure) -> T
    ) throws(Failure) -> T {
        do { return try body(entry) } catch { throw .unreadable(index: entry.index, error) }
    }
}

extension KeyspaceContents {
    /// What every entry does: the index and the log's time go on, and sessions that were not used for their time
    /// are gone before the entry itself is looked at.
    fileprivate mutating func enter(_ entry: Entry) {
        appliedIndex = entry.index
        timeMs = max(timeMs, entry.timeMs)
        sessions.expire(at: timeMs)
    }

    /// The short way for one `set` of data without a session; false when the entry is something else.
    fileprivate mutating func applyPlainSet(_ entry: Entry) -> Bool {
        entry.data.withUnsafeBytes { bytes in
            guard let set = PlainSet(bytes, version: entry.version) else { return false }
            enter(entry)
            revision += 1
            map.set(
                UnsafeRawBufferPointer(rebasing: bytes[set.key]), UnsafeRawBufferPointer(rebasing: bytes[set.data]),
                revision: revision)
            return true
        }
    }

    /// "If a server receives a command whose serial number has already been executed, it responds immediately without
    /// re-executing the request" (6.3).
    fileprivate mutating func apply(_ command: Command, of entry: Entry, wantsResult: Bool) -> Outcome {
        guard entry.sessionID != 0 else { return apply(command, wantsResult: wantsResult) }
        let outcome: Outcome
        switch sessions.look(for: entry.sequence, in: entry.sessionID, entry.index, timeMs: timeMs) {
        case .new(let place):
            // Remembered everywhere, and so the same everywhere, whoever waits for it.
            outcome = apply(command, wantsResult: true)
            sessions.remember(outcome, for: entry.sequence, at: place)
        case .answered(let first):
            outcome = first
        case .failed(let reason):
            outcome = Outcome(revision: revision, result: .failed(OperationFailure(operation: 0, reason: reason)))
        }
        if wantsResult { return outcome }
        if case .failed = outcome.result { return outcome }
        return Outcome(revision: outcome.revision, result: .none)
    }
}

/// What an operation did to a key, so that it can be undone.
private struct Change {
    var key: Bytes
    /// What stood there before; nil when the key was new.
    var previous: Record?
}

extension KeyspaceContents {
    mutating func apply(_ command: Command, wantsResult: Bool) -> Outcome {
        switch command {
        case .single(let operation):
            do {
                let (result, change) = try apply(operation, at: 0)
                if change != nil { revision += 1 }
                return Outcome(revision: revision, result: wantsResult ? .single(result) : .none)
            } catch {
                return Outcome(revision: revision, result: .failed(error))
            }
        case .transaction(let operations):
            return apply(operations, wantsResult: wantsResult)
        }
    }

    /// All or none: what was done is remembered (the records before it share their storage with the map, so this
    /// copies nothing), and put back when an operation fails.
    private mutating func apply(_ operations: [Operation], wantsResult: Bool) -> Outcome {
        var changes: [Change] = []
        var answers = Answers(kept: wantsResult)
        do throws(OperationFailure) {
            for (number, operation) in operations.enumerated() {
                let (result, change) = try apply(operation, at: number)
                if let change { changes.append(change) }
                try answers.add(result)
            }
        } catch {
            for change in changes.reversed() {
                if let previous = change.previous {
                    map.update(change.key) { _ in previous }
                } else {
                    map.remove(change.key)
                }
            }
            return Outcome(revision: revision, result: .failed(error))
        }
        if !changes.isEmpty { revision += 1 }
        return Outcome(revision: revision, result: wantsResult ? .transaction(answers.results) : .none)
    }

    /// One operation. When it throws it has changed nothing. A change belongs to the revision after this one.
    private mutating func apply(
        _ operation: Operation, at number: Int
    ) throws(OperationFailure) -> (OperationResult, Change?) {
        let next = revision + 1
        switch operation {
        case .ping, .get, .strlen, .keys:
            return (try read(operation, at: number), nil)
        case .set(let key, let value):
            guard key.count + value.size <= Value.sizeCeiling else { throw .tooLarge(key, number) }
            let old = map.update(key) { old in
                Record(
                    key: key, value: value, created: old?.created ?? next, modified: next,
                    version: (old?.version ?? 0) + 1)
            }
            return (.set, Change(key: key, previous: old))
        case .delete(let key):
            guard let old = map.remove(key) else { return (.deleted(previous: nil), nil) }
            return (.deleted(previous: old.value), Change(key: key, previous: old))
        case .append(let key, let suffix):
            return try append(.data(suffix), to: key, at: number) { $0.append(suffix) }
        case .appendItem(let key, let item):
            return try append(.list([item]), to: key, at: number) { $0.append(item: item) }
        }
    }

    /// `first` is the value of a key that is missing; otherwise `extend` adds to what is there, of the same kind.
    private mutating func append(
        _ first: Value, to key: Bytes, at number: Int, _ extend: (inout Record) -> Void
    ) throws(OperationFailure) -> (OperationResult, Change?) {
        let next = revision + 1
        var length: UInt64 = 0
        let old = try map.update(key) { (old) throws(OperationFailure) -> Record in
            guard (old?.cell.count ?? key.count) + first.size <= Value.sizeCeiling else {
                throw .tooLarge(key, number)
            }
            guard var record = old else {
                length = first.length
                return Record(key: key, value: first, created: next, modified: next, version: 1)
            }
            guard record.kind == first.kind else {
                throw OperationFailure(operation: number, reason: .wrongKind(key: key, holds: record.kind))
            }
            extend(&record)
            record.modified = next
            record.version += 1
            length = record.length
            return record
        }
        return (.appended(length: length), Change(key: key, previous: old))
    }
}

extension OperationFailure {
    fileprivate static func tooLarge(_ key: Bytes, _ number: Int) -> OperationFailure {
        OperationFailure(operation: number, reason: .valueTooLarge(key: key))
    }
}
