import Base

/// An error answer: a code of gRPC's and a message that a person can act on.
public struct Refusal: Error, Hashable, Sendable {
    public enum Code: UInt8, Sendable {
        case invalidArgument = 3
        case resourceExhausted = 8
        case failedPrecondition = 9
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

/// What a leader accepts for proposal. Limits never decide what an entry does once it is in the log: members may
/// run with different ones.
public struct Limits: Sendable {
    /// The longest key, in bytes, for prefixes and `startAfter` too.
    public var keySize = 64 << 10
    /// The largest value, in bytes of `Value.size`; an append is judged by what it would leave behind.
    public var valueSize = 1 << 20
    /// The most operations in a transaction.
    public var operations = 10_000

    public init() {}

    public init(valueSize: Int) {
        precondition(valueSize > 0 && valueSize <= Value.sizeCeiling, "the value limit is 1 byte to 1 GiB")
        self.valueSize = valueSize
    }
}
