import Base
import Consensus
import LogFormat
import Storage
import Testing
import VirtualDisk

/// Snapshots, compaction and installation on a disk that loses its power at any step (pitfalls 21 and 22).
@Suite struct SnapshotCrashes {
    struct Life {
        var random: SplitMix64
        var token: UInt64 = 0
        /// Every entry that was handed in and may be on the disk.
        var entries: [Index: Entry] = [:]
        var last: Index = 0
        /// Last indexes by token, from the newest that is durable.
        var lasts: [(token: UInt64, last: Index)] = [(0, 0)]
        /// Snapshots that were begun, and the newest that was reported.
        var begun: Set<Index> = []
        var reported: Index = 0
        var installing: Index?

        func content(_ index: Index) -> [Bytes] {
            (0..<1 + index.rawValue % 7).map { Bytes([UInt8](repeating: UInt8(truncatingIfNeeded: index.rawValue &+ $0), count: 600)) }
        }

        mutating func note(_ turnLast: Index) {
            last = turnLast
            lasts.append((token, last))
        }
    }

    @Test("Whatever a power failure leaves, snapshot and log fit together, and nothing acknowledged is lost", arguments: 0..<60 as Range<UInt64>)
    func powerFailures(seed: UInt64) throws {
        var life = Life(random: SplitMix64(seed: seed &+ 9_000))
        var limits = smallLimits()
        limits.snapshotWriteBytes = 1_000
        limits.snapshotSyncBytes = 2_000
        limits.coveredBytesRead = 0
        if seed % 2 == 0 { (limits.leastSegmentBytes, limits.segmentsOfState) = (16 << 10, 1) }
        let disk = VirtualDisk()
        _ = disk.run(Storage.format(Identity(member: 7, name: "n1"), limits: limits))
        for round in 0..<12 {
            let rig = try Rig(disk, limits: limits)
            if seed % 3 != 0 { rig.logRoomBytes = 100_000 }
            try check(rig, &life, "seed \(seed), round \(round)")
            if rig.recovered.hardState.term == 0 { rig.commit(Turn(token: 1, hardState: HardState(term: 3))) }
            life.token = 1
            for _ in 0..<life.random.next(below: 150) { act(&life, rig) }
            let losses: [VirtualDisk.Loss] = [.everything, .nothing, .someSectors, .someSectors, .someSectors]
            disk.crash(losses[Int(life.random.next(below: 5))], &life.random)
        }
    }

    private func check(_ rig: Rig, _ life: inout Life, _ place: Comment) throws {
        let recovered = rig.recovered
        let snapshot = recovered.snapshot?.index ?? 0
        #expect(snapshot >= life.reported && (snapshot == 0 || life.begun.contains(snapshot)), place)
        if let header = recovered.snapshot {
            #expect(try rig.content(of: header) == life.content(snapshot).flatMap(\.array), place)
        }
        #expect(recovered.firstIndex <= snapshot.next && recovered.lastIndex >= snapshot, place)
        // What is acknowledged is there, in the log or in the snapshot.
        #expect(recovered.lastIndex >= life.lasts[0].last, place)
        let first = recovered.firstIndex
        let expected = first <= recovered.lastIndex ? (first.rawValue...recovered.lastIndex.rawValue).map { life.entries[Index($0)] } : []
        #expect(rig.readAll(from: first).map(Optional.some) == expected, place)
        life.entries = life.entries.filter { $0.key <= recovered.lastIndex }
        life.last = recovered.lastIndex
        life.lasts = [(0, recovered.lastIndex)]
        life.begun = snapshot == 0 ? [] : [snapshot]
        life.reported = snapshot
        life.installing = nil
    }

    private func act(_ life: inout Life, _ rig: Rig) {
        let snapshot = rig.snapshot?.index ?? 0
        switch life.random.next(below: 20) {
        case 0..<5 where life.installing == nil:
            var turn = Turn(token: life.token + 1)
            for _ in 0..<1 + life.random.next(below: 8) {
                let next = life.last.advanced(by: turn.entries.count + 1)
                turn.entries.append(entry(next, term: 3, size: Int(life.random.next(below: 700)), seed: life.random.next()))
                life.entries[next] = turn.entries.last
            }
            life.token += 1
            rig.write(turn)
            life.note(turn.entries.last!.index)
        case 5 where !rig.isWritingSnapshot && life.lasts[0].last > snapshot:
            let index = Index(snapshot.rawValue + 1 + life.random.next(below: life.lasts[0].last.rawValue - snapshot.rawValue))
            life.begun.insert(index)
            rig.beginSnapshot(index, term: 3, chunks: life.content(index))
        case 6 where !rig.isWritingSnapshot && life.random.next(below: 3) == 0:
            let index = life.last.advanced(by: 1 + Int(life.random.next(below: 20)))
            life.begun.insert(index)
            life.installing = index
            rig.beginSnapshot(index, term: 3, chunks: life.content(index))
        case 7 where snapshot > 0:
            rig.compact(Index(snapshot.rawValue - min(snapshot.rawValue, life.random.next(below: 6))))
            rig.removeSnapshots()
        default:
            rig.begin()
            if !rig.running.isEmpty { rig.step(Int(life.random.next(below: UInt64(rig.running.count)))) }
        }
        hear(&life, rig)
    }

    private func hear(_ life: inout Life, _ rig: Rig) {
        while life.lasts.count > 1, life.lasts[1].token <= rig.durable { life.lasts.removeFirst() }
        life.reported = max(life.reported, rig.snapshot?.index ?? 0)
        guard let index = life.installing, rig.snapshot?.index == index else { return }
        life.installing = nil
        life.token += 1
        rig.write(Turn(token: life.token, restartAfter: index))
        life.note(index)
    }
}
