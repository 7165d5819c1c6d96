import Base
import Glibc
import Keyspace
import Testing
import Wire

@Suite("Bytes from anybody")
struct FuzzTests {
    /// Lets every decoder there is read `span`; how many accepted it, and how many did not.
    static func decodeAll(_ span: RawSpan, _ codec: Wire.Codec) -> (accepted: Int, refused: Int) {
        var counts = (accepted: 0, refused: 0)
        func attempt<R>(_ decode: (RawSpan) throws(Wire.DecodeFailure) -> R) {
            do throws(Wire.DecodeFailure) {
                _ = try decode(span)
                counts.accepted += 1
            } catch {
                #expect(!error.message.isEmpty)
                counts.refused += 1
            }
        }
        attempt(codec.decodePing)
        attempt(codec.decodeGet)
        attempt(codec.decodeStrlen)
        attempt(codec.decodeKeys)
        attempt(codec.decodeSet)
        attempt(codec.decodeDelete)
        attempt(codec.decodeAppend)
        attempt(codec.decodeTransact)
        attempt(codec.decodeKeysResponse)
        attempt(codec.decodeTransactResponse)
        attempt(codec.decodeStatusRequest)
        attempt(codec.decodeOpenSessionRequest)
        attempt(codec.decodeBackupRequest)
        attempt(codec.decodeBackupPiece)
        attempt(codec.decodeStatus)
        attempt(codec.decodeRequestLog)
        attempt(codec.decodeLogRecord)
        attempt(codec.decodeChange)
        attempt(codec.decodeChangeResponse)
        attempt(codec.decodeOpenSessionResponse)
        attempt(codec.decodeHello)
        attempt(codec.decodeRequestVote)
        attempt(codec.decodeRequestVoteReply)
        attempt(codec.decodeAppendEntries)
        attempt(codec.decodeAppendEntriesReply)
        attempt(codec.decodeReadIndex)
        attempt(codec.decodeReadIndexReply)
        attempt(codec.decodeTimeoutNow)
        attempt(codec.decodeTimeoutNowResponse)
        attempt(codec.decodePropose)
        attempt(codec.decodeProposeResponse)
        attempt(codec.decodeSetLinks)
        attempt(codec.decodeDropNext)
        attempt(codec.decodeHeal)
        attempt(codec.decodeListFaults)
        attempt(codec.decodeFaultState)
        attempt(codec.decodeExpireElectionTimer)
        attempt(codec.decodeExpireElectionTimerResponse)
        for question in [.ping, .get(key: "k"), .set(key: "k", value: .data("")), .strlen(key: "k"), .delete(key: "k"),
            .append(key: "k", suffix: "")] as [KeyOperation]
        {
            attempt { span throws(Wire.DecodeFailure) in try codec.decodeResponse(to: question, span) }
        }
        return counts
    }

    @Test("No decoder crashes or reads past the end of what it is given")
    func mutations() throws {
        let codec = Wire.Codec()
        let page = GuardedPage(size: 256 << 10)
        var refused = 0, accepted = 0
        for seed in 1...60 {
            var random = Random(seed: UInt64(seed) << 32)
            let samples = random.samples(codec).map(\.bytes.array)
            for sample in samples {
                var bytes = sample
                for _ in 0...random.below(4) { random.mutate(&bytes, with: samples) }
                page.lend(bytes) { span in
                    let counts = Self.decodeAll(span, codec)
                    accepted += counts.accepted
                    refused += counts.refused
                }
            }
        }
        // Both happen, or the mutations are too tame or too wild to say anything.
        #expect(refused > 1_000 && accepted > 1_000)
    }

    @Test("Every beginning of a message is read or refused, and leaves the codec as good as new")
    func beginnings() throws {
        let codec = Wire.Codec()
        let page = GuardedPage(size: 256 << 10)
        var random = Random(seed: 7)
        let samples = random.samples(codec)
        for sample in samples where sample.bytes.count < 400 {
            for count in 0..<sample.bytes.count {
                page.lend(Array(sample.bytes.array[..<count])) { span in _ = Self.decodeAll(span, codec) }
            }
        }
        for sample in samples { #expect(try sample.check(sample.bytes)) }
    }

    @Test("A message that unfolds without end is refused, and the memory comes back")
    func bombs() throws {
        let codec = Wire.Codec()
        func refuses<R>(_ tag: UInt8, _ decode: (RawSpan) throws(Wire.DecodeFailure) -> R) {
            Bytes((0..<4 << 20).map { $0 % 2 == 0 ? tag : 0 }).withSpan { span in
                do throws(Wire.DecodeFailure) {
                    _ = try decode(span)
                    Issue.record("a bomb was taken")
                } catch {
                    guard case .tooComplex = error else {
                        Issue.record("\(error)")
                        return
                    }
                }
            }
        }
        // Two bytes each on the wire: an empty operation, an empty outcome, an empty member, an empty text.
        refuses(0x0a, codec.decodeTransact)
        refuses(0x32, codec.decodeProposeResponse)
        refuses(0x3a, codec.decodeStatus)
        refuses(0x3a, codec.decodeHello)
        var random = Random(seed: 3)
        for sample in random.samples(codec) { #expect(try sample.check(sample.bytes)) }
    }
}

extension Random {
    /// One change of the kinds that break parsers.
    mutating func mutate(_ bytes: inout [UInt8], with others: [[UInt8]]) {
        guard !bytes.isEmpty else {
            bytes = pick(others)
            return
        }
        let at = below(bytes.count)
        switch below(8) {
        case 0: bytes[at] ^= 1 << UInt8(below(8))
        case 1: bytes[at] = pick([0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x12])
        case 2: bytes.removeSubrange(at..<min(bytes.count, at + 1 + below(8)))
        case 3: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 1 + below(32))], at: at)
        case 4: bytes.removeSubrange(at...)
        case 5: bytes.replaceSubrange(at..., with: pick(others).suffix(below(64)))
        case 6: bytes.insert(contentsOf: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], at: at)
        default: bytes.append(contentsOf: pick(others).prefix(2_000))
        }
        if bytes.count > 100_000 { bytes.removeSubrange(100_000...) }
    }
}

/// Memory right before a page that may not be touched: a decoder that reads one byte too many dies of it, in C too.
final class GuardedPage {
    private let base: UnsafeMutableRawPointer
    private let size: Int
    private static let guarded = 64 << 10

    init(size: Int) {
        self.size = size
        base = mmap(nil, size + Self.guarded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(base != MAP_FAILED)
        precondition(mprotect(base + size, Self.guarded, PROT_NONE) == 0)
    }

    deinit { munmap(base, size + Self.guarded) }

    /// Lends a copy of `bytes` that ends where the forbidden page begins.
    func lend(_ bytes: [UInt8], _ body: (RawSpan) -> Void) {
        let start = base + size - bytes.count
        bytes.withUnsafeBytes { source in
            if let from = source.baseAddress { start.copyMemory(from: from, byteCount: source.count) }
        }
        body(UnsafeRawBufferPointer(start: start, count: bytes.count).bytes)
    }
}
