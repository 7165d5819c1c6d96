import Base
import Consensus
import LogFormat
import Storage
import Testing
import VirtualDisk

/// Damage: bytes that change after they were durable. The oracle is the model: a start either knows all that was
/// acknowledged, or is refused.
@Suite struct DamageTests {
    /// A life with two segments, truncations, frames of one and of many sectors, and frames with blank sectors.
    func lived(witnessed: Bool) throws -> (rig: Rig, model: Model) {
        let rig = try Rig()
        var model = Model()
        var token: UInt64 = 0
        func commit(_ hardState: HardState?, _ truncateFrom: Index?, _ entries: [Entry]) {
            token += 1
            let turn = Turn(token: token, hardState: hardState, truncateFrom: truncateFrom, entries: entries)
            model.apply(turn)
            rig.commit(turn)
        }
        commit(HardState(term: 1, votedFor: 7), nil, entries(1...4, size: 30))
        commit(nil, nil, entries(5...6, size: 1_500))
        commit(HardState(term: 2), nil, [])
        commit(nil, 4, entries(4...9, term: 2, size: 200))
        for number in stride(from: 10 as UInt64, to: 40, by: 3) {
            commit(nil, nil, entries(number...number + 2, term: 2, size: 190))
        }
        commit(HardState(term: 3, votedFor: 9), 35, [])
        commit(nil, nil, entries(35...38, term: 3, size: 100))
        commit(nil, nil, [entry(39, term: 3, kind: .configuration, size: 0)].map { old in
            Entry(term: 3, index: old.index, kind: .configuration, timeMs: 1, data: Configuration(members: [
                .init(id: 7, name: "n1", address: "a:1"),
            ]).encode())
        })
        commit(nil, nil, entries(40...40, term: 3, size: 2_000))
        if witnessed { rig.rest() }
        #expect(rig.durable == token)
        return (rig, model)
    }

    /// What a start makes of the disk: the state, or nil when it is refused.
    private func recover(_ disk: VirtualDisk) throws -> Model? {
        do {
            let rig = try Rig(disk, limits: smallLimits())
            #expect(rig.recovered.identity == Identity(member: 7, name: "n1"))
            let log = rig.readAll(maxBytes: .max)
            #expect(UInt64(log.count) == rig.recovered.lastIndex.rawValue)
            return Model(hardState: rig.recovered.hardState, log: log)
        } catch let failure as RecoveryFailure {
            guard case .damaged(let damage) = failure else {
                Issue.record("\(failure)")
                return nil
            }
            #expect(damage.description.contains(damage.file.name) && damage.description.contains("remove the member"))
            return nil
        }
    }

    @Test("The life that the others damage is remembered whole")
    func undamaged() throws {
        for witnessed in [false, true] {
            let (rig, model) = try lived(witnessed: witnessed)
            #expect(try recover(rig.disk.copy()) == model)
            #expect(rig.disk.names.count == 5)
            let again = try Rig(rig.disk.copy(), limits: smallLimits())
            #expect(again.recovered.runs == [.init(first: 1, term: 1), .init(first: 4, term: 2), .init(first: 35, term: 3)])
            #expect(again.recovered.configurations.map(\.index) == [39])
            #expect(again.recovered.cut == nil)
        }
    }

    /// Offsets worth changing: all of what is written, and some of the zeros.
    func interesting(_ content: [UInt8]) -> [Int] {
        var offsets: [Int] = []
        for start in stride(from: 0, to: content.count, by: 512) {
            let sector = content[start..<min(start + 512, content.count)]
            if sector.contains(where: { $0 != 0 }) { offsets += sector.indices } else { offsets.append(start + 100) }
        }
        return offsets
    }

    @Test("Every flipped byte of every file: a right answer or a refusal", arguments: [false, true])
    func flips(witnessed: Bool) throws {
        let (rig, model) = try lived(witnessed: witnessed)
        var refused = 0
        // Only the last segment has a witness, or lacks one.
        for (file, _) in try rig.disk.list() where witnessed || file == .segment(2) {
            for offset in interesting(rig.disk.content(file)) {
                let disk = rig.disk.copy()
                disk.damage(file) { $0[offset] ^= UInt8(1 << (offset % 8)) }
                guard let found = try recover(disk) else {
                    refused += 1
                    continue
                }
                #expect(found == model, "\(file.name) at \(offset)")
            }
        }
        #expect(refused > (witnessed ? 5_000 : 1_000))
    }

    @Test("Every prefix of every file: a right answer or a refusal")
    func prefixes() throws {
        let (rig, model) = try lived(witnessed: false)
        for (file, size) in try rig.disk.list() {
            for count in stride(from: 0, to: size, by: size > 2_000 ? 97 : 1) {
                let disk = rig.disk.copy()
                disk.damage(file) { $0.removeLast($0.count - count) }
                let found = try recover(disk)
                #expect(found == nil || found == model, "\(file.name) of \(count) bytes")
            }
        }
    }

    /// The log ends at a byte and zeros follow, as if no more had reached the disk.
    @Test("A log of which only the first bytes were written: the frames before, or a refusal; a witness never lets one go")
    func zeroedTails() throws {
        for witnessed in [false, true] {
            let (rig, model) = try lived(witnessed: witnessed)
            let file = DiskFile.segment(2)
            let content = rig.disk.content(file)
            let end = content.lastIndex { $0 != 0 }! + 1
            var lengths: Set<Int> = []
            for count in Format.framesStart..<end where count % 7 == 0 || (count + 1) % 512 < 3 {
                let disk = rig.disk.copy()
                disk.damage(file) { for offset in count..<$0.count { $0[offset] = 0 } }
                let found = try recover(disk)
                if let found {
                    #expect(found.log == Array(model.log.prefix(found.log.count)) || found.log.count <= 40)
                    lengths.insert(found.log.count)
                }
                if witnessed { #expect(found == nil || found == model, "zeros from \(count)") }
            }
            if !witnessed { #expect(lengths.count > 4) }
        }
    }

    @Test("A frame of which some sectors were never written is cut; one that was changed is not")
    func tornOrDamaged() throws {
        let (rig, model) = try lived(witnessed: false)
        let file = DiskFile.segment(2)
        let content = rig.disk.content(file)
        let last = (content.lastIndex { $0 != 0 }!) / 512 * 512
        // The last frame has entry 40 and five sectors: any of them may be missing, in any combination.
        let start = stride(from: last, through: 0, by: -512).first { content[$0..<$0 + 4] == [0x53, 0x57, 0x66, 0x72] }!
        let sectors = (last - start) / 512 + 1
        let blank = (0..<sectors).map { n in !content[start + n * 512..<start + n * 512 + 512].contains { $0 != 0 } }
        for missing in 1..<(1 << sectors) {
            let disk = rig.disk.copy()
            var changes = false
            disk.damage(file) { bytes in
                for n in 0..<sectors where missing >> n & 1 == 1 {
                    changes = changes || !blank[n]
                    for offset in start + n * 512..<start + n * 512 + 512 { bytes[offset] = 0 }
                }
            }
            let recovered = try Rig(disk, limits: smallLimits()).recovered
            #expect(recovered.lastIndex == (changes ? 39 : 40))
            #expect((recovered.cut != nil) == (changes && missing != (1 << sectors) - 1))
            // What was cut is gone, and another frame takes its place.
            let again = try Rig(disk, limits: smallLimits())
            #expect(again.recovered.cut == nil)
            again.settle()
            again.commit(Turn(token: 1, entries: entries(again.recovered.lastIndex.rawValue + 1...50, term: 3)))
            #expect(try Rig(disk, limits: smallLimits()).recovered.lastIndex == 50)
        }
        #expect(model.log.count == 40)
    }

    @Test("A refusal changes nothing and says where, why, and how to go on")
    func refusal() throws {
        let (rig, _) = try lived(witnessed: true)
        rig.disk.damage(.segment(1)) { $0[Format.framesStart + 70] ^= 1 }
        let before = try rig.disk.list().map { rig.disk.content($0.file) }
        do {
            _ = try Storage.recover(from: rig.disk, limits: smallLimits())
            Issue.record("damage was not seen")
        } catch {
            let text = "\(error)"
            #expect(text.contains("segment-0000000000000001.log is damaged at byte 12288"))
            #expect(text.contains("frame 2 at byte 12800 was written after it"))
            #expect(text.contains("add it again with an empty data directory"))
        }
        #expect(try rig.disk.list().map { rig.disk.content($0.file) } == before)
    }

    @Test("Missing and strange files are refused")
    func files() throws {
        let (rig, _) = try lived(witnessed: true)
        for file in [DiskFile.identity, .state, .segment(1), .segment(2)] {
            let disk = rig.disk.copy()
            try disk.perform([.remove(file)])
            #expect(try recover(disk) == nil, "without \(file.name)")
        }
        // A segment under another name.
        let disk = rig.disk.copy()
        try disk.perform([.rename(.segment(3), to: .segment(4))])
        #expect(try recover(disk) == nil)
        // Another member's segment.
        let other = rig.disk.copy()
        let header = SegmentHeader(segment: 3, member: 8, size: 24 << 10).encode()
        other.damage(.segment(3)) { $0.replaceSubrange(0..<64, with: header.array) }
        #expect(try recover(other) == nil)
    }

    @Test("A later format is told from damage")
    func newerFormat() throws {
        let (rig, _) = try lived(witnessed: true)
        for (file, _) in try rig.disk.list() {
            let disk = rig.disk.copy()
            disk.damage(file) { bytes in
                let end = file == .identity ? bytes.count : 64
                bytes[4] = 2
                var crc = CRC32C()
                crc.add(Bytes([7, 0, 0, 0, 0, 0, 0, 0]))
                crc.add(Bytes(bytes[0..<end - 4]))
                withUnsafeBytes(of: crc.value.littleEndian) { bytes.replaceSubrange(end - 4..<end, with: $0) }
            }
            #expect(throws: RecoveryFailure.newerFormat(file, version: 2)) {
                try Storage.recover(from: disk, limits: smallLimits())
            }
        }
    }

    @Test("A slot that lost its last write is found out")
    func staleSlot() throws {
        let rig = try Rig()
        rig.commit(Turn(token: 1, hardState: HardState(term: 1, votedFor: 7)))
        let old = rig.disk.content(.state)
        for token in 2...4 as ClosedRange<UInt64> {
            rig.commit(Turn(token: token, hardState: HardState(term: Term(token))))
        }
        // The slots hold numbers 5 and 4; the older one is back at 2.
        rig.disk.damage(.state) { $0.replaceSubrange(4096..<4608, with: old[4096..<4608]) }
        #expect(throws: RecoveryFailure.self) { try Storage.recover(from: rig.disk, limits: smallLimits()) }
    }
}

@Suite struct LostWrites {
    @Test("A sector that went back to zeros before the last frame is damage, however much it looks like a tear")
    func blankedSectors() throws {
        let rig = try Rig()
        rig.commit(Turn(token: 1, hardState: HardState(term: 1)))
        for number in 1...10 as ClosedRange<UInt64> {
            rig.commit(Turn(token: number + 1, entries: entries(number...number, size: 1_300)))
        }
        let file = DiskFile.segment(2)
        let content = rig.disk.content(file)
        let end = content.lastIndex { $0 != 0 }! / 512 * 512
        let lastFrame = stride(from: end, through: 0, by: -512).first { content[$0..<$0 + 4] == [0x53, 0x57, 0x66, 0x72] }!
        var tried = 0
        for file in [DiskFile.segment(1), file] {
            let content = rig.disk.content(file)
            let stop = file == .segment(2) ? lastFrame : content.count
            for start in stride(from: Format.framesStart, to: stop, by: 512)
            where content[start..<start + 512].contains(where: { $0 != 0 }) {
                let disk = rig.disk.copy()
                disk.damage(file) { for offset in start..<start + 512 { $0[offset] = 0 } }
                #expect(throws: RecoveryFailure.self, "\(file.name) at \(start)") {
                    try Storage.recover(from: disk, limits: smallLimits())
                }
                tried += 1
            }
        }
        #expect(tried > 10)
    }
}
