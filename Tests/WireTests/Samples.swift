import Base
import Consensus
import Keyspace
import Wire

/// A message as Wire writes it, what protobuf's JSON calls it, and how to read it back.
struct Sample {
    /// The message's name in the .proto files.
    var type: String
    var bytes: Bytes
    var json: [String: Any]
    /// Whether these bytes, read by Wire, are what was written. Throws what the decoder throws.
    var check: (Bytes) throws -> Bool

    init(
        _ type: String, _ bytes: Bytes, _ json: [String: Any], check: @escaping (Bytes) throws -> Bool
    ) {
        self.type = type
        self.bytes = bytes
        self.json = json
        self.check = check
    }
}

/// Random values, the same for the same seed, with a liking for the corners: zero, the largest, empty.
struct Random {
    var generator: SplitMix64

    init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    mutating func below(_ bound: Int) -> Int { Int(generator.next(below: UInt64(bound))) }
    mutating func bool() -> Bool { below(2) == 0 }
    mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }

    mutating func number() -> UInt64 {
        switch below(5) {
        case 0: 0
        case 1: UInt64(below(200))
        case 2: generator.next() & 0xffff_ffff
        case 3: .max
        default: generator.next()
        }
    }

    mutating func bytes(_ sizes: Range<Int>) -> Bytes {
        Bytes((0..<sizes.lowerBound + below(sizes.count)).map { _ in UInt8(truncatingIfNeeded: generator.next()) })
    }

    mutating func key() -> Bytes { bytes(1..<pick([2, 20, 300])) }
    mutating func data() -> Bytes { bytes(0..<pick([1, 40, 2_000])) }

    /// Zero bytes, four-byte characters and emptiness included.
    mutating func text() -> String {
        (0..<below(12)).map { _ in pick(["a", "Z", "0", " ", "\0", "é", "水", "🌊", "\u{fffd}"]) }.joined()
    }

    mutating func list() -> ItemList { ItemList((0..<below(6)).map { _ in Bytes(utf8: text()) }) }
    mutating func value() -> Value { bool() ? .data(data()) : .list(list()) }
    mutating func revision() -> UInt64 { number() }

    mutating func operation() -> KeyOperation {
        switch below(8) {
        case 0: .ping
        case 1: .get(key: key())
        case 2: .set(key: key(), value: value())
        case 3: .strlen(key: key())
        case 4: .delete(key: key())
        case 5: .append(key: key(), suffix: data())
        case 6: .appendItem(key: key(), item: Bytes(utf8: text()))
        default: .keys(prefix: data(), startAfter: data(), limit: number())
        }
    }

    mutating func result() -> OperationResult {
        switch below(7) {
        case 0: .pong
        case 1: bool() ? .value(value(), revision: revision()) : .value(nil, revision: 0)
        case 2: .set
        case 3: .length(number())
        case 4: .deleted(previous: bool() ? value() : nil)
        case 5: .appended(length: number())
        default: .keys((0..<below(5)).map { _ in key() })
        }
    }

    mutating func requestID() -> Wire.RequestID? {
        bool() ? nil : Wire.RequestID(sessionID: number() | 1, sequence: number())
    }

    mutating func header() -> Wire.Header {
        Wire.Header(
            cluster: ClusterID(number()), group: number(), from: MemberID(number()), to: MemberID(number()),
            term: Term(number()))
    }

    mutating func members() -> [Configuration.Member] {
        (0..<below(5)).map {
            Configuration.Member(
                id: MemberID(UInt64($0) << 40 | generator.next() & 0xff_ffff_ffff), name: "n\($0)\(text())",
                address: text(), standing: pick([.learner, .voter, .joining]), priority: UInt8(below(256)))
        }
    }

    mutating func logged() -> Wire.LoggedConfiguration? {
        bool() ? nil : Wire.LoggedConfiguration(Configuration(members: members()), index: Index(number()))
    }

    mutating func entries(after index: Index) -> [Entry] {
        guard index < Index(.max - 10) else { return [] }
        return (0..<below(5)).map {
            Entry(
                term: Term(number()), index: index.advanced(by: $0 + 1), kind: pick([.noOperation, .command]),
                timeMs: number(), sessionID: number(), sequence: number(), version: number(), data: data())
        }
    }
}

/// Lends bytes to a decoder.
func decoding<R>(_ bytes: Bytes, _ decode: (RawSpan) throws(Wire.DecodeFailure) -> R) throws -> R {
    try bytes.withSpan { (span) throws(Wire.DecodeFailure) in try decode(span) }
}
