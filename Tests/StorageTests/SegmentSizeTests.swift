import Base
import Consensus
import LogFormat
import Storage
import Testing
import VirtualDisk

/// Segments of different sizes in one log.
@Suite struct SegmentSizes {
    private func limits() -> StorageLimits {
        var limits = smallLimits(segment: 64 << 10)
        limits.leastSegmentBytes = 16 << 10
        limits.segmentsOfState = 2
        return limits
    }

    private func sizes(_ rig: Rig) -> [Int] {
        rig.segments.map { rig.disk.names[.segment($0)]!.current.count }
    }

    @Test("Segments grow with the newest snapshot, between their bounds")
    func growth() throws {
        let rig = try Rig(limits: limits())
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...1)))
        var token: UInt64 = 1
        func fill() {
            let before = rig.segments.count
            while rig.segments.count < before + 2 {
                token += 1
                rig.commit(Turn(token: token, entries: entries(token...token, size: 400)))
            }
        }
        fill()
        #expect(Set(sizes(rig)) == [16 << 10])
        rig.beginSnapshot(Index(token), term: 1, chunks: [Bytes([UInt8](repeating: 7, count: 80_001))])
        rig.settle()
        fill()
        #expect(sizes(rig).last == 40 << 10, "half of the snapshot, in whole blocks")
        rig.beginSnapshot(Index(token), term: 1, chunks: [Bytes([UInt8](repeating: 7, count: 400_000))])
        rig.settle()
        fill()
        #expect(sizes(rig).last == 64 << 10)
        let again = try Rig(rig.disk, limits: limits())
        #expect(again.readAll() == rig.readAll() && again.recovered.lastIndex == Index(token))
    }

    @Test("A spare that is too small for an entry is made anew, whatever a power failure leaves of it", arguments: [VirtualDisk.Loss.everything, .nothing, .someSectors])
    func largeEntry(loss: VirtualDisk.Loss) throws {
        var steps = 0
        var isDone = false
        while !isDone {
            let rig = try Rig(limits: limits())
            rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...3)))
            let large = [entry(4, size: 30_000)]
            rig.write(Turn(token: 2, entries: large))
            for _ in 0..<steps {
                rig.begin()
                guard !rig.running.isEmpty else { break }
                rig.step(rig.running.count - 1)
            }
            rig.begin()
            isDone = rig.running.isEmpty
            if isDone { #expect(rig.durable == 2) }
            var random = SplitMix64(seed: UInt64(steps))
            rig.disk.crash(loss, &random)
            let again = try Rig(rig.disk, limits: limits())
            let last = again.recovered.lastIndex
            #expect(last == 4 || last == 3 && !isDone, "after \(steps) steps")
            if last == 3 { again.commit(Turn(token: 1, entries: large)) }
            #expect(again.readAll() == entries(1...3) + large)
            #expect(again.segments == Array(1...UInt64(again.segments.count)))
            steps += 1
        }
        #expect(steps > 8)
    }
}
