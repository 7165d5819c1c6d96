import Base
import Consensus
import LogFormat
import Storage
import Testing
import VirtualDisk

/// A directory as one that may only be read.
private struct Untouched: DirectoryImage {
    let disk: VirtualDisk
    func list() throws(DiskError) -> [(file: DiskFile, size: Int)] { try disk.list() }
    func read(_ file: DiskFile, offset: Int, count: Int) throws(DiskError) -> Bytes {
        try disk.read(file, offset: offset, count: count)
    }
    func perform(_ steps: [DiskStep]) throws(DiskError) { Issue.record("an inspection wants \(steps)") }
}

@Suite struct InspectionTests {
    private func inspect(_ disk: VirtualDisk, _ eachFrame: (InspectedFrame) -> Void = { _ in }) -> Inspection {
        Storage.inspect(Untouched(disk: disk), limits: smallLimits(), eachFrame: eachFrame)
    }

    /// Why a start is refused; nil when it is not.
    private func refusal(_ disk: VirtualDisk) -> RecoveryFailure? {
        do {
            _ = try Storage.recover(from: disk.copy(), limits: smallLimits())
            return nil
        } catch {
            return error
        }
    }

    @Test("A whole directory: who, term and vote, segments with their indexes and terms, every frame in order")
    func whole() throws {
        let (rig, model) = try DamageTests().lived(witnessed: true)
        var frames: [InspectedFrame] = []
        let found = inspect(rig.disk.copy()) { frames.append($0) }
        #expect(found.failures == [] && found.torn == nil && !found.isBlank && !found.setsLogAside)
        #expect(found.identity == Identity(member: 7, name: "n1") && found.hardState == model.hardState)
        #expect(found.log == 1...40)
        #expect(found.segments.map(\.number) == [1, 2, 3])
        #expect(found.segments[0].indexes?.lowerBound == 1 && found.segments[1].indexes?.upperBound == 40)
        #expect(found.segments[0].terms == 1...2 && found.segments[1].terms == 2...3)
        #expect(found.segments[2].frames == 0 && found.segments[2].indexes == nil, "the spare one")
        #expect(found.segments.reduce(0) { $0 + $1.frames } == frames.count)
        #expect(frames.map(\.header.sequence) == Array(1...UInt64(frames.count)))
        #expect(frames.count { $0.supersedes } == 2)
        // What the frames say, one after the other, is the log.
        var log: [Entry] = []
        for frame in frames {
            if frame.supersedes { log.removeSubrange(Int(frame.header.firstIndex.rawValue - 1)...) }
            log += frame.entries
        }
        #expect(log == model.log)
    }

    @Test("Every flipped byte: an inspection finds what a start is refused for, and nothing else; and goes on behind it")
    func flips() throws {
        let (rig, _) = try DamageTests().lived(witnessed: true)
        let whole = inspect(rig.disk.copy()).segments.count
        var found = 0
        for (file, _) in try rig.disk.list() {
            for offset in DamageTests().interesting(rig.disk.content(file)) where offset % 3 == 0 {
                let disk = rig.disk.copy()
                disk.damage(file) { $0[offset] ^= UInt8(1 << (offset % 8)) }
                let inspection = inspect(disk)
                let refusal = refusal(disk)
                #expect((refusal == nil) == inspection.failures.isEmpty, "\(file.name) at \(offset)")
                if let refusal { #expect(inspection.failures.first == refusal, "\(file.name) at \(offset)") }
                #expect(inspection.segments.count == whole)
                found += refusal == nil ? 0 : 1
            }
        }
        #expect(found > 1_000)
    }

    @Test("Damage in two files is told twice")
    func twoPlaces() throws {
        let (rig, _) = try DamageTests().lived(witnessed: true)
        let disk = rig.disk.copy()
        disk.damage(.state) { $0[10] ^= 1 }
        disk.damage(.segment(1)) { $0[Format.framesStart + 70] ^= 1 }
        let places = inspect(disk).failures.compactMap { failure -> String? in
            if case .damaged(let damage) = failure { "\(damage.file.name)@\(damage.offset)" } else { nil }
        }
        #expect(places == ["state@0", "segment-0000000000000001.log@\(Format.framesStart)"])
    }

    @Test("A torn tail is no damage, and is still there afterwards")
    func torn() throws {
        let (rig, _) = try DamageTests().lived(witnessed: false)
        let disk = rig.disk.copy()
        let content = disk.content(.segment(2))
        let last = content.lastIndex { $0 != 0 }! / 512 * 512
        disk.damage(.segment(2)) { for offset in last..<last + 512 { $0[offset] = 0 } }
        let before = disk.content(.segment(2))
        let found = inspect(disk)
        #expect(found.failures == [] && found.torn?.file == .segment(2) && found.log == 1...39)
        #expect(disk.content(.segment(2)) == before)
    }

    @Test("Snapshots and drafts are told, and an empty directory is called one")
    func snapshots() throws {
        let rig = try Snapshots().rig(20)
        rig.beginSnapshot(12, term: 2, chunks: Snapshots().chunks(1))
        rig.settle()
        let disk = rig.disk.copy()
        try disk.perform([.create(.segmentDraft(9), size: 512)])
        let found = inspect(disk)
        #expect(found.failures == [] && found.snapshots.map(\.index) == [12] && found.snapshots.map(\.term) == [2])
        #expect(found.drafts.map(\.file) == [.segmentDraft(9)])
        disk.damage(.snapshot(12)) { $0.removeLast() }
        #expect(inspect(disk).failures.count == 1)
        #expect(inspect(VirtualDisk()).isBlank)
    }
}
