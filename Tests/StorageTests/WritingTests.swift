import Base
import Consensus
import LogFormat
import Storage
import Testing
import VirtualDisk

@Suite struct Writing {
    /// The kinds of the steps, in words.
    private func words(_ steps: [DiskStep]) -> [String] {
        steps.map { step in
            switch step {
            case .create(let file, _): "create \(file.name)"
            case .write(let file, _, _): "write \(file.name)"
            case .cut(let file, let size): "cut \(file.name) \(size)"
            case .sync(let file): "sync \(file.name)"
            case .rename(let file, let target): "rename \(file.name) \(target.name)"
            case .remove(let file): "remove \(file.name)"
            case .syncDirectory: "sync directory"
            case .read(let file, _, _): "read \(file.name)"
            }
        }
    }

    private func logOperations(_ rig: Rig) -> [DiskOperation] {
        rig.running.map(\.operation).filter { $0.lane == .log }
    }

    @Test("Term and vote are synced before the entries are written")
    func stateFirst() throws {
        let rig = try Rig()
        rig.settle()
        rig.write(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...2)))
        rig.begin()
        #expect(words(logOperations(rig)[0].steps) == [
            "write state", "sync state", "write segment-0000000000000001.log", "sync segment-0000000000000001.log",
        ])
    }

    @Test("While a sync runs the next batch gathers, and becomes one frame with one sync")
    func groupCommit() throws {
        let rig = try Rig()
        rig.commit(Turn(token: 1, hardState: HardState(term: 1)))
        rig.write(Turn(token: 2, entries: entries(1...1)))
        rig.begin()
        for token in 3...20 as ClosedRange<UInt64> {
            rig.write(Turn(token: token, entries: entries(token - 1...token - 1)))
            rig.begin()
            #expect(logOperations(rig).count == 1)
        }
        #expect(rig.backlogBytes > 18 * 20)
        let before = rig.disk.syncs
        rig.settle()
        #expect(rig.disk.syncs == before + 2)
        #expect(rig.durable == 20)
        #expect(rig.backlogBytes == 0)
        #expect(rig.readAll() == entries(1...19))
    }

    @Test("A frame takes no more than its limit, and tokens become durable as far as frames go")
    func largeBatches() throws {
        let rig = try Rig()
        rig.write(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...2, size: 1_500)))
        for token in 2...8 as ClosedRange<UInt64> {
            rig.write(Turn(token: token, entries: entries(2 * token - 1...2 * token, size: 1_500)))
        }
        rig.settle()
        let tokens = rig.events.compactMap { event -> UInt64? in
            if case .durable(let token) = event { token } else { nil }
        }
        #expect(tokens == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(rig.readAll() == entries(1...16, size: 1_500))
    }

    @Test("A token never stands for an entry that was truncated before it was durable")
    func superseded() throws {
        let rig = try Rig()
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...3)))
        rig.write(Turn(token: 2, entries: entries(4...5)))
        rig.begin()
        rig.write(Turn(token: 3, entries: entries(6...7)))
        rig.write(Turn(token: 4, entries: entries(8...9)))
        // A new leader: 7 to 9 are void, and so is what the tokens 3 and 4 stood for.
        rig.write(Turn(token: 5, hardState: HardState(term: 2), truncateFrom: 7, entries: entries(7...7, term: 2)))
        rig.settle()
        let tokens = rig.events.compactMap { event -> UInt64? in
            if case .durable(let token) = event { token } else { nil }
        }
        #expect(tokens == [1, 2, 5])
        let log = entries(1...6) + entries(7...7, term: 2)
        #expect(rig.readAll() == log)
        #expect(try Rig(rig.disk, limits: rig.limits).readAll() == log)
    }

    @Test("A truncation reaches through what waits, what is being written, and what is durable")
    func truncations() throws {
        for index in 1...10 as ClosedRange<UInt64> {
            let rig = try Rig()
            rig.commit(Turn(token: 1, hardState: HardState(term: 2), entries: entries(1...3)))
            rig.write(Turn(token: 2, entries: entries(4...6)))
            rig.begin()
            rig.write(Turn(token: 3, entries: entries(7...9)))
            rig.write(Turn(token: 4, truncateFrom: Index(index)))
            rig.settle()
            let log = index == 1 ? [] : entries(1...index - 1)
            #expect(rig.durable == 4)
            #expect(rig.readAll() == log)
            let again = try Rig(rig.disk, limits: rig.limits)
            #expect(again.readAll() == log)
            again.commit(Turn(token: 1, entries: entries(index...12, term: 2)))
            #expect(again.readAll() == log + entries(index...12, term: 2))
        }
    }

    @Test("An empty write is durable when all before it is")
    func emptyWrite() throws {
        let rig = try Rig()
        rig.write(Turn(token: 1))
        rig.settle()
        #expect(rig.durable == 1)
    }

    @Test("A failed sync is the end: it is reported once, and nothing is ever asked of the disk again")
    func failedSync() throws {
        let rig = try Rig()
        rig.settle()
        rig.disk.syncFails = true
        rig.write(Turn(token: 1, hardState: HardState(term: 1)))
        rig.settle()
        guard case .disk(let error)? = rig.failure else {
            Issue.record("no failure was reported")
            return
        }
        #expect(error.call == "fdatasync")
        #expect(rig.durable == 0)
        rig.disk.syncFails = false
        rig.write(Turn(token: 2, hardState: HardState(term: 2)))
        rig.advance(.seconds(100))
        rig.begin()
        #expect(rig.running.isEmpty)
        #expect(rig.deadline == .never)
        #expect(rig.events.count == 1)
    }

    @Test("The witness is written once the log is quiet, and never while there is something to write")
    func witness() throws {
        let rig = try Rig()
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...1)))
        #expect(rig.deadline == rig.now + rig.limits.quiet)
        rig.advance(.milliseconds(99))
        rig.begin()
        #expect(rig.running.isEmpty)
        rig.commit(Turn(token: 2, entries: entries(2...2)))
        rig.advance(.milliseconds(100))
        rig.begin()
        #expect(words(rig.running[0].operation.steps) == [
            "write segment-0000000000000001.log", "sync segment-0000000000000001.log",
        ])
        rig.settle()
        #expect(rig.deadline == .never)
        rig.commit(Turn(token: 3, hardState: HardState(term: 2)))
        #expect(rig.deadline == .never)
        // A start witnesses what it found, in case it had not been.
        #expect(try Rig(rig.disk, limits: rig.limits).deadline != .never)
    }
}

@Suite struct Space {
    private func filled(_ rig: Rig) -> [StorageEvent] {
        rig.events.filter {
            switch $0 {
            case .full, .spaceReturned: true
            default: false
            }
        }
    }

    @Test("A spare segment is made ahead of need, and its name is durable before it is used")
    func spare() throws {
        let rig = try Rig()
        rig.begin()
        let operation = rig.running[0].operation
        #expect(operation.lane == .background)
        #expect(operation.steps.suffix(3) == [
            .sync(.segmentDraft(2)), .rename(.segmentDraft(2), to: .segment(2)), .syncDirectory,
        ])
        // Until it is there, the log goes on in the first.
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...10)))
        #expect(rig.durable == 1)
    }

    @Test("A full disk is told a segment ahead; votes, first entries and configurations are still written")
    func full() throws {
        let rig = try Rig()
        rig.settle()
        rig.disk.capacity = rig.disk.used
        rig.commit(Turn(token: 1, hardState: HardState(term: 1)))
        var token: UInt64 = 1
        var index: UInt64 = 0
        while !rig.isFull {
            token += 1
            index += 1
            rig.commit(Turn(token: token, entries: entries(index...index, size: 400)))
            #expect(rig.durable == token)
        }
        #expect(filled(rig).count == 1)
        #expect(rig.deadline <= rig.now + rig.limits.spaceRetry)
        // Commands that come all the same are written as far as the reserve.
        while rig.durable == token {
            token += 1
            index += 1
            rig.commit(Turn(token: token, entries: entries(index...index, size: 400)))
            #expect(rig.failure == nil)
        }
        let stalled = index
        // Restarted on the full disk, without the entry that found no room.
        let again = try Rig(rig.disk, limits: rig.limits)
        again.settle()
        #expect(again.isFull)
        #expect(again.recovered.lastIndex == Index(stalled - 1))
        again.commit(Turn(token: 1, hardState: HardState(term: 2, votedFor: 9)))
        #expect(again.durable == 1)
        again.commit(Turn(token: 2, hardState: HardState(term: 3, votedFor: 7), entries: [
            entry(Index(stalled), term: 3, kind: .noOperation, size: 0),
        ]))
        #expect(again.durable == 2)
        again.commit(Turn(token: 3, entries: [
            Entry(term: 3, index: Index(stalled + 1), kind: .configuration, timeMs: 1, data: Configuration(members: [
                .init(id: 7, name: "n1", address: "a:1"),
            ]).encode()),
        ]))
        #expect(again.durable == 3)
        // Commands wait, and go on when space returns.
        again.commit(Turn(token: 4, entries: entries(stalled + 2...stalled + 3, term: 3, size: 400)))
        #expect(again.durable == 3)
        again.advance(rig.limits.spaceRetry)
        again.settle()
        #expect(again.durable == 3 && again.isFull)
        again.disk.capacity = .max
        again.advance(rig.limits.spaceRetry)
        again.settle()
        #expect(again.durable == 4 && !again.isFull)
        #expect(filled(again).count == 2)
        #expect(again.readAll().count == Int(stalled + 3))
    }

    @Test("A full disk is tried again no sooner than agreed")
    func retries() throws {
        let rig = try Rig()
        rig.disk.capacity = rig.disk.used
        rig.settle()
        #expect(rig.isFull)
        rig.disk.capacity = .max
        rig.advance(.milliseconds(999))
        rig.settle()
        #expect(rig.isFull)
        rig.advance(.milliseconds(1))
        rig.settle()
        #expect(!rig.isFull)
        #expect(rig.deadline == .never)
    }

    @Test("The largest entry fits into a fresh segment, with small ones around it")
    func largestEntry() throws {
        let rig = try Rig()
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...3)))
        var size = rig.limits.maxEntryBytes
        while entry(4, size: size).packed.count > rig.limits.maxEntryBytes { size -= 1 }
        let largest = [entry(4, size: size), entry(5, size: size)]
        rig.commit(Turn(token: 2, entries: largest))
        rig.commit(Turn(token: 3, entries: entries(6...8)))
        #expect(rig.durable == 3)
        let log = entries(1...3) + largest + entries(6...8)
        #expect(rig.readAll() == log)
        #expect(try Rig(rig.disk, limits: rig.limits).readAll() == log)
    }

    @Test("Segments of another size than today's are used as they are")
    func otherSizes() throws {
        let rig = try Rig(limits: smallLimits())
        rig.commit(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...3)))
        let larger = try Rig(rig.disk, limits: smallLimits(segment: 64 << 10))
        let big = entry(4, size: 40_000)
        larger.commit(Turn(token: 1, entries: [big] + entries(5...9)))
        #expect(larger.durable == 1)
        let log = entries(1...3) + [big] + entries(5...9)
        #expect(larger.readAll() == log)
        #expect(try Rig(rig.disk, limits: smallLimits()).readAll() == log)
    }
}
