import Base
import Keyspace
import enum Keyspace.Operation
@testable import Simulation
import Testing

/// The checker itself: histories that are right, and histories that it must refuse.
@Suite("Linearizability")
struct LinearizabilityTests {
    /// What one client did; without an end nobody knows whether it did.
    struct Act {
        var from: UInt64
        var to: UInt64?
        var command: Command
        var result: Outcome.Result?
        var revision: UInt64 = 0
        var isLocal = false
    }

    static func act(_ from: UInt64, _ to: UInt64?, _ operation: Operation, _ result: OperationResult? = nil, revision: UInt64 = 0) -> Act {
        Act(from: from, to: to, command: .single(operation), result: result.map { .single($0) }, revision: revision)
    }

    static func set(_ from: UInt64, _ to: UInt64?, _ value: String, key: Bytes = "k", revision: UInt64 = 0) -> Act {
        act(from, to, .set(key: key, value: .data(Bytes(utf8: value))), .set, revision: revision)
    }

    static func get(_ from: UInt64, _ to: UInt64, _ value: String?, key: Bytes = "k", revision: UInt64 = 0) -> Act {
        act(from, to, .get(key: key), .value(value.map { .data(Bytes(utf8: $0)) }, revision: 0), revision: revision)
    }

    static func append(_ from: UInt64, _ to: UInt64?, _ suffix: String, _ length: UInt64, key: Bytes = "k") -> Act {
        act(from, to, .append(key: key, suffix: Bytes(utf8: suffix)), .appended(length: length))
    }

    static func delete(_ from: UInt64, _ to: UInt64?, _ value: String?) -> Act {
        act(from, to, .delete(key: "k"), .deleted(previous: value.map { .data(Bytes(utf8: $0)) }))
    }

    static func history(_ acts: [Act]) -> History {
        var history = History()
        for (process, act) in acts.enumerated() {
            let number = history.invoke(process: process, act.command, isLocal: act.isLocal, at: Instant(nanoseconds: act.from))
            guard let end = act.to.map({ Instant(nanoseconds: $0) }), let result = act.result else { continue }
            let outcome = Outcome(revision: act.revision, result: result)
            if case .failed = result { history.fail(number, outcome, at: end) } else { history.ok(number, outcome, at: end) }
        }
        return history
    }

    private func isLinearizable(_ acts: [Act]) -> Bool {
        let verdict = Linearizability.check(Self.history(acts))
        #expect(verdict.undecided == 0)
        return verdict.rejection == nil
    }

    @Test("Nothing, and one after the other, is linearizable")
    func sequential() {
        #expect(isLinearizable([]))
        #expect(isLinearizable([
            Self.set(1, 2, "a"), Self.get(3, 4, "a"), Self.append(5, 6, "b", 2), Self.get(7, 8, "ab"),
            Self.delete(9, 10, "ab"), Self.get(11, 12, nil), Self.delete(13, 14, nil),
            Self.act(15, 16, .strlen(key: "k"), .length(0)), Self.act(17, 18, .ping, .pong),
        ]))
    }

    @Test("A read that misses a write acknowledged before it began is refused")
    func staleRead() {
        #expect(!isLinearizable([Self.set(1, 2, "a"), Self.get(3, 4, nil)]))
        #expect(!isLinearizable([Self.set(1, 2, "a"), Self.set(3, 4, "b"), Self.get(5, 6, "a")]))
        #expect(!isLinearizable([Self.set(1, 2, "abc"), Self.act(3, 4, .strlen(key: "k"), .length(2))]))
    }

    @Test("A read that overlaps a write may see it or not, but not unsee it")
    func overlap() {
        #expect(isLinearizable([Self.set(1, 10, "a"), Self.get(2, 3, nil), Self.get(4, 5, "a")]))
        #expect(!isLinearizable([Self.set(1, 10, "a"), Self.get(2, 3, "a"), Self.get(4, 5, nil)]))
        // What touches is concurrent.
        #expect(isLinearizable([Self.set(1, 2, "a"), Self.get(2, 3, nil)]))
    }

    @Test("Two readers who see two writes in different orders are refused")
    func differentOrders() {
        #expect(!isLinearizable([
            Self.set(1, 2, "a"), Self.set(3, 4, "b"), Self.set(1, 2, "c"), Self.get(5, 6, "b"), Self.get(7, 8, "c"),
        ]))
        #expect(isLinearizable([
            Self.set(1, 9, "b"), Self.set(1, 9, "c"), Self.get(3, 4, "b"), Self.get(5, 6, "c"), Self.get(10, 11, "c"),
        ]))
    }

    @Test("A value from nowhere, a lost append and a doubled one are refused")
    func values() {
        #expect(!isLinearizable([Self.set(1, 2, "a"), Self.get(3, 4, "z")]))
        #expect(!isLinearizable([Self.append(1, 2, "a;", 2), Self.append(3, 4, "b;", 4), Self.get(5, 6, "b;")]))
        #expect(!isLinearizable([Self.append(1, 2, "a;", 2), Self.get(3, 4, "a;a;")]))
        #expect(!isLinearizable([Self.append(1, 2, "a;", 2), Self.append(3, 4, "b;", 2)]))
        #expect(isLinearizable([Self.append(1, 5, "a;", 4), Self.append(1, 5, "b;", 2), Self.get(6, 7, "b;a;")]))
    }

    @Test("A delete tells what it found")
    func deletes() {
        #expect(isLinearizable([Self.set(1, 8, "a"), Self.delete(2, 3, nil), Self.delete(4, 5, "a")]))
        #expect(!isLinearizable([Self.set(1, 2, "a"), Self.delete(3, 4, "a"), Self.delete(5, 6, "a")]))
        #expect(!isLinearizable([Self.set(1, 2, "a"), Self.delete(3, 4, nil)]))
    }

    @Test("Lists are appended to, and are no bytes")
    func lists() {
        let item = { (from: UInt64, item: String, length: UInt64) in
            Self.act(from, from + 1, .appendItem(key: "k", item: Bytes(utf8: item)), .appended(length: length))
        }
        let list = { (from: UInt64, items: [Bytes]) in
            Self.act(from, from + 1, .get(key: "k"), .value(.list(ItemList(items)), revision: 0))
        }
        let failure = Outcome.Result.failed(OperationFailure(operation: 0, reason: .wrongKind(key: "k", holds: .list)))
        let wrong = Act(from: 5, to: 6, command: .single(.append(key: "k", suffix: "x")), result: failure)
        #expect(isLinearizable([item(1, "a", 1), item(3, "b", 2), wrong, list(7, ["a", "b"])]))
        #expect(!isLinearizable([item(1, "a", 1), item(3, "b", 2), list(7, ["b", "a"])]))
        #expect(!isLinearizable([item(1, "a", 1), Self.append(3, 4, "x", 2)]))
        #expect(!isLinearizable([Self.set(1, 2, "a"), wrong]))
        #expect(!isLinearizable([wrong]))
    }

    @Test("Keys are those that exist, in one moment")
    func keys() {
        let keys = { (from: UInt64, to: UInt64, keys: [Bytes]) in
            Self.act(from, to, .keys(prefix: "a", startAfter: "", limit: 0), .keys(keys))
        }
        let writes = [Self.set(1, 2, "1", key: "a1"), Self.set(3, 4, "2", key: "a2"), Self.set(1, 2, "3", key: "b")]
        #expect(isLinearizable(writes + [keys(5, 6, ["a1", "a2"])]))
        #expect(isLinearizable(writes + [keys(2, 3, ["a1"])]))
        #expect(!isLinearizable(writes + [keys(1, 6, ["a2"])]))
        #expect(!isLinearizable(writes + [keys(5, 6, ["a2", "a1"])]))
        #expect(!isLinearizable(writes + [keys(5, 6, ["a1", "a2", "a3"])]))
        let two = Self.act(5, 6, .keys(prefix: "a", startAfter: "", limit: 1), .keys(["a1"]))
        #expect(isLinearizable(writes + [two]))
        let after = Self.act(5, 6, .keys(prefix: "a", startAfter: "a1", limit: 0), .keys(["a2"]))
        #expect(isLinearizable(writes + [after]))
    }

    @Test("An unknown write may have happened, late, or never, but not before its call, and not twice")
    func unknownWrite() {
        #expect(isLinearizable([Self.set(1, nil, "a"), Self.get(2, 3, nil), Self.get(4, 5, "a")]))
        #expect(isLinearizable([Self.set(1, nil, "a"), Self.get(2, 3, nil), Self.get(4, 5, nil)]))
        #expect(!isLinearizable([Self.set(5, nil, "a"), Self.get(1, 2, "a")]))
        #expect(!isLinearizable([Self.set(1, nil, "a"), Self.get(2, 3, "a"), Self.get(4, 5, nil)]))
        #expect(isLinearizable([Self.append(1, nil, "a;", 0), Self.append(2, 3, "b;", 2), Self.get(4, 5, "b;a;")]))
        #expect(!isLinearizable([Self.append(1, nil, "a;", 0), Self.append(2, 3, "b;", 4), Self.get(4, 5, "a;b;a;")]))
        #expect(isLinearizable([Self.set(1, 2, "a"), Self.delete(3, nil, nil), Self.get(4, 5, nil)]))
        #expect(!isLinearizable([Self.set(1, 2, "a"), Self.get(4, 5, nil)]))
        // Two unknown ones behind each other, before one whose answer is a length.
        #expect(isLinearizable([
            Self.set(1, nil, "aaaa"), Self.append(1, nil, "bb", 0), Self.append(3, 4, "c", 7), Self.get(5, 6, "aaaabbc"),
        ]))
    }

    @Test("A write that is told to have failed never happened")
    func failed() {
        var history = Self.history([Self.get(5, 6, "a")])
        let number = history.invoke(process: 9, .single(.set(key: "k", value: .data("a"))), at: Instant(nanoseconds: 1))
        history.fail(number, at: Instant(nanoseconds: 2))
        #expect(Linearizability.check(history).rejection != nil)
    }

    @Test("A local read may be old")
    func local() {
        var read = Self.get(3, 4, nil)
        read.isLocal = true
        #expect(isLinearizable([Self.set(1, 2, "a"), read]))
    }

    @Test("Revisions must agree with the order")
    func revisions() {
        #expect(isLinearizable([Self.set(1, 9, "a", revision: 2), Self.set(1, 9, "b", revision: 1), Self.get(10, 11, "a", revision: 2)]))
        #expect(!isLinearizable([Self.set(1, 9, "a", revision: 1), Self.set(1, 9, "b", revision: 2), Self.get(10, 11, "a", revision: 2)]))
        #expect(!isLinearizable([Self.set(1, 2, "a", revision: 2), Self.set(3, 4, "b", revision: 1)]))
        #expect(!isLinearizable([Self.set(1, 2, "a", revision: 2), Self.get(3, 4, "a", revision: 1)]))
    }
}
