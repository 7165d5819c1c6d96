import Base
import Consensus
import LogFormat
import Storage
import Testing
import VirtualDisk

@Suite struct Snapshots {
    func chunks(_ seed: UInt64, count: Int = 5) -> [Bytes] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in Bytes((0..<200 + random.next(below: 900)).map { _ in UInt8(truncatingIfNeeded: random.next()) }) }
    }

    func limits() -> StorageLimits {
        var limits = smallLimits()
        limits.snapshotWriteBytes = 1_500
        limits.snapshotSyncBytes = 3_000
        return limits
    }

    /// A member with `count` entries of term 2 on its disk.
    func rig(_ count: UInt64, size: Int = 20) throws -> Rig {
        let rig = try Rig(limits: limits())
        rig.commit(Turn(token: 1, hardState: HardState(term: 2), entries: entries(1...1, term: 2, size: size)))
        for index in 2...count { rig.commit(Turn(token: index, entries: entries(index...index, term: 2, size: size))) }
        return rig
    }

    @Test("A snapshot is durable when its file has its name, and is found again with its content")
    func roundTrip() throws {
        let rig = try rig(10)
        rig.beginSnapshot(8, term: 2, chunks: chunks(1))
        rig.settle()
        guard case .snapshotDurable(8)? = rig.events.last else { Issue.record("\(rig.events)"); return }
        let again = try Rig(rig.disk, limits: limits())
        #expect(again.recovered.snapshot?.index == 8 && again.recovered.snapshot?.term == 2)
        #expect(again.recovered.firstIndex == 1 && again.recovered.lastIndex == 10, "the log is still all there")
        #expect(try again.content(of: again.recovered.snapshot!) == chunks(1).flatMap(\.array))
        // In pieces, for another member.
        rig.readSnapshot(1, 8, offset: 100, count: 50)
        rig.readSnapshot(2, 9, offset: 0, count: 50)
        rig.settle()
        let pieces = rig.events.compactMap { event -> (UInt64, [UInt8]?)? in
            if case .snapshotBytes(let request, let bytes) = event { (request, bytes?.array) } else { nil }
        }
        #expect(pieces.count == 2 && pieces[0].1 == Array(chunks(1).flatMap(\.array)[100..<150]) && pieces[1].1 == nil)
    }

    @Test("The segments behind a snapshot go, the oldest first, and their space is used again")
    func compaction() throws {
        let rig = try rig(120, size: 400)
        #expect(rig.segments.count >= 5)
        rig.beginSnapshot(100, term: 2, chunks: chunks(2))
        rig.settle()
        rig.compact(90)
        rig.settle()
        #expect(rig.firstIndex == 91)
        let left = rig.segments
        #expect(left.first! > 2 && left == Array(left.first!...left.last!), "\(left)")
        #expect(rig.readAll(from: 91) == entries(91...120, term: 2, size: 400))
        rig.read(7_000, 90...120)
        rig.settle()
        #expect(rig.answers[7_000]?.isEmpty == true, "what was cut off is not given out")
        // It goes on for ever in the same space.
        for round in 0..<20 as Range<UInt64> {
            let last = 120 + round * 40
            for index in last + 1...last + 40 {
                rig.commit(Turn(token: index + 1, entries: entries(index...index, term: 2, size: 400)))
            }
            rig.beginSnapshot(Index(last + 40), term: 2, chunks: chunks(round))
            rig.settle()
            rig.compact(Index(last + 30))
            rig.removeSnapshots()
            rig.settle()
        }
        #expect(rig.segments.count <= 5, "\(rig.segments)")
        #expect(rig.disk.names.keys.count { if case .snapshot = $0 { true } else { false } } == 2, "the last, and one to write over")
        let again = try Rig(rig.disk, limits: limits())
        #expect(again.recovered.lastIndex == 920 && again.recovered.snapshot?.index == 920)
        let first = again.recovered.firstIndex
        #expect(first > 800 && first <= 911 && again.recovered.baseTerm == 2)
        #expect(again.readAll(from: first) == entries(first.rawValue...920, term: 2, size: 400))
        #expect(again.recovered.tail.last == entry(920, term: 2, size: 400))
    }

    @Test("A log that gives way to a snapshot begins anew behind it, before and after a start")
    func restart() throws {
        let rig = try rig(10)
        rig.beginSnapshot(50, term: 2, chunks: chunks(3))
        rig.settle()
        // A crash before the log was told: the start tells it.
        let crashed = try Rig(rig.disk.copy(), limits: limits())
        #expect(crashed.recovered.firstIndex == 51 && crashed.recovered.lastIndex == 50 && crashed.recovered.tail.isEmpty)
        crashed.commit(Turn(token: 1, entries: entries(51...53, term: 2)))
        #expect(try Rig(crashed.disk, limits: limits()).readAll(from: 51) == entries(51...53, term: 2))

        rig.commit(Turn(token: 20, restartAfter: 50, entries: entries(51...52, term: 2)))
        rig.commit(Turn(token: 21, entries: entries(53...54, term: 2)))
        #expect(rig.readAll(from: 51) == entries(51...54, term: 2))
        let again = try Rig(rig.disk, limits: limits())
        #expect(again.recovered.firstIndex == 51 && again.recovered.lastIndex == 54 && again.recovered.baseTerm == 2)
        #expect(again.recovered.runs == [.init(first: 51, term: 2)])
        #expect(again.readAll(from: 51) == entries(51...54, term: 2))
    }

    @Test("A log with another entry where the snapshot ends is none")
    func conflict() throws {
        let rig = try rig(60)
        rig.commit(Turn(token: 90, hardState: HardState(term: 5)))
        rig.beginSnapshot(50, term: 4, chunks: chunks(4))
        rig.settle()
        let crashed = try Rig(rig.disk.copy(), limits: limits())
        #expect(crashed.recovered.firstIndex == 51 && crashed.recovered.lastIndex == 50 && crashed.recovered.baseTerm == 4)
        rig.commit(Turn(token: 91, restartAfter: 50))
        rig.commit(Turn(token: 92, entries: entries(51...51, term: 5)))
        let again = try Rig(rig.disk, limits: limits())
        #expect(again.recovered.lastIndex == 51 && again.readAll(from: 51) == entries(51...51, term: 5))
    }

    @Test("A snapshot that finds no space, or that nobody wants any more, leaves nothing behind")
    func givenUp() throws {
        let rig = try rig(10)
        rig.disk.capacity = rig.disk.used + SnapshotHeader.contentStart + 2_000
        rig.beginSnapshot(9, term: 2, chunks: chunks(5, count: 20))
        rig.settle()
        guard case .snapshotFailed(9, _)? = rig.events.last else { Issue.record("\(rig.events)"); return }
        #expect(!rig.isWritingSnapshot && rig.failure == nil && rig.disk.names[.snapshotDraft(9)] == nil)
        rig.disk.capacity = .max
        rig.beginSnapshot(9, term: 2, chunks: chunks(5, count: 20))
        rig.begin()
        rig.step(rig.running.count - 1)
        rig.abandonSnapshot()
        rig.settle()
        #expect(!rig.isWritingSnapshot && rig.snapshot == nil && rig.disk.names[.snapshotDraft(9)] == nil)
        rig.beginSnapshot(9, term: 2, chunks: chunks(5))
        rig.settle()
        #expect(rig.snapshot?.index == 9)
    }

    @Test("A gap between snapshot and log, and a snapshot that cannot be read, are refused by name")
    func refused() throws {
        let rig = try rig(120, size: 400)
        rig.beginSnapshot(100, term: 2, chunks: chunks(2))
        rig.settle()
        rig.compact(90)
        rig.settle()
        let name = DiskFile.snapshot(100)
        func refusal(_ change: (VirtualDisk) throws -> Void) throws -> Damage? {
            let disk = rig.disk.copy()
            try change(disk)
            do throws(RecoveryFailure) {
                _ = try Storage.recover(from: disk, limits: limits())
            } catch {
                if case .damaged(let damage) = error { return damage }
            }
            return nil
        }
        for at in [0, 9, 17, 30, 60] {
            #expect(try refusal { $0.damage(name) { $0[at] ^= 1 } }?.file == name)
        }
        #expect(try refusal { $0.damage(name) { $0.removeLast() } }?.file == name)
        #expect(try refusal { try $0.perform([.remove(name)]) } != nil)
        // An older snapshot does not reach the log.
        let early = try self.rig(20)
        early.beginSnapshot(10, term: 2, chunks: chunks(1))
        early.settle()
        let old = early.disk.content(.snapshot(10))
        #expect(try refusal { disk in
            try disk.perform([
                .create(.snapshotDraft(10), size: old.count), .write(.snapshotDraft(10), offset: 0, slices: [Bytes(old)]),
                .rename(.snapshotDraft(10), to: .snapshot(10)), .remove(name),
            ])
        }?.file == .snapshot(10))
    }
}
