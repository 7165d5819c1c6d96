@testable import Keyspace
import Base
import Testing

/// The state machine again, as simply as it can be said: a dictionary that is copied whole.
struct Model: Equatable {
    struct Item: Equatable {
        var value: Value
        var created: UInt64
        var modified: UInt64
        var version: UInt64
    }

    var items: [Bytes: Item] = [:]
    var revision: UInt64 = 0

    mutating func apply(_ command: Command) -> Outcome {
        let before = self
        let operations: [Operation]
        switch command {
        case .single(let operation): operations = [operation]
        case .transaction(let all): operations = all
        }
        var results: [OperationResult] = []
        revision += 1
        for (number, operation) in operations.enumerated() {
            guard let result = apply(operation) else {
                let kind: Value.Kind = items[operation.key!]!.value.kind
                self = before
                let failure = OperationFailure(operation: number, reason: .wrongKind(key: operation.key!, holds: kind))
                return Outcome(revision: revision, result: .failed(failure))
            }
            results.append(result)
        }
        let changed = operations.enumerated().contains { number, operation in
            if case .deleted(previous: nil) = results[number] { return false }
            return !operation.isReadOnly
        }
        if !changed { revision = before.revision }
        if case .single = command { return Outcome(revision: revision, result: .single(results[0])) }
        return Outcome(revision: revision, result: .transaction(results))
    }

    /// nil: the wrong kind of value.
    private mutating func apply(_ operation: Operation) -> OperationResult? {
        switch operation {
        case .ping: return .pong
        case .get(let key): return .value(items[key]?.value, revision: items[key]?.modified ?? 0)
        case .strlen(let key): return .length(items[key]?.value.length ?? 0)
        case .set(let key, let value):
            put(key, value)
            return .set
        case .delete(let key): return .deleted(previous: items.removeValue(forKey: key)?.value)
        case .append(let key, let suffix):
            switch items[key]?.value ?? .data(Bytes()) {
            case .list: return nil
            case .data(let bytes): put(key, .data(Bytes(bytes.array + suffix.array)))
            }
            return .appended(length: items[key]!.value.length)
        case .appendItem(let key, let item):
            switch items[key]?.value ?? .list([]) {
            case .data: return nil
            case .list(let list): put(key, .list(ItemList(Array(list) + [item])))
            }
            return .appended(length: items[key]!.value.length)
        case .keys(let prefix, let startAfter, let limit):
            let keys = items.keys.sorted().filter { $0.hasPrefix(prefix) && $0 > startAfter }
            return .keys(limit == 0 ? keys : Array(keys.prefix(Int(limit))))
        }
    }

    private mutating func put(_ key: Bytes, _ value: Value) {
        let old = items[key]
        items[key] = Item(
            value: value, created: old?.created ?? revision, modified: revision, version: (old?.version ?? 0) + 1)
    }
}

@Suite struct KeyspaceModelTests {
    func expectSame(_ space: FrozenKeyspace, _ model: Model, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(space.revision == model.revision && space.count == model.items.count, sourceLocation: sourceLocation)
        let entries = space.entries(after: nil, maxEntries: .max, maxBytes: .max)
        #expect(entries.map(\.key) == model.items.keys.sorted(), sourceLocation: sourceLocation)
        for entry in entries {
            let item = Model.Item(
                value: entry.value, created: entry.created, modified: entry.modified, version: entry.version)
            #expect(model.items[entry.key] == item, sourceLocation: sourceLocation)
        }
    }

    @Test("random commands do what a plain model does, and frozen versions stay", arguments: 1...4 as ClosedRange<UInt64>)
    func model(seed: UInt64) throws {
        var samples = Samples(seed: seed)
        var space = Keyspace()
        var model = Model()
        var versions: [(FrozenKeyspace, Model)] = []
        var failed = 0
        for step in 0..<6_000 {
            let command = samples.command()
            let expected = model.apply(command)
            let outcome = try space.run(command)
            #expect(outcome == expected)
            if case .failed = outcome.result { failed += 1 }
            if step % 400 == 0 { versions.append((space.frozen(), model)) }
            if step % 900 == 0 { versions.remove(at: 0) }
        }
        #expect(failed > 100, "transactions are to fail now and then")
        versions.append((space.frozen(), model))
        for (version, model) in versions { expectSame(version, model) }
    }

    @Test("the same log gives the same state and answers, whether they are wanted or not")
    func twice() throws {
        var samples = Samples(seed: 77)
        var one = Keyspace(), other = Keyspace()
        for _ in 0..<3_000 {
            let command = samples.command()
            let outcome = try one.run(command)
            let silent = try other.run(command, wantsResult: false)
            #expect(silent.revision == outcome.revision)
            if case .failed = outcome.result { #expect(silent == outcome) } else { #expect(silent.result == .none) }
        }
        #expect(digest(one.frozen()) == digest(other.frozen()))
    }

    /// Hashing is seeded anew in each process: the numbers hold only if no order of hashing plays a part.
    @Test("the same log gives the same bytes in every process")
    func everyProcess() throws {
        var samples = Samples(seed: 2026)
        var space = Keyspace()
        var answers = CRC32C()
        for _ in 0..<4_000 { answers.add(try space.run(samples.command()).encode()) }
        #expect(answers.value == 2_525_991_920)
        #expect(digest(space.frozen()) == 355_120_820)
    }

    func digest(_ space: FrozenKeyspace) -> UInt32 {
        var writer = ByteWriter()
        writer.write(space.revision)
        for entry in space.entries(after: nil, maxEntries: .max, maxBytes: .max) {
            writer.writeCounted(entry.key)
            entry.value.encode(into: &writer)
            for number in [entry.created, entry.modified, entry.version, entry.lease] { writer.write(number) }
        }
        return CRC32C.of(writer.finish())
    }
}
