import Base
import Consensus
import Keyspace
import Testing
import Wire

@Suite("What is refused, and how it is said")
struct RefusalTests {
    let codec = Wire.Codec()

    private func refusal<R>(
        _ bytes: Bytes, _ decode: (RawSpan) throws(Wire.DecodeFailure) -> R
    ) -> Wire.DecodeFailure? {
        bytes.withSpan { span in
            do throws(Wire.DecodeFailure) {
                _ = try decode(span)
                return nil
            } catch {
                return error
            }
        }
    }

    @Test("An empty key")
    func emptyKey() {
        #expect(refusal("", codec.decodeGet) == .emptyKey)
        #expect(refusal("", codec.decodeStrlen) == .emptyKey)
        #expect(refusal("", codec.decodeDelete) == .emptyKey)
        #expect(refusal(codec.encodeRequest(.set(key: "", value: .data("v"))), codec.decodeSet) == .emptyKey)
        #expect(refusal(codec.encodeRequest(.append(key: "", suffix: "v")), codec.decodeAppend) == .emptyKey)
        #expect(Wire.DecodeFailure.emptyKey.message == "the key is empty: a key has 1 to 65536 bytes")
    }

    @Test("A key of 64 KiB is read, one of a byte more is not")
    func longKey() throws {
        let longest = Bytes([UInt8](repeating: 7, count: 65_536))
        let longer = Bytes([UInt8](repeating: 7, count: 65_537))
        let get = try decoding(codec.encodeRequest(.get(key: longest)), codec.decodeGet)
        #expect(get.operation == .get(key: longest))
        #expect(refusal(codec.encodeRequest(.get(key: longer)), codec.decodeGet) == .keyTooLong(65_537))
        let keys = codec.encodeRequest(.keys(prefix: longer, startAfter: "", limit: 0))
        #expect(refusal(keys, codec.decodeKeys) == .tooLong("prefix", 65_537))
        let after = codec.encodeRequest(.keys(prefix: "", startAfter: longer, limit: 0))
        #expect(refusal(after, codec.decodeKeys) == .tooLong("start_after", 65_537))
    }

    @Test("A write without a value, of no kind, or with a list that is none")
    func noValue() {
        // key = "k"
        #expect(refusal("\u{0a}\u{01}k", codec.decodeSet) == .missing("value"))
        // … and value = {}
        #expect(refusal("\u{0a}\u{01}k\u{12}\u{00}", codec.decodeSet) == .missing("data or list in value"))
        #expect(refusal("\u{0a}\u{01}k", codec.decodeAppend) == .missing("suffix or item"))
        // value = { list: { an item of 5 bytes, of which one is there } }
        let odd: Bytes = [0x0a, 1, 0x6b, 0x12, 5, 0x12, 3, 0x0a, 5, 0x61]
        #expect(refusal(odd, codec.decodeSet) == .malformed("StringList"))
    }

    @Test("Text that is not UTF-8, wherever it stands")
    func badText() {
        // key = "k", value = { list: { items: "a", items: 0xff } }
        let list: Bytes = [0x0a, 1, 0x6b, 0x12, 8, 0x12, 6, 0x0a, 1, 0x61, 0x0a, 1, 0xff]
        #expect(refusal(list, codec.decodeSet) == .notUTF8("item 2 of the list"))
        let item: Bytes = [0x0a, 1, 0x6b, 0x1a, 2, 0xc0, 0x80]
        #expect(refusal(item, codec.decodeAppend) == .notUTF8("item"))
        // As data the same bytes are welcome.
        let suffix: Bytes = [0x0a, 1, 0x6b, 0x12, 2, 0xc0, 0x80]
        #expect(refusal(suffix, codec.decodeAppend) == nil)
        #expect(refusal([0x0a, 1, 0xff], codec.decodeChange) == .notUTF8("name"))
    }

    @Test("U+0000 and empty strings are items like any other")
    func zero() throws {
        let list = ItemList(["", "a\0b", "\0"])
        let bytes = codec.encodeRequest(.set(key: "k\0", value: .list(list)))
        let write = try decoding(bytes, codec.decodeSet)
        #expect(write.command == Command.single(.set(key: "k\0", value: .list(list))).encode())
    }

    @Test("A list from a newer writer: fields that we do not know are left out")
    func newerList() throws {
        // value = { list: { a field 2, items: "a" } }
        let bytes: Bytes = [0x0a, 1, 0x6b, 0x12, 7, 0x12, 5, 0x10, 1, 0x0a, 1, 0x61]
        let write = try decoding(bytes, codec.decodeSet)
        #expect(write.command == Command.single(.set(key: "k", value: .list(["a"]))).encode())
    }

    @Test("A consistency that does not exist")
    func unknownConsistency() {
        #expect(refusal([0x0a, 1, 0x6b, 0x38, 3], codec.decodeGet) == .unknownValue("Consistency", 3))
        #expect(refusal([0x0a, 1, 0x6b, 0x38, 2], codec.decodeGet) == nil)
    }

    @Test("Bytes that are no message, and fields of another type")
    func malformed() {
        #expect(refusal([0x0a, 9, 0x6b], codec.decodeGet) == .malformed("GetRequest"))
        #expect(refusal([0x08, 1], codec.decodeGet) == .malformed("GetRequest"))
        #expect(refusal([0xff, 0xff, 0xff, 0xff], codec.decodePing) == .malformed("PingRequest"))
        #expect(refusal([0x52, 0x7f], codec.decodeAppendEntries) == .malformed("AppendEntriesRequest"))
        #expect(refusal([0x50, 0x01], codec.decodeAppendEntries) == .malformed("AppendEntriesRequest"))
        #expect(refusal([0x52, 0x02, 0x42, 0x05], codec.decodeAppendEntries) == .malformed("Entry"))
    }

    @Test("A transaction of nothing, of too much, and what may not stand in one")
    func transactions() {
        #expect(refusal("", codec.decodeTransact) == .noOperations)
        let many = codec.encodeTransact(Array(repeating: .ping, count: 10_001))
        #expect(refusal(many, codec.decodeTransact) == .tooManyOperations(10_001))
        #expect(refusal(codec.encodeTransact(Array(repeating: .ping, count: 10_000)), codec.decodeTransact) == nil)
        // operations: { }, and { get: { } } as the second.
        #expect(refusal([0x0a, 0], codec.decodeTransact) == .inOperation(1, .missing("request")))
        let second: Bytes = [0x0a, 2, 0x0a, 0, 0x0a, 2, 0x12, 0]
        let failure = refusal(second, codec.decodeTransact)
        #expect(failure == .inOperation(2, .emptyKey))
        #expect(failure?.message == "operation 2: the key is empty: a key has 1 to 65536 bytes")
        // { delete: { key: "k", request_id: { } } } and { get: { key: "k", consistency: LOCAL } }
        let identified: Bytes = [0x0a, 7, 0x2a, 5, 0x0a, 1, 0x6b, 0x42, 0]
        #expect(refusal(identified, codec.decodeTransact) == .inOperation(1, .misplaced("request_id")))
        let local: Bytes = [0x0a, 7, 0x12, 5, 0x0a, 1, 0x6b, 0x38, 2]
        #expect(refusal(local, codec.decodeTransact) == .inOperation(1, .misplaced("consistency LOCAL")))
    }

    @Test("Entries that do not follow one another")
    func gaps() {
        func message(_ indices: [UInt64], after index: Index) -> Bytes {
            let entries = indices.map {
                Entry(term: 1, index: Index($0), kind: .noOperation, timeMs: 1, data: Bytes())
            }
            let body = AppendEntries(prevLogIndex: index, prevLogTerm: 1, entries: entries, leaderCommit: 0, round: 0)
            return codec.encode(Message(cluster: 1, from: 2, to: 3, term: 1, body: .appendEntries(body)))
        }
        #expect(refusal(message([5, 6, 7], after: 4), codec.decodeAppendEntries) == nil)
        for (indices, index) in [([5, 7], 4), ([6], 4), ([4], 4), ([5, 5], 4), ([0], Index(UInt64.max))] as [([UInt64], Index)] {
            guard case .inconsistent = refusal(message(indices, after: index), codec.decodeAppendEntries) else {
                Issue.record("entries \(indices) after \(index) were taken")
                continue
            }
        }
    }

    @Test("A configuration with a member twice, or with more members than anybody has")
    func configurations() {
        func member(_ id: UInt8, _ name: UInt8) -> [UInt8] { [0x0a, 12, 0x09, id, 0, 0, 0, 0, 0, 0, 0, 0x12, 1, name] }
        func hello(_ members: [UInt8]) -> Bytes {
            var writer = ByteWriter()
            writer.writeTag(field: 11, .lengthDelimited)
            writer.writeVarint(UInt64(members.count))
            for byte in members { writer.write(byte) }
            return writer.finish()
        }
        #expect(refusal(hello(member(1, 0x61) + member(2, 0x62)), codec.decodeHello) == nil)
        for members in [member(1, 0x61) + member(1, 0x62), member(1, 0x61) + member(2, 0x61)] {
            guard case .inconsistent(let what) = refusal(hello(members), codec.decodeHello) else {
                Issue.record("a member twice was taken")
                continue
            }
            #expect(what.contains("twice"))
        }
        let crowd = hello(Array(repeating: member(1, 0x61), count: 1_001).flatMap { $0 })
        guard case .inconsistent(let what) = refusal(crowd, codec.decodeHello) else {
            Issue.record("1,001 members were taken")
            return
        }
        #expect(what.contains("1001 members"))
    }
}
