@testable import Keyspace
import Base
import Testing

extension Keyspace {
    /// Applies `command` as the next entry.
    @discardableResult
    mutating func run(_ command: Command, wantsResult: Bool = true) throws -> Outcome {
        let entry = Entry(
            term: 1, index: appliedIndex.next, kind: .command, timeMs: 1, data: command.encode())
        return try apply(entry, wantsResult: wantsResult)
    }

    @discardableResult
    mutating func run(_ operation: Operation) throws -> Outcome { try run(.single(operation)) }

    /// The same, failing or not.
    mutating func failure(_ command: Command) throws -> OperationFailure? {
        if case .failed(let failure) = try run(command).result { failure } else { nil }
    }
}

@Suite struct KeyspaceTests {
    @Test("each operation answers as the contract says")
    func operations() throws {
        var space = Keyspace()
        #expect(try space.run(.ping).result == .single(.pong))
        #expect(try space.run(.get(key: "a")) == Outcome(revision: 0, result: .single(.value(nil, revision: 0))))
        #expect(try space.run(.set(key: "a", value: .data("xy"))) == Outcome(revision: 1, result: .single(.set)))
        #expect(try space.run(.strlen(key: "a")).result == .single(.length(2)))
        #expect(try space.run(.append(key: "a", suffix: "z")) == Outcome(revision: 2, result: .single(.appended(length: 3))))
        #expect(try space.run(.get(key: "a")).result == .single(.value(.data("xyz"), revision: 2)))
        #expect(try space.run(.append(key: "new", suffix: "n")).result == .single(.appended(length: 1)))
        #expect(try space.run(.appendItem(key: "l", item: "水")).result == .single(.appended(length: 1)))
        #expect(try space.run(.appendItem(key: "l", item: "")).result == .single(.appended(length: 2)))
        #expect(try space.run(.strlen(key: "l")).result == .single(.length(2)))
        #expect(try space.run(.strlen(key: "none")).result == .single(.length(0)))
        #expect(try space.run(.keys(prefix: "", startAfter: "", limit: 0)).result == .single(.keys(["a", "l", "new"])))
        #expect(try space.run(.keys(prefix: "", startAfter: "a", limit: 1)).result == .single(.keys(["l"])))
        #expect(try space.run(.keys(prefix: "n", startAfter: "a", limit: 0)).result == .single(.keys(["new"])))
        #expect(try space.run(.keys(prefix: "a", startAfter: "b", limit: 0)).result == .single(.keys([])))
        #expect(try space.run(.delete(key: "l")) == Outcome(revision: 6, result: .single(.deleted(previous: .list(["水", ""])))))
        #expect(try space.run(.delete(key: "l")) == Outcome(revision: 6, result: .single(.deleted(previous: nil))))
        #expect(space.count == 2)
    }

    @Test("a key knows when it was created and changed, and how often")
    func revisions() throws {
        var space = Keyspace()
        func known(_ key: Bytes, _ space: borrowing Keyspace) -> [UInt64]? {
            space.entry(for: key).map { [$0.created, $0.modified, $0.version, $0.lease] }
        }
        try space.run(.set(key: "a", value: .data("1")))
        try space.run(.set(key: "b", value: .data("1")))
        try space.run(.set(key: "a", value: .list(["now", "a", "list"])))
        try space.run(.appendItem(key: "a", item: "longer"))
        #expect(known("a", space) == [1, 4, 3, 0])
        #expect(known("b", space) == [2, 2, 1, 0])
        // One entry, one revision; within it, "c" is written twice.
        try space.run(.transaction([
            .set(key: "c", value: .data("")), .append(key: "c", suffix: ""), .delete(key: "b"), .get(key: "a"),
        ]))
        #expect(space.revision == 5)
        #expect(known("c", space) == [5, 5, 2, 0])
        #expect(known("b", space) == nil)
        try space.run(.set(key: "b", value: .data("2")))
        #expect(known("b", space) == [6, 6, 1, 0])
        // Neither of these changes a key.
        try space.run(.transaction([.delete(key: "none"), .get(key: "a")]))
        try space.run(.transaction([]))
        #expect(space.revision == 6 && space.appliedIndex == 8)
    }

    @Test("an operation on a value of the wrong kind changes nothing and says why")
    func wrongKind() throws {
        var space = Keyspace()
        try space.run(.set(key: "d", value: .data("bytes")))
        try space.run(.set(key: "l", value: .list(["item"])))
        #expect(try space.failure(.single(.appendItem(key: "d", item: "i")))
            == OperationFailure(operation: 0, reason: .wrongKind(key: "d", holds: .data)))
        #expect(try space.failure(.single(.append(key: "l", suffix: "i")))
            == OperationFailure(operation: 0, reason: .wrongKind(key: "l", holds: .list)))
        #expect(space.revision == 2 && space.appliedIndex == 4)
        let failure = try #require(try space.failure(.transaction([
            .set(key: "new", value: .data("1")), .delete(key: "d"), .append(key: "l", suffix: "i"),
        ])))
        #expect(failure == OperationFailure(operation: 2, reason: .wrongKind(key: "l", holds: .list)))
        #expect(failure.refusal(inTransaction: true) == Refusal(
            .failedPrecondition, #"operation 3: key "l" holds a list, not bytes; nothing was applied"#))
        #expect(space.revision == 2 && space.count == 2)
        #expect(space.value(of: "d").value == .data("bytes"))
        // A later operation sees what an earlier one made of the key.
        #expect(try space.run(.transaction([.delete(key: "l"), .append(key: "l", suffix: "now bytes"), .strlen(key: "l")])).result
            == .transaction([.deleted(previous: .list(["item"])), .appended(length: 9), .length(9)]))
    }

    @Test("an entry that cannot be applied is refused and changes nothing")
    func refusedEntries() throws {
        var space = Keyspace()
        try space.run(.set(key: "a", value: .data("1")))
        func attempt(_ index: Index, _ kind: Entry.Kind, version: UInt64 = 1, _ data: Bytes) -> Keyspace.Failure? {
            do throws(Keyspace.Failure) {
                _ = try space.apply(
                    Entry(term: 1, index: index, kind: kind, timeMs: 1, version: version, data: data), wantsResult: true)
                return nil
            } catch {
                return error
            }
        }
        let ping = Command.single(.ping).encode()
        #expect(attempt(1, .command, ping) == .outOfOrder(entry: 1, applied: 1))
        #expect(attempt(3, .command, ping) == .outOfOrder(entry: 3, applied: 1))
        #expect(attempt(2, Entry.Kind(rawValue: 99), ping) == .unknownKind(index: 2, kind: 99))
        #expect(attempt(2, .command, version: 2, ping) == .unreadable(index: 2, .unknownVersion(2)))
        #expect(attempt(2, .command, Bytes()) == .unreadable(index: 2, .malformed(.truncated(at: 0))))
        #expect(space.appliedIndex == 1 && space.revision == 1)
        #expect(attempt(2, .noOperation, Bytes()) == nil)
        #expect(attempt(3, .configuration, "anything") == nil)
        #expect(space.appliedIndex == 3 && space.revision == 1)
    }

    @Test("a command that only reads gives the same answer as an entry and as a read")
    func reads() throws {
        var space = Keyspace()
        var samples = Samples(seed: 3)
        for _ in 0..<500 { try space.run(samples.command()) }
        let frozen = space.frozen()
        var read = 0
        for _ in 0..<500 {
            let command = samples.command()
            guard command.isReadOnly else { continue }
            read += 1
            let outcome = space.read(command)
            #expect(frozen.read(command) == outcome)
            #expect(try space.run(command) == outcome)
        }
        #expect(read > 50 && space.revision == frozen.revision)
    }

    @Test("answers are bounded, the same whether anybody waits for them")
    func ceilings() throws {
        var space = Keyspace()
        let large = Value.data(Bytes([UInt8](repeating: 1, count: 1 << 20)))
        try space.run(.set(key: "large", value: large))
        let sixteen = Command.transaction([.delete(key: "none")] + Array(repeating: .get(key: "large"), count: 16))
        let failure = OperationFailure(operation: 16, reason: .resultTooLarge)
        #expect(try space.run(sixteen).result == .failed(failure))
        #expect(try space.run(sixteen, wantsResult: false).result == .failed(failure))
        for number in 0...Outcome.keysCeiling { try space.run(.set(key: Bytes(utf8: "k\(number)"), value: .data(""))) }
        let all = OperationFailure(operation: 0, reason: .resultTooLarge)
        #expect(space.read(.single(.keys(prefix: "k", startAfter: "", limit: 0))).result == .failed(all))
        #expect(try space.read(.keys(prefix: "k", startAfter: "", limit: 10_000)) != .keys([]))
        #expect(try space.read(.keys(prefix: "k", startAfter: "k0", limit: 0)) != .keys([]))
    }

    @Test("no value grows over the ceiling, whatever the members' limits say")
    func sizeCeiling() throws {
        // Memory that is asked for and never touched costs nothing; a refused value is not copied.
        let giant = Bytes(capacity: Value.sizeCeiling) { $0.count }
        var contents = KeyspaceContents()
        _ = contents.apply(.single(.set(key: "k", value: .data("v"))), wantsResult: false)
        let tooLarge = OperationFailure(operation: 0, reason: .valueTooLarge(key: "k"))
        for command: Command in [
            .single(.set(key: "k", value: .data(giant))), .single(.append(key: "k", suffix: giant)),
            .single(.append(key: "k", suffix: giant[0..<giant.count - 1])),
        ] {
            #expect(contents.apply(command, wantsResult: true) == Outcome(revision: 1, result: .failed(tooLarge)))
        }
        let other = OperationFailure(operation: 0, reason: .valueTooLarge(key: "new"))
        #expect(contents.apply(.single(.append(key: "new", suffix: giant)), wantsResult: true).result == .failed(other))
        #expect(contents.map.record(for: "k")?.value == .data("v") && contents.map.count == 1)
        #expect(tooLarge.refusal(inTransaction: false).code == .resourceExhausted)
    }
}
