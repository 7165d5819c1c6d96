import Base
import Consensus
import LogFormat
import Storage
import Testing
import VirtualDisk

/// What nobody needs any more is written over, and given back when nothing is written for long.
@Suite struct Recycling {
    private func limits() -> StorageLimits {
        var limits = smallLimits()
        limits.snapshotWriteBytes = 1_500
        limits.snapshotSyncBytes = 3_000
        limits.coveredBytesRead = 0
        return limits
    }

    /// Content that tells which snapshot it is of.
    private func content(_ index: Index, _ bytes: Int) -> [Bytes] {
        let all = (0..<bytes).map { UInt8(truncatingIfNeeded: Int(index.rawValue) &* 31 &+ $0 / 7) }
        return stride(from: 0, to: bytes, by: 700).map { Bytes(Array(all[$0..<min($0 + 700, bytes)])) }
    }

    /// A member with entries 1 to 60 of term 1, and snapshots of these sizes, at 10, 20 and so on.
    private func rig(snapshots sizes: Int...) throws -> Rig {
        let rig = try Rig(limits: limits())
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...60, size: 400)))
        for (place, size) in sizes.enumerated() {
            snapshot(rig, Index(UInt64(place + 1) * 10), size)
            rig.removeSnapshots()
            rig.settle()
        }
        return rig
    }

    private func snapshot(_ rig: Rig, _ index: Index, _ size: Int) {
        rig.beginSnapshot(index, term: 1, chunks: content(index, size))
        rig.settle()
    }

    private func snapshots(_ rig: Rig) -> [UInt64] {
        rig.disk.names.keys.compactMap { if case .snapshot(let index) = $0 { index } else { nil } }.sorted()
    }

    @Test("A snapshot is written over the one before the last, and is as long as its own content", arguments: [900, 5_000, 40_000])
    func snapshotOverSnapshot(size: Int) throws {
        let rig = try rig(snapshots: 20_000, 7_000)
        #expect(snapshots(rig) == [10, 20])
        let first = try rig.disk.open(.snapshot(10))
        snapshot(rig, 30, size)
        rig.removeSnapshots()
        rig.settle()
        #expect(snapshots(rig) == [20, 30])
        #expect(try rig.disk.open(.snapshot(30)) === first)
        #expect(rig.disk.content(.snapshot(30)).count == SnapshotHeader.contentStart + size)
        let again = try Rig(rig.disk, limits: limits())
        #expect(try again.content(of: again.recovered.snapshot!) == content(30, size).flatMap(\.array))
        // After a start the older one is there for the next.
        let second = try again.disk.open(.snapshot(20))
        snapshot(again, 40, 3_000)
        #expect(try again.disk.open(.snapshot(40)) === second)
    }

    @Test("Whatever a power failure leaves of a snapshot that is written over an older one, the newest whole one is found")
    func crashes() throws {
        var found: Set<Index> = []
        for loss in [VirtualDisk.Loss.everything, .nothing, .someSectors] {
            var steps = 0
            var isDone = false
            while !isDone {
                let rig = try rig(snapshots: 20_000, 7_000)
                rig.beginSnapshot(30, term: 1, chunks: content(30, 9_000))
                for _ in 0..<steps {
                    rig.begin()
                    guard let last = rig.running.indices.last else { break }
                    rig.step(last)
                }
                rig.begin()
                isDone = rig.running.isEmpty
                var random = SplitMix64(seed: UInt64(steps))
                rig.disk.crash(loss, &random)
                let again = try Rig(rig.disk, limits: limits())
                let newest = try #require(again.recovered.snapshot)
                let size = newest.index == 30 ? 9_000 : 7_000
                #expect(try again.content(of: newest) == content(newest.index, size).flatMap(\.array), "after \(steps) steps")
                found.insert(newest.index)
                snapshot(again, 40, 2_000)
                #expect(try Rig(again.disk, limits: limits()).recovered.snapshot?.index == 40)
                steps += 1
            }
            #expect(steps > 10)
        }
        #expect(found == [20, 30])
    }

    @Test("A snapshot that is still read, or sent to somebody, is not written over")
    func inUse() throws {
        let rig = try rig(snapshots: 6_000, 6_000)
        let old = try rig.disk.open(.snapshot(10))
        rig.readSnapshot(1, 10, offset: 0, count: 6_000)
        rig.beginSnapshot(30, term: 1, chunks: content(30, 6_000))
        rig.begin()
        while let place = rig.running.firstIndex(where: { $0.operation.lane != .read }) {
            rig.step(place)
            rig.begin()
        }
        #expect(rig.snapshot?.index == 30)
        rig.settle()
        guard case .snapshotBytes(1, let bytes?)? = rig.events.last else { Issue.record("\(rig.events)"); return }
        #expect(bytes.array == content(10, 6_000).flatMap(\.array))
        #expect(try rig.disk.open(.snapshot(10)) === old)

        rig.removeSnapshots(except: [20])
        rig.settle()
        let sent = try rig.disk.open(.snapshot(20))
        for index in [40, 50] as [Index] { snapshot(rig, index, 6_000) }
        #expect(try rig.disk.open(.snapshot(20)) === sent)
        #expect(rig.disk.content(.snapshot(20)).suffix(6_000) == content(20, 6_000).flatMap(\.array)[...])
    }

    @Test("As much of the log as it may have stays on the disk, to be written over; what is more goes")
    func segments() throws {
        let rig = try Rig(limits: limits())
        rig.logRoomBytes = 60_000
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...1)))
        var last: UInt64 = 1
        var (made, recycled) = (0, 0)
        func settle() {
            rig.begin()
            while let first = rig.running.first {
                for step in first.operation.steps where first.next == 0 {
                    if case .create(.segmentDraft, _) = step { made += 1 }
                    if case .rename(.segment, to: .segmentDraft) = step { recycled += 1 }
                }
                rig.step(0)
                rig.begin()
            }
        }
        func write(_ count: UInt64) {
            for index in last + 1...last + count {
                rig.write(Turn(token: index, entries: entries(index...index, size: 400)))
                settle()
            }
            last += count
        }
        func cut() {
            snapshot(rig, Index(last), 2_000)
            rig.compact(Index(last))
            rig.removeSnapshots()
            rig.settle()
        }
        write(200)
        #expect(rig.segments.count == 10)
        cut()
        // Frames of 512 bytes, 24 in a segment: 60,000 bytes of them stay, and the spare.
        let kept = rig.segments
        #expect(kept.count == 6 && made > 6 && recycled == 0, "\(kept)")
        made = 0
        for _ in 0..<6 {
            write(40)
            cut()
        }
        #expect((5...6).contains(rig.segments.count) && rig.segments.first! > kept.last!, "\(rig.segments)")
        #expect(made == 10 && recycled == made, "of \(made) segments \(recycled) were others before")
        let again = try Rig(rig.disk, limits: limits())
        #expect(again.recovered.lastIndex == Index(last))
        #expect(again.readAll(from: again.recovered.firstIndex).last == entry(Index(last), size: 400))
    }

    @Test("A start does not read segments that only wait to be written over, and the log goes on in them")
    func startSkips() throws {
        let rig = try Rig(limits: limits())
        rig.logRoomBytes = .max
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...1)))
        for index in 2...200 as ClosedRange<UInt64> { rig.commit(Turn(token: index, entries: entries(index...index, size: 400))) }
        snapshot(rig, 150, 2_000)
        rig.compact(150)
        rig.settle()
        let all = rig.segments
        // 24 entries in a segment: 151 is in the seventh, and two before it are read.
        for number in all {
            let disk = rig.disk.copy()
            disk.damage(.segment(number)) { $0[Format.framesStart + 600] ^= 1 }
            let isRead: Bool
            do throws(RecoveryFailure) {
                _ = try Storage.recover(from: disk, limits: limits())
                isRead = false
            } catch {
                isRead = true
            }
            #expect(isRead == (5...9).contains(number), "segment \(number)")
            // Who looks is told of all the damage, and whether a start minds it.
            let inspection = Storage.inspect(disk, limits: limits())
            #expect(inspection.starts != isRead && inspection.torn == nil, "segment \(number)")
            #expect(inspection.failures.isEmpty == (number > 9), "segment \(number)")
            #expect(isRead || inspection.superfluous == Set((1...4).map { .segment($0) }))
        }
        let again = try Rig(rig.disk, limits: limits())
        #expect(again.segments == all && again.recovered.lastIndex == 200 && again.recovered.firstIndex < 150)
        let first = again.recovered.firstIndex.rawValue
        #expect(again.readAll(from: Index(first)) == entries(first...200, size: 400))
        for index in 201...300 as ClosedRange<UInt64> { again.commit(Turn(token: index, entries: entries(index...index, size: 400))) }
        #expect(again.segments.count == all.count && again.segments.first! > 4, "\(again.segments)")
        #expect(again.readAll(from: 151) == entries(151...300, size: 400))
        let last = try Rig(again.disk, limits: limits())
        #expect(last.recovered.lastIndex == 300 && last.readAll(from: 151) == entries(151...300, size: 400))
    }

    @Test("A torn first frame in the last segment, covered by another's snapshot, does not hide the frames before it", arguments: 0..<8 as Range<UInt64>)
    func tornBehindSnapshot(seed: UInt64) throws {
        let rig = try Rig(limits: limits())
        rig.logRoomBytes = .max
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...1)))
        // 24 frames in a segment: the next one is the first of the fifth.
        for index in 2...96 as ClosedRange<UInt64> { rig.commit(Turn(token: index, entries: entries(index...index, size: 400))) }
        let torn = try #require((0..<9).map { entry(97, size: 1_400, seed: $0) }.first { $0.data.array.contains { $0 != 0 } })
        rig.write(Turn(token: 97, entries: [torn]))
        rig.begin()
        let place = try #require(rig.running.firstIndex { $0.operation.lane == .log })
        #expect(rig.running[place].operation.steps.contains { if case .write(.segment(5), _, _) = $0 { true } else { false } })
        rig.step(place)
        // A snapshot from another member is durable before the frame is.
        rig.beginSnapshot(100, term: 1, chunks: content(100, 900))
        rig.begin()
        while let other = rig.running.firstIndex(where: { $0.operation.lane != .log }) {
            rig.step(other)
            rig.begin()
        }
        #expect(rig.snapshot?.index == 100)
        var random = SplitMix64(seed: seed)
        rig.disk.crash(.someSectors, &random)
        let again = try Rig(rig.disk, limits: limits())
        #expect(again.recovered.firstIndex == 101 && again.recovered.lastIndex == 100)
        again.commit(Turn(token: 1, entries: entries(101...130, size: 400)))
        let last = try Rig(again.disk, limits: limits())
        #expect(last.recovered.lastIndex == 130 && last.readAll(from: 101) == entries(101...130, size: 400))
    }

    @Test("A full disk, and a long time without a write, give back what was only to be written over")
    func givenBack() throws {
        let rig = try rig(snapshots: 9_000, 9_000)
        rig.logRoomBytes = .max
        snapshot(rig, 60, 9_000)
        rig.compact(60)
        rig.removeSnapshots()
        rig.settle()
        let waiting = rig.segments.count
        #expect(snapshots(rig) == [20, 60] && waiting > 3)
        rig.advance(.seconds(1))
        rig.settle()
        #expect(snapshots(rig) == [20, 60] && rig.segments.count == waiting, "a pause is not the end")
        #expect(rig.deadline < .never)
        rig.now = rig.deadline
        rig.advance(.zero)
        rig.settle()
        // One more than the log needs stays for the next spare.
        #expect(snapshots(rig) == [60] && rig.segments.count == 3 && rig.deadline == .never, "\(rig.segments)")

        let full = try self.rig(snapshots: 9_000, 9_000)
        full.disk.capacity = full.disk.used
        for index in 61...200 as ClosedRange<UInt64> { full.write(Turn(token: index, entries: entries(index...index, size: 400))) }
        full.settle()
        #expect(full.isFull && snapshots(full) == [20])
    }

    @Test("A snapshot that finds no space is given that of the log behind the last one")
    func roomForSnapshot() throws {
        let rig = try rig(snapshots: 9_000)
        rig.logRoomBytes = .max
        for index in 61...200 as ClosedRange<UInt64> { rig.commit(Turn(token: index, entries: entries(index...index, size: 400))) }
        snapshot(rig, 150, 9_000)
        rig.removeSnapshots()
        rig.compact(150)
        rig.settle()
        let before = rig.segments.count
        #expect(before > 5)
        rig.disk.capacity = rig.disk.used + 1_000
        snapshot(rig, 190, 40_000)
        #expect(rig.events.contains { if case .snapshotFailed(190, _) = $0 { true } else { false } })
        #expect(rig.segments.count < before && !rig.isWritingSnapshot)
        snapshot(rig, 191, 40_000)
        #expect(rig.snapshot?.index == 191)
    }

    @Test("What takes much more of the disk than the next snapshot will is not kept, nor what that has no use for")
    func notKept() throws {
        let rig = try rig(snapshots: 60_000)
        snapshot(rig, 20, 2_000)
        rig.removeSnapshots()
        rig.settle()
        #expect(snapshots(rig) == [20], "thirty times as large as the state")

        // Somebody is sent 20 while 30 and the next are written: when that ends, 20 goes at once.
        snapshot(rig, 30, 2_000)
        rig.removeSnapshots(except: [20])
        rig.beginSnapshot(40, term: 1, chunks: content(40, 2_000))
        rig.begin()
        #expect(rig.running.contains { $0.operation.steps.contains(.create(.snapshotDraft(40), size: 0)) })
        rig.removeSnapshots()
        rig.begin()
        #expect(rig.running.contains { $0.operation.steps.contains(.remove(.snapshot(20))) })
        rig.settle()
        #expect(snapshots(rig) == [30, 40])
    }

    @Test("An older snapshot that somebody has removed is not missed")
    func removedByHand() throws {
        let rig = try rig(snapshots: 9_000, 9_000)
        try rig.disk.perform([.remove(.snapshot(10)), .syncDirectory])
        snapshot(rig, 30, 9_000)
        rig.removeSnapshots()
        rig.settle()
        #expect(rig.failure == nil && snapshots(rig) == [20, 30])
        #expect(try rig.content(of: #require(rig.snapshot)) == content(30, 9_000).flatMap(\.array))
    }
}
