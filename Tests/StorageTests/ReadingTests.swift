import Base
import Consensus
import LogFormat
@testable import Storage
import Testing
import VirtualDisk

@Suite struct Reading {
    @Test("Any stretch of a log with truncations reads back as the model has it", arguments: 0..<20 as Range<UInt64>)
    func model(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let rig = try Rig()
        var model = Model()
        var token: UInt64 = 0
        var request: UInt64 = 1 << 32
        for round in 0..<60 as Range<UInt64> {
            token += 1
            var turn = Turn(token: token, hardState: HardState(term: Term(round + 1)))
            if random.next(below: 4) == 0 {
                turn.truncateFrom = Index(random.next(below: UInt64(model.log.count) + 1) + 1)
            }
            let kept = turn.truncateFrom.map { $0.rawValue - 1 } ?? UInt64(model.log.count)
            let count = random.next(below: 12)
            turn.entries = (0..<count).map {
                entry(Index(kept + 1 + $0), term: Term(round + 1), size: Int(random.next(below: 900)), seed: seed)
            }
            model.apply(turn)
            rig.commit(turn)
            for _ in 0..<4 where !model.log.isEmpty {
                let from = random.next(below: UInt64(model.log.count)) + 1
                let through = from + random.next(below: 30)
                request += 1
                rig.read(request, from...through, maxBytes: Int(random.next(below: 3_000)) + 1)
                rig.settle(only: .read)
                let answer = try #require(rig.answers[request])
                let expected = model.log[Int(from - 1)..<min(Int(through), model.log.count)]
                #expect(!answer.isEmpty && answer[...] == expected.prefix(answer.count))
            }
        }
        #expect(rig.readAll() == model.log)
        #expect(try Rig(rig.disk, limits: rig.limits).readAll(maxBytes: 1) == model.log)
    }

    @Test("A read under way while its entries are truncated answers without them")
    func truncatedMeanwhile() throws {
        let rig = try Rig()
        rig.commit(Turn(token: 1, hardState: HardState(term: 2), entries: entries(1...20)))
        rig.read(1, 5...20)
        rig.read(2, 12...20)
        rig.begin()
        rig.read(3, 8...30)
        rig.read(4, 11...30)
        rig.write(Turn(token: 2, truncateFrom: 10, entries: entries(10...12, term: 2)))
        rig.settle()
        #expect(rig.answers[1] == entries(5...9))
        #expect(rig.answers[2] == [])
        #expect(rig.answers[3] == entries(8...9))
        #expect(rig.answers[4] == [])
        #expect(rig.readAll() == entries(1...9) + entries(10...12, term: 2))
    }

    @Test("What is not durable yet is not read")
    func notDurable() throws {
        let rig = try Rig()
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...3)))
        rig.write(Turn(token: 2, entries: entries(4...6)))
        rig.begin()
        rig.write(Turn(token: 3, entries: entries(7...9)))
        #expect(rig.durableIndex == 3)
        rig.read(1, 2...9)
        rig.read(2, 4...9)
        rig.settle(only: .read)
        #expect(rig.answers[1] == entries(2...3))
        #expect(rig.answers[2] == [])
    }

    @Test("At most so many reads run at the same time")
    func limit() throws {
        let rig = try Rig()
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...9)))
        for request in 1...10 as ClosedRange<UInt64> { rig.read(request, 1...9) }
        rig.begin()
        #expect(rig.running.count == rig.limits.maxReads)
        rig.settle()
        #expect(rig.answers.count == 10)
    }

    @Test("Damage that a read meets ends Storage, with the file and the offset")
    func damage() throws {
        let rig = try Rig()
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...9)))
        for offset in [Format.framesStart + 5, Format.framesStart + 100] {
            let again = try Rig(rig.disk.copy(), limits: rig.limits)
            again.disk.damage(.segment(1)) { $0[offset] ^= 4 }
            again.read(1, 1...9)
            again.settle()
            guard case .damaged(let damage)? = again.failure else {
                Issue.record("no damage was reported")
                continue
            }
            #expect(damage.file == .segment(1) && damage.offset == Format.framesStart)
            #expect(again.answers.isEmpty)
        }
    }

    @Test("However long the log, no more positions are kept than agreed, and each leads to its entry")
    func positions() throws {
        var positions = Positions(limit: 16, spacing: 1_024)
        var offset = Format.framesStart
        var places: [Index: Int] = [:]
        for number in 1...2_000 as ClosedRange<UInt64> {
            let (_, header) = Frame.encode(
                segment: 1, sequence: number, firstIndex: Index(number), entries: entries(number...number),
                payloadBytes: Frame.size(of: entry(Index(number))), member: 7)
            positions.note(header, at: offset, supersedes: number == 700)
            places[Index(number)] = offset
            offset += header.extent
        }
        #expect(positions.points.count <= 16)
        #expect(positions.points.contains { $0.index == 700 })
        for index in 1...2_000 as ClosedRange<UInt64> {
            let point = try #require(positions.point(atOrBefore: Index(index)))
            #expect(point.index <= Index(index) && places[point.index] == Int(point.offset))
            #expect(index < 700 || point.index >= 700)
            #expect(positions.walkEnd(from: Index(index)) == (index < 700 ? 699 : nil))
        }
    }
}
