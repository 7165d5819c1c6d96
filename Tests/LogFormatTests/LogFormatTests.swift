import Base
@testable import LogFormat
import Testing

func entries(_ sizes: [Int], from first: UInt64 = 1, term: Term = 3) -> [Entry] {
    sizes.enumerated().map { position, size in
        var writer = ByteWriter(capacity: size, headroom: Entry.headroom)
        for offset in 0..<size { writer.write(UInt8(truncatingIfNeeded: offset &* 7 &+ position)) }
        return Entry(
            term: term, index: Index(first + UInt64(position)), kind: .command, timeMs: 1_700_000_000_000,
            data: writer.finish())
    }
}

func frame(_ entries: [Entry], sequence: UInt64 = 9, member: MemberID = 7) -> (bytes: Bytes, header: FrameHeader) {
    Frame.encode(
        segment: 4, sequence: sequence, firstIndex: entries.first?.index ?? 5, entries: entries,
        payloadBytes: entries.reduce(0) { $0 + Frame.size(of: $1) }, member: member)
}

@Suite struct Frames {
    @Test("A frame comes back as it was written", arguments: [[], [0], [1, 2, 3], [447], [448], [449], [5_000, 0, 511]])
    func roundTrip(sizes: [Int]) throws {
        let entries = entries(sizes)
        let (bytes, header) = frame(entries)
        #expect(bytes.count == header.extent && bytes.count.isMultiple(of: Format.sectorBytes))
        #expect(try FrameHeader(decoding: bytes, member: 7) == header)
        #expect(Frame.payloadMatches(header, bytes))
        #expect(try Frame.entries(header, bytes) == entries)
        #expect(header.lastTerm == (entries.isEmpty ? 0 : 3))
        #expect(header.lastIndex == header.firstIndex.advanced(by: entries.count - 1))
    }

    @Test("The first bytes of a frame are what docs/DISK-FORMAT.md draws")
    func layout() throws {
        let (bytes, header) = frame(entries([3]))
        let numbers = bytes.array
        #expect(numbers[0..<8] == [0x53, 0x57, 0x66, 0x72, 1, 0, 0, 0])
        #expect(numbers[8..<16] == [4, 0, 0, 0, 0, 0, 0, 0])
        #expect(numbers[16..<24] == [9, 0, 0, 0, 0, 0, 0, 0])
        #expect(numbers[24..<32] == [1, 0, 0, 0, 0, 0, 0, 0])
        #expect(numbers[32..<40] == [3, 0, 0, 0, 0, 0, 0, 0])
        #expect(numbers[40..<44] == [1, 0, 0, 0])
        #expect(Int(numbers[44]) == header.payloadBytes)
        #expect(numbers[48..<52] == [0, 0, 0, 0])
        #expect(Int(numbers[64]) == header.payloadBytes - 1)
    }

    @Test("A frame knows how many of its sectors are blank")
    func blankSectors() {
        var writer = ByteWriter(capacity: 4_096, headroom: Entry.headroom)
        writer.writeZeros(4_096)
        let zeros = Entry(term: 3, index: 1, kind: .command, timeMs: 1, data: writer.finish())
        #expect(frame([zeros]).header.blankSectors == 8)
        #expect(frame(entries([4_096])).header.blankSectors == 0)
    }

    @Test("A frame of another member is not read")
    func otherMember() {
        let (bytes, _) = frame(entries([3]))
        #expect(throws: RecordFault.unreadable("the checksum does not match")) {
            try FrameHeader(decoding: bytes, member: 8)
        }
    }

    @Test("No changed byte of a frame goes unnoticed")
    func flips() throws {
        let (bytes, header) = frame(entries([1, 700, 30]))
        for offset in 0..<Format.frameHeaderBytes + header.payloadBytes {
            for bit in 0..<8 {
                var changed = bytes.array
                changed[offset] ^= 1 << UInt8(bit)
                let read = Bytes(changed)
                guard let found = try? FrameHeader(decoding: read, member: 7) else { continue }
                #expect(found == header && !Frame.payloadMatches(found, read), "byte \(offset)")
            }
        }
    }

    @Test("No prefix of a frame is taken for the whole")
    func prefixes() throws {
        let (bytes, header) = frame(entries([1, 700, 30]))
        for count in 0..<Format.frameHeaderBytes + header.payloadBytes {
            guard let found = try? FrameHeader(decoding: bytes[0..<count], member: 7) else {
                #expect(count < Format.frameHeaderBytes)
                continue
            }
            #expect(!Frame.payloadMatches(found, bytes[0..<count]))
        }
    }
}

@Suite struct Records {
    @Test("Slots, witnesses and segment headers come back as they were written")
    func roundTrips() throws {
        for vote in [nil, 0, 9 as MemberID] {
            let slot = StateSlot(number: 5, member: 7, term: 8, votedFor: vote)
            #expect(try StateSlot(decoding: slot.encode()) == slot)
        }
        let witness = Witness(frame(entries([3])).header, at: 12_800)
        #expect(try Witness(decoding: witness.encode(member: 7), member: 7) == witness)
        #expect(throws: RecordFault.self) { try Witness(decoding: witness.encode(member: 7), member: 8) }
        let header = SegmentHeader(segment: 3, member: 7, size: 1 << 24)
        #expect(try SegmentHeader(decoding: header.encode()) == header)
    }

    @Test("An identity comes back as it was written, and no changed or missing byte goes unnoticed")
    func identity() throws {
        for identity in [
            Identity(member: 7, name: "n1"),
            Identity(member: .init(.max), name: "größer", cluster: 5, configuration: Bytes([1, 2, 3])),
            Identity(member: 1, name: String(repeating: "x", count: 255), configuration: Format.zeros(1_000)),
        ] {
            let bytes = identity.encode()
            #expect(try Identity(decoding: bytes) == identity)
            for offset in 0..<bytes.count {
                var changed = bytes.array
                changed[offset] ^= 0x10
                #expect(throws: RecordFault.self) { try Identity(decoding: Bytes(changed)) }
                #expect(throws: RecordFault.self) { try Identity(decoding: bytes[0..<offset]) }
            }
        }
    }

    @Test("Slots and witnesses are written in turn to blocks of their own")
    func places() {
        #expect((1...4).map { StateSlot.place(number: $0) } == [0, 4_096, 0, 4_096])
        #expect((0...3).map { Witness.place(turn: $0) } == [4_096, 8_192, 4_096, 8_192])
        #expect(Witness.place(turn: 1) + Format.blockBytes == Format.framesStart)
    }

    @Test("Blank and newer records are told from unreadable ones")
    func faults() {
        #expect(throws: RecordFault.blank) { try StateSlot(decoding: Format.zeroBlock) }
        #expect(throws: RecordFault.unreadable("the file ends here")) { try StateSlot(decoding: Format.zeros(63)) }
        var newer = StateSlot(number: 1, member: 7, term: 1, votedFor: nil).encode().array
        newer[4] = 2
        #expect(throws: RecordFault.unreadable("the checksum does not match")) { try StateSlot(decoding: Bytes(newer)) }
        let crc = newer.withUnsafeBytes { Format.checksum(UnsafeRawBufferPointer(rebasing: $0[..<60]), of: 7) }
        withUnsafeBytes(of: crc.littleEndian) { newer.replaceSubrange(60..<64, with: $0) }
        #expect(throws: RecordFault.newerFormat(2)) { try StateSlot(decoding: Bytes(newer)) }
    }
}

@Suite struct FileNames {
    @Test("Names and files belong to each other")
    func names() {
        for file: DiskFile in [.identity, .identityDraft, .state, .stateDraft, .segment(1), .segmentDraft(123_456)] {
            #expect(DiskFile(name: file.name) == file)
            #expect(file.isDraft == file.name.hasSuffix(".new"))
        }
        #expect(DiskFile.segment(12).name == "segment-0000000000000012.log")
    }

    @Test("What is none of ours is left alone", arguments: [
        "", "lock", "identity.old", "segment-1.log", "segment-0000000000000000.log", "segment-00000000000000-1.log",
        "segment-+000000000000001.log", "segment-0000000000000001.txt", "Segment-0000000000000001.log",
    ])
    func strangers(name: String) {
        #expect(DiskFile(name: name) == nil)
    }
}

/// Bytes that say anything, from a seed: nothing is read past its end, nothing traps, and nothing is believed
/// without its checksum.
@Suite struct DecoderFuzz {
    private func decodeEverything(_ bytes: Bytes) {
        // Each either gives a value or throws; a trap ends the test run.
        _ = try? Identity(decoding: bytes)
        _ = try? StateSlot(decoding: bytes)
        _ = try? SegmentHeader(decoding: bytes)
        _ = try? Witness(decoding: bytes, member: 7)
        if let header = try? FrameHeader(decoding: bytes, member: 7), Frame.payloadMatches(header, bytes) {
            _ = try? Frame.entries(header, bytes)
        }
    }

    @Test("Random bytes and changed records", arguments: 0..<20 as Range<UInt64>)
    func random(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let seeds = [
            frame(entries([3, 600])).bytes, Identity(member: 7, name: "n1", configuration: Bytes([9])).encode(),
            StateSlot(number: 1, member: 7, term: 1, votedFor: 2).encode(),
            SegmentHeader(segment: 3, member: 7, size: 1 << 24).encode(),
            Witness(frame(entries([3])).header, at: 12_800).encode(member: 7),
        ]
        for round in 0..<2_000 {
            var bytes = round.isMultiple(of: 2)
                ? (0..<Int(random.next(below: 200))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                : seeds[Int(random.next(below: UInt64(seeds.count)))].array
            for _ in 0..<random.next(below: 4) where !bytes.isEmpty {
                let position = Int(random.next(below: UInt64(bytes.count)))
                switch random.next(below: 4) {
                case 0: bytes[position] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: position)
                case 2: bytes.insert(0xff, at: position)
                default: bytes.removeSubrange(position...)
                }
            }
            decodeEverything(Bytes(bytes))
        }
    }

    @Test("Records whose checksum is right and whose content is anything", arguments: 0..<20 as Range<UInt64>)
    func sealed(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<500 {
            for envelope in [FrameHeader.envelope, Witness.envelope, StateSlot.envelope, SegmentHeader.envelope] {
                let size = 64 + Int(random.next(below: 600))
                let bytes = Bytes(capacity: size) { buffer in
                    for offset in 0..<size {
                        // Small numbers and huge ones: lengths that fit and lengths that cannot.
                        let byte = UInt8(truncatingIfNeeded: random.next())
                        buffer[offset] = random.next(below: 3) == 0 ? byte : (byte & 1) &* 0xff
                    }
                    buffer.put(7 as UInt64, 16)
                    if envelope.magic.utf8Start[2] == UInt8(ascii: "f") {
                        let payload = Int(random.next(below: UInt64(size - 63)))
                        buffer.put(UInt32(payload), 44)
                        var crc = CRC32C()
                        crc.add(UnsafeRawBufferPointer(rebasing: buffer[64..<64 + payload]))
                        buffer.put(crc.value, 52)
                    }
                    envelope.seal(buffer, member: 7)
                    return size
                }
                decodeEverything(bytes)
            }
        }
    }

    @Test("An identity whose checksum is right and whose lengths are anything")
    func sealedIdentity() {
        var random = SplitMix64(seed: 4)
        for _ in 0..<2_000 {
            var bytes = Identity(member: 7, name: "n1", configuration: Bytes([9, 9])).encode().array
            bytes[32 + Int(random.next(below: 8))] = UInt8(truncatingIfNeeded: random.next())
            bytes.withUnsafeMutableBytes { Envelope(magic: "SWid", size: $0.count).seal($0, member: 7) }
            decodeEverything(Bytes(bytes))
        }
    }
}
