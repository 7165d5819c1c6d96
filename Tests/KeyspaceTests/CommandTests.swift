@testable import Keyspace
import Base
import Testing

/// Bytes from hexadecimal digits; spaces and what is between parentheses are for the reader.
func hex(_ text: String) -> Bytes {
    var bytes: [UInt8] = []
    var high: UInt8?
    var depth = 0
    for character in text {
        if character == "(" { depth += 1 } else if character == ")" { depth -= 1 }
        guard depth == 0, let digit = character.hexDigitValue else { continue }
        if let first = high { bytes.append(first << 4 | UInt8(digit)); high = nil } else { high = UInt8(digit) }
    }
    return Bytes(bytes)
}

/// Commands and outcomes of every shape.
struct Samples {
    var random: SplitMix64
    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func number(_ bound: UInt64) -> UInt64 { random.next(below: bound) }
    mutating func key() -> Bytes { randomKey(&random, among: 50) }

    mutating func text() -> Bytes {
        Bytes(utf8: String((0..<number(6)).map { _ in ["a", "ß", "水", "🌊", "\0"][Int(number(5))] }.joined()))
    }

    mutating func data() -> Bytes { Bytes((0..<number(40)).map { _ in UInt8(number(256)) }) }

    mutating func value() -> Value {
        number(2) == 0 ? .data(data()) : .list(ItemList((0..<number(5)).map { _ in text() }))
    }

    mutating func operation() -> Operation {
        switch number(9) {
        case 0: .ping
        case 1: .get(key: key())
        case 2: .strlen(key: key())
        case 3: .delete(key: key())
        case 4: .append(key: key(), suffix: data())
        case 5: .appendItem(key: key(), item: text())
        case 6: .keys(prefix: key()[0..<1], startAfter: number(2) == 0 ? Bytes() : key(), limit: number(4) * number(1 << 40))
        default: .set(key: key(), value: value())
        }
    }

    mutating func command() -> Command {
        number(3) > 0 ? .single(operation()) : .transaction((0..<number(6)).map { _ in operation() })
    }

    mutating func result() -> OperationResult {
        switch number(7) {
        case 0: .pong
        case 1: .set
        case 2: .length(random.next())
        case 3: .deleted(previous: number(2) == 0 ? nil : value())
        case 4: .appended(length: number(500))
        case 5: .keys((0..<number(4)).map { _ in key() })
        default: .value(number(2) == 0 ? nil : value(), revision: number(1 << 50))
        }
    }

    mutating func outcome() -> Outcome {
        let reasons: [OperationFailure.Reason] = [
            .wrongKind(key: key(), holds: .data), .wrongKind(key: key(), holds: .list), .valueTooLarge(key: key()),
            .resultTooLarge,
        ]
        let failure = OperationFailure(operation: Int(number(9_000)), reason: reasons[Int(number(4))])
        let results: [Outcome.Result] = [
            .none, .single(result()), .transaction((0..<number(5)).map { _ in result() }), .failed(failure),
        ]
        return Outcome(revision: random.next() >> number(64), result: results[Int(number(4))])
    }
}

@Suite struct CommandTests {
    @Test("the encoding of each operation, byte for byte", arguments: [
        (Command.single(.ping), "01 (single) 08"),
        (.single(.get(key: "k")), "01 01 (get) 01 6b"),
        (.single(.set(key: "k", value: .data("abc"))), "01 02 (set) 01 6b 00 (data) 03 616263"),
        (.single(.set(key: "k", value: .list(["a", "水"]))), "01 02 01 6b 01 (list) 08 0a 01 61 0a 03 e6b0b4"),
        (.single(.strlen(key: "k")), "01 03 01 6b"),
        (.single(.delete(key: "ab")), "01 04 02 6162"),
        (.single(.append(key: "k", suffix: [0, 255])), "01 05 01 6b 02 00ff"),
        (.single(.appendItem(key: "k", item: "i")), "01 06 01 6b 01 69"),
        (.single(.keys(prefix: "p", startAfter: "pa", limit: 300)), "01 07 01 70 02 7061 ac02"),
        (.transaction([]), "02 (transaction) 00"),
        (.transaction([.ping, .delete(key: "k")]), "02 02 08 04 01 6b"),
    ])
    func golden(command: Command, bytes: String) throws {
        #expect(command.encode(headroom: 0) == hex(bytes))
        #expect(try Command(decoding: hex(bytes), version: 1) == command)
        #expect(Command.version == 1)
    }

    @Test("the encoding of each outcome, byte for byte", arguments: [
        (Outcome(revision: 0, result: .none), "01 (version) 00 00"),
        (Outcome(revision: 300, result: .single(.set)), "01 ac02 (revision) 01 02"),
        (Outcome(revision: 1, result: .single(.pong)), "01 01 01 07"),
        (Outcome(revision: 1, result: .single(.length(5))), "01 01 01 03 05"),
        (Outcome(revision: 1, result: .single(.appended(length: 5))), "01 01 01 05 05"),
        (Outcome(revision: 2, result: .single(.value(nil, revision: 0))), "01 02 01 01 00 00"),
        (Outcome(revision: 2, result: .single(.value(.data("v"), revision: 2))), "01 02 01 01 02 01 00 01 76"),
        (Outcome(revision: 2, result: .single(.deleted(previous: .list(["a"])))), "01 02 01 04 01 01 03 0a0161"),
        (Outcome(revision: 2, result: .transaction([.set, .keys(["a", "b"])])), "01 02 02 02 02 06 02 0161 0162"),
        (
            Outcome(revision: 2, result: .failed(OperationFailure(operation: 3, reason: .wrongKind(key: "k", holds: .list)))),
            "01 02 03 03 01 01 6b 01"
        ),
        (
            Outcome(revision: 2, result: .failed(OperationFailure(operation: 0, reason: .valueTooLarge(key: "k")))),
            "01 02 03 00 02 01 6b"
        ),
        (Outcome(revision: 2, result: .failed(OperationFailure(operation: 0, reason: .resultTooLarge))), "01 02 03 00 03"),
    ])
    func goldenOutcomes(outcome: Outcome, bytes: String) throws {
        #expect(outcome.encode() == hex(bytes))
        #expect(try Outcome(decoding: hex(bytes)) == outcome)
    }

    @Test("what is written is read back")
    func roundTrip() throws {
        var samples = Samples(seed: 1)
        for _ in 0..<3_000 {
            let command = samples.command()
            let bytes = command.encode()
            #expect(try Command(decoding: bytes, version: Command.version) == command)
            let entry = Entry(term: 3, index: 9, kind: .command, timeMs: 5, data: bytes)
            #expect(try Command(decoding: Entry(unpacking: entry.packed).data, version: entry.version) == command)
            let outcome = samples.outcome()
            #expect(try Outcome(decoding: outcome.encode()) == outcome)
        }
    }

    @Test("a set encoded from borrowed bytes is the same set")
    func borrowed() {
        for (key, data) in [("k", "abc"), ("k", ""), (Bytes([UInt8](repeating: 1, count: 300)), Bytes([UInt8](repeating: 2, count: 70_000)))] as [(Bytes, Bytes)] {
            let encoded = key.withSpan { key in data.withSpan { Command.encodeSet(key: key, data: $0) } }
            #expect(encoded == Command.single(.set(key: key, value: .data(data))).encode())
        }
    }

    @Test("an encoded command becomes an entry without being copied")
    func headroom() {
        let data = Command.single(.set(key: "key", value: .data(Bytes([UInt8](repeating: 7, count: 500))))).encode()
        let entry = Entry(
            term: Term(.max), index: Index(.max), kind: .command, timeMs: .max, sessionID: .max, sequence: .max, data: data)
        #expect(address(entry.data) == address(data))
    }

    @Test("what this program does not know is told from what is damaged")
    func unknown() {
        func failure(_ bytes: String, version: UInt64 = 1) -> Command.Failure? {
            do throws(Command.Failure) {
                _ = try Command(decoding: hex(bytes), version: version)
                return nil
            } catch {
                return error
            }
        }
        #expect(failure("01 08", version: 2) == .unknownVersion(2))
        #expect(failure("01 08", version: 0) == .unknownVersion(0))
        #expect(failure("03 08") == .unknownForm(3))
        #expect(failure("01 09") == .unknownOperation(9))
        #expect(failure("01 02 01 6b 02 00") == .unknownKindOfValue(2))
        #expect(failure("") == .malformed(.truncated(at: 0)))
        #expect(failure("01 01 05 6b") == .malformed(.truncated(at: 2)))
        #expect(failure("01 08 00") == .tooLong(at: 2))
        #expect(failure("02 ffffffffffffffffff01") == .malformed(.truncated(at: 11)))
        #expect(failure("01 06 01 6b 01 ff") == .itemNotUTF8(at: 4))
        #expect(failure("01 02 01 6b 01 03 0a01ff") == .malformedList(.notUTF8(item: 0)))
        #expect(failure("01 02 01 6b 01 03 120161") == .malformedList(.unknownField(at: 0)))
        #expect(failure("01 02 01 6b 01 04 0a810061") == .malformedList(.lengthTooLong(at: 1)))
        #expect(failure("01 02 01 6b 01 03 0a0261") == .malformedList(.malformed(.truncated(at: 1))))
    }

    @Test("any bytes are either a command or a failure, and what is read is written the same", arguments: 1...4 as ClosedRange<UInt64>)
    func fuzz(seed: UInt64) throws {
        var samples = Samples(seed: seed)
        var understood = 0
        for round in 0..<8_000 {
            var bytes = round % 2 == 0 ? samples.command().encode(headroom: 0).array : samples.outcome().encode().array
            samples.random.mutate(&bytes)
            if let command = try? Command(decoding: Bytes(bytes), version: 1) {
                #expect(try Command(decoding: command.encode(), version: 1) == command)
                understood += 1
            }
            if let outcome = try? Outcome(decoding: Bytes(bytes)) {
                #expect(try Outcome(decoding: outcome.encode()) == outcome)
                understood += 1
            }
        }
        #expect(understood > 300, "the mutations are to leave some of it whole")
    }

    @Test("every beginning of a command is refused")
    func prefixes() {
        var samples = Samples(seed: 9)
        for _ in 0..<200 {
            let bytes = samples.command().encode(headroom: 0)
            for count in 0..<bytes.count {
                #expect(throws: Command.Failure.self) { try Command(decoding: bytes[0..<count], version: 1) }
            }
        }
    }
}

extension SplitMix64 {
    /// A few changes: a bit turned, a byte replaced, taken out, put in, an end cut off, a piece doubled.
    mutating func mutate(_ bytes: inout [UInt8]) {
        for _ in 0..<next(below: 4) {
            let at = Int(next(below: UInt64(bytes.count + 1)))
            switch next(below: 6) {
            case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8(next(below: 8))
            case 1 where at < bytes.count: bytes[at] = [0, 1, 0x7f, 0x80, 0xff][Int(next(below: 5))]
            case 2 where at < bytes.count: bytes.remove(at: at)
            case 3: bytes.insert(UInt8(next(below: 256)), at: at)
            case 4: bytes.removeSubrange(at...)
            default: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 5)], at: at)
            }
        }
    }
}

/// Where the bytes lie: two values with one address share their storage.
func address(_ bytes: Bytes) -> UInt { bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } }

@Suite struct ItemListTests {
    @Test("a list is its items, and its bytes are a protobuf StringList")
    func items() throws {
        let items: [Bytes] = ["", "a", Bytes(utf8: String(repeating: "x", count: 300)), "水"]
        let list = ItemList(items)
        #expect(Array(list) == items && list.count == 4)
        #expect(list.packed[0..<6] == hex("0a00 0a0161 0a"))
        #expect(try ItemList(validating: list.packed) == list)
        #expect(ItemList([] as [Bytes]).packed.isEmpty)
        #expect(Value.list(list).length == 4 && Value.list(list).size == 2 + 3 + 303 + 5)
    }

    @Test("lists from other libraries: unknown fields are left out, long lengths made short, the rest refused")
    func parsing() throws {
        #expect(try ItemList(parsing: hex("0a0161 1207 61626364656667 0a81006b")) == ["a", "k"])
        #expect(throws: ItemList.Failure.notUTF8(item: 1)) { try ItemList(parsing: hex("1001 0a0161 0a01ff")) }
        #expect(throws: ItemList.Failure.malformed(.truncated(at: 1))) { try ItemList(parsing: hex("0a0561")) }
    }

    @Test("a list that grows item by item is copied seldom, and what it was stays as it was")
    func growth() {
        var list = ItemList()
        var moves = 0
        var earlier: [(ItemList, Int)] = []
        for number in 0..<20_000 {
            let before = address(list.packed)
            list.append(Bytes(utf8: "item \(number)"))
            if address(list.packed) != before { moves += 1 }
            if number % 2_000 == 0 { earlier.append((list, number + 1)) }
        }
        #expect(moves < 45, "\(moves) copies of 20,000 appends")
        for (list, count) in earlier {
            #expect(Array(list) == (0..<count).map { Bytes(utf8: "item \($0)") })
        }
    }
}
