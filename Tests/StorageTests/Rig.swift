import Base
import Consensus
import LogFormat
import Storage
import Testing
import VirtualDisk

/// What one turn hands to Storage.
struct Turn {
    var token: UInt64
    var hardState: HardState?
    var truncateFrom: Index?
    var restartAfter: Index?
    var entries: [Entry] = []
}

/// The log and hard state as plain values: what Storage must remember.
struct Model: Equatable {
    var hardState = HardState()
    var log: [Entry] = []

    mutating func apply(_ turn: Turn) {
        if let hardState = turn.hardState { self.hardState = hardState }
        if let index = turn.truncateFrom { log.removeSubrange(Int(index.rawValue - 1)...) }
        log += turn.entries
    }
}

func smallLimits(segment: Int = 24 << 10) -> StorageLimits {
    var limits = StorageLimits()
    limits.segmentBytes = segment
    limits.leastSegmentBytes = segment
    limits.maxFrameBytes = 4 << 10
    limits.readBytes = 1 << 10
    limits.positionSpacing = 1 << 10
    limits.maxPositions = 16
    return limits
}

func entry(_ index: Index, term: Term = 1, kind: Entry.Kind = .command, size: Int = 20, seed: UInt64 = 0) -> Entry {
    var random = SplitMix64(seed: seed &+ index.rawValue &* 977 &+ term.rawValue)
    var writer = ByteWriter(capacity: size, headroom: Entry.headroom)
    // Some data is mostly zeros: blank sectors are not always unwritten ones.
    let zeros = random.next(below: 3) == 0
    for _ in 0..<size { writer.write(zeros ? 0 : UInt8(truncatingIfNeeded: random.next())) }
    return Entry(term: term, index: index, kind: kind, timeMs: 1_700_000_000_000, data: writer.finish())
}

/// Entries `range` of one term.
func entries(_ range: ClosedRange<UInt64>, term: Term = 1, size: Int = 20) -> [Entry] {
    range.map { entry(Index($0), term: term, size: size) }
}

/// Storage on a virtual disk, run step by step.
final class Rig {
    let disk: VirtualDisk
    let limits: StorageLimits
    private var storage: Storage
    let recovered: Recovered
    private(set) var durable: UInt64 = 0
    private(set) var events: [StorageEvent] = []
    private(set) var answers: [UInt64: [Entry]] = [:]
    var now = Instant.zero

    /// Operations that have begun, with the steps that are left.
    struct Running {
        var operation: DiskOperation
        var next = 0
        var reads: [Bytes] = []
    }
    private(set) var running: [Running] = []

    /// On a disk that holds a member.
    init(_ disk: VirtualDisk, limits: StorageLimits) throws {
        self.disk = disk
        self.limits = limits
        guard case .member(let recovered) = try Storage.recover(from: disk, limits: limits) else {
            throw Blank()
        }
        self.recovered = recovered
        storage = Storage(recovered, limits: limits)
    }

    struct Blank: Error {}

    /// On a new disk.
    convenience init(limits: StorageLimits = smallLimits()) throws {
        let disk = VirtualDisk()
        _ = disk.run(Storage.format(Identity(member: 7, name: "n1"), limits: limits))
        try self.init(disk, limits: limits)
    }

    var deadline: Instant { storage.deadline }
    var isFull: Bool { storage.isFull }
    var backlogBytes: Int { storage.backlogBytes }
    var durableIndex: Index { storage.durableIndex }
    var failure: StorageFailure? {
        for case .failed(let failure) in events { return failure }
        return nil
    }

    func write(_ turn: Turn) {
        storage.write(
            token: turn.token, hardState: turn.hardState, truncateFrom: turn.truncateFrom,
            restartAfter: turn.restartAfter, entries: turn.entries)
    }

    // MARK: Snapshots

    var firstIndex: Index { storage.firstIndex }
    var snapshot: SnapshotHeader? { storage.snapshot }
    var isWritingSnapshot: Bool { storage.isWritingSnapshot }
    var logRoomBytes: Int {
        get { storage.logRoomBytes }
        set { storage.logRoomBytes = newValue }
    }

    func beginSnapshot(_ index: Index, term: Term, chunks: [Bytes]) {
        storage.beginSnapshot(index: index, term: term)
        for chunk in chunks { storage.appendToSnapshot(chunk) }
        storage.finishSnapshot()
    }

    func abandonSnapshot() { storage.abandonSnapshot() }
    func compact(_ index: Index) { storage.compact(through: index) }
    func removeSnapshots(except kept: [Index] = []) { storage.removeSnapshots(except: kept) }
    func readSnapshot(_ request: UInt64, _ index: Index, offset: Int, count: Int) {
        storage.readSnapshot(request: request, index: index, offset: offset, count: count)
    }

    /// What the newest snapshot on the disk holds.
    func content(of snapshot: SnapshotHeader) throws -> [UInt8] {
        var content: [UInt8] = []
        try Storage.content(of: snapshot, from: disk, pieceBytes: 700) { content += $0.array }
        return content
    }

    var segments: [UInt64] {
        disk.names.keys.compactMap { if case .segment(let number) = $0 { number } else { nil } }.sorted()
    }

    func write(token: UInt64, identity: Identity) { storage.write(token: token, identity: identity) }

    func read(_ request: UInt64, _ range: ClosedRange<UInt64>, maxBytes: Int = .max) {
        storage.read(
            request: request, from: Index(range.lowerBound), through: Index(range.upperBound), maxBytes: maxBytes)
    }

    func advance(_ interval: Interval) {
        now = now + interval
        storage.advance(to: now)
    }

    /// Begins what may begin.
    func begin() {
        var operations: [DiskOperation] = []
        storage.nextOperations(into: &operations)
        running += operations.map { Running(operation: $0) }
    }

    /// One step of an operation, or its completion.
    func step(_ number: Int) {
        guard running[number].next < running[number].operation.steps.count else {
            return complete(running.remove(at: number), nil)
        }
        do {
            try disk.perform(running[number].operation.steps[running[number].next], &running[number].reads)
            running[number].next += 1
        } catch {
            complete(running.remove(at: number), error)
        }
    }

    private func complete(_ ended: Running, _ error: DiskError?) {
        var new: [StorageEvent] = []
        let result = error.map { DiskResult.failed($0) } ?? .done(reads: ended.reads)
        storage.completed(ended.operation.id, result, now: now, into: &new)
        for event in new {
            switch event {
            case .durable(let token):
                #expect(token > durable, "tokens become durable in order")
                durable = token
            case .entries(let request, let entries):
                #expect(answers[request] == nil, "a read is answered once")
                answers[request] = entries
            default: break
            }
        }
        events += new
    }

    /// Runs everything there is to do.
    func settle() {
        begin()
        while !running.isEmpty {
            step(0)
            begin()
        }
    }

    /// Runs what there is to do on one lane.
    func settle(only lane: DiskOperation.Lane) {
        begin()
        while let number = running.firstIndex(where: { $0.operation.lane == lane }) {
            step(number)
            begin()
        }
    }

    /// Writes a turn, and waits until it is durable.
    func commit(_ turn: Turn) {
        write(turn)
        settle()
    }

    /// Quiet for long enough: the last frame is witnessed.
    func rest() {
        advance(.seconds(1))
        settle()
    }

    /// All of the log, through reads of at most `maxBytes`.
    func readAll(from first: Index = 1, maxBytes: Int = 700) -> [Entry] {
        var all: [Entry] = []
        while first.advanced(by: all.count) <= durableIndex {
            let request = UInt64(answers.count + 1)
            read(request, first.advanced(by: all.count).rawValue...UInt64.max, maxBytes: maxBytes)
            settle(only: .read)
            guard let answer = answers[request], !answer.isEmpty else { break }
            all += answer
        }
        return all
    }
}
