@testable import Keyspace
import Base
import Testing

@Suite struct RefusalTests {
    static let limits = Limits(valueSize: 100)

    func judge(_ command: Command, _ space: borrowing Keyspace) -> Refusal.Code? {
        space.refusal(for: command, limits: Self.limits)?.code
    }

    func data(_ count: Int) -> Value { .data(Bytes([UInt8](repeating: 1, count: count))) }

    @Test("keys are 1 byte to 64 KiB")
    func keys() {
        let space = Keyspace()
        let longest = Bytes([UInt8](repeating: 1, count: 64 << 10)), longer = longest.appending("x")
        func every(_ key: Bytes) -> [Operation] {
            [
                .get(key: key), .strlen(key: key), .delete(key: key), .set(key: key, value: data(1)),
                .append(key: key, suffix: ""), .appendItem(key: key, item: ""),
            ]
        }
        for operation in every(Bytes()) + every(longer) {
            #expect(judge(.single(operation), space) == .invalidArgument, "\(operation)")
            #expect(judge(.transaction([.ping, operation]), space) == .invalidArgument)
        }
        for operation in every(longest) { #expect(judge(.single(operation), space) == nil) }
        #expect(judge(.single(.ping), space) == nil)
        #expect(judge(.single(.keys(prefix: "", startAfter: "", limit: 0)), space) == nil)
        #expect(judge(.single(.keys(prefix: longest, startAfter: longest, limit: 0)), space) == nil)
        #expect(judge(.single(.keys(prefix: longer, startAfter: "", limit: 0)), space) == .invalidArgument)
        #expect(judge(.single(.keys(prefix: "", startAfter: longer, limit: 0)), space) == .invalidArgument)
    }

    @Test("a value over the limit is refused, and so is an append that would leave one behind")
    func values() throws {
        var space = Keyspace()
        #expect(judge(.single(.set(key: "k", value: data(100))), space) == nil)
        #expect(judge(.single(.set(key: "k", value: data(101))), space) == .resourceExhausted)
        #expect(judge(.single(.append(key: "k", suffix: Bytes([UInt8](repeating: 1, count: 101)))), space) == .resourceExhausted)
        try space.run(.set(key: "k", value: data(95)))
        try space.run(.set(key: "l", value: .list([Bytes([UInt8](repeating: 97, count: 90))])))
        #expect(judge(.single(.append(key: "k", suffix: "12345")), space) == nil)
        #expect(judge(.single(.append(key: "k", suffix: "123456")), space) == .resourceExhausted)
        #expect(judge(.single(.appendItem(key: "l", item: "123456")), space) == nil)
        #expect(judge(.single(.appendItem(key: "l", item: "1234567")), space) == .resourceExhausted)
        // In a transaction, by what the operations before it leave behind.
        let six = Operation.append(key: "k", suffix: "123456")
        #expect(judge(.transaction([.delete(key: "k"), six]), space) == nil)
        #expect(judge(.transaction([.set(key: "k", value: data(94)), six]), space) == nil)
        #expect(judge(.transaction([.set(key: "k", value: data(95)), six]), space) == .resourceExhausted)
        #expect(judge(.transaction([.append(key: "new", suffix: Bytes([UInt8](repeating: 1, count: 95))),
            .append(key: "new", suffix: "123456")]), space) == .resourceExhausted)
        let refusal = space.refusal(for: .transaction([.ping, six]), limits: Self.limits)
        #expect(refusal?.message == #"operation 2: the value of "k" would be 101 bytes; the limit is 100"#)
    }

    @Test("items are UTF-8, transactions bounded, and the wrong kind of value is left to apply")
    func rest() throws {
        var space = Keyspace()
        #expect(judge(.single(.appendItem(key: "k", item: [0xff])), space) == .invalidArgument)
        #expect(judge(.transaction(Array(repeating: .ping, count: 10_000)), space) == nil)
        #expect(judge(.transaction(Array(repeating: .ping, count: 10_001)), space) == .invalidArgument)
        try space.run(.set(key: "k", value: data(1)))
        #expect(judge(.single(.appendItem(key: "k", item: "i")), space) == nil)
    }

    @Test("a limit decides what is proposed, never what an entry does")
    func applied() throws {
        var space = Keyspace()
        try space.run(.set(key: "", value: data(200)))
        try space.run(.append(key: "", suffix: "more"))
        #expect(space.length(of: "") == 204)
    }
}
