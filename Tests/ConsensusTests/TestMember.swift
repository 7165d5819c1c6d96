import Base

@testable import Consensus

/// A member in memory: its Raft, its disk, its clock, and what waits for the disk.
final class TestMember {
    let id: MemberID
    let name: String
    let first: PlacedConfiguration
    let cluster: ClusterID
    let parameters: Parameters
    var raft: Raft
    var disk: TestDisk
    var clock = Instant(nanoseconds: 1_000_000_000)
    var isUp = true
    /// What the member believes its log is: the disk's, and all that was handed to it.
    var log: [Entry]
    /// Messages that wait for a write.
    var held: [(token: WriteToken, message: Message)] = []
    var loads: [Load] = []
    /// Snapshots that this member is sending.
    var transfers: [Transfer] = []

    struct Transfer {
        var send: SnapshotSend
        var point: SnapshotPoint
        var entries: [Entry]
    }

    var effects = Effects(wantsEvents: true)
    /// Reads that wait, and what was committed anywhere when they were asked.
    var reads: [ReadToken: Index] = [:]
    private var lastToken: WriteToken = 0

    init(
        _ id: MemberID, name: String, configuration: Configuration, cluster: ClusterID, parameters: Parameters,
        disk: TestDisk, seed: UInt64
    ) {
        self.id = id
        self.name = name
        self.cluster = cluster
        self.parameters = parameters
        self.disk = disk
        first = PlacedConfiguration(index: 0, configuration: configuration)
        log = disk.entries
        raft = Raft(
            TestMember.restored(id, cluster, first, disk, seed: seed, now: clock, tail: .max), parameters: parameters)
        // It has been up for so long that it owes nobody its silence any more.
        raft.promisedUntil = clock
    }

    private static func restored(
        _ id: MemberID, _ cluster: ClusterID, _ first: PlacedConfiguration, _ disk: TestDisk, seed: UInt64,
        now: Instant, tail: Int
    ) -> RestoredState {
        let base = Int(disk.base.rawValue)
        var shape = LogShape(baseIndex: disk.base, baseTerm: base == 0 ? 0 : disk.entries[base - 1].term)
        let snapshot = disk.snapshot?.point
        var configurations = [snapshot?.configuration ?? first]
        for entry in disk.entries.dropFirst(base) {
            shape.append(term: entry.term)
            if let configuration = entry.configuration, entry.index > snapshot?.index ?? 0 {
                configurations.append(PlacedConfiguration(index: entry.index, configuration: configuration))
            }
        }
        return RestoredState(
            identity: id, cluster: cluster, seed: seed, now: now, hardState: disk.hardState, log: shape,
            tail: disk.entries.dropFirst(base).suffix(max(1, tail)), configurations: configurations,
            appliedIndex: snapshot?.index ?? 0, snapshot: snapshot)
    }

    /// The process dies, and with it all that its disk had not done.
    func crash(keeping whole: Int = 0, parts: Int = 0) {
        disk.crash(keeping: whole, parts: parts)
        isUp = false
        held.removeAll()
        loads.removeAll()
        reads.removeAll()
        transfers.removeAll()
        log = disk.entries
    }

    func restart(seed: UInt64, tail: Int = .max) {
        isUp = true
        disk.recover()
        log = disk.entries
        lastToken = 0
        raft = Raft(
            TestMember.restored(id, cluster, first, disk, seed: seed, now: clock, tail: tail), parameters: parameters)
    }

    /// What a snapshot of all that is applied would be.
    func snapshotPoint() -> SnapshotPoint? {
        let index = raft.appliedIndex
        guard index > raft.snapshot?.index ?? 0, let term = raft.term(at: index) else { return nil }
        var configuration = first
        for entry in log.prefix(Int(index.rawValue)) {
            if let found = entry.configuration { configuration = .init(index: entry.index, configuration: found) }
        }
        return SnapshotPoint(index: index, term: term, configuration: configuration, timeMs: log[Int(index.rawValue) - 1].timeMs)
    }

    /// One turn. Gives the messages that may leave now.
    func step(_ input: inout Input) -> [Message] {
        raft.step(&input, into: &effects)
        raft.checkEverything()
        var leaving = effects.sendNow
        if let write = effects.write {
            disk.submit(write)
            lastToken = write.token
            if let index = write.restartAfter, let snapshot = disk.snapshot {
                log = Array(snapshot.entries.prefix(Int(index.rawValue)))
            }
            if let index = write.truncateFrom { log.removeSubrange((Int(index.rawValue) - 1)...) }
            log.append(contentsOf: write.entries)
        }
        for message in effects.sendAfterWrite {
            // Without a write of its own it waits for every earlier one; there may be none under way.
            if disk.queue.isEmpty { leaving.append(message) } else { held.append((lastToken, message)) }
        }
        loads.append(contentsOf: effects.loads)
        if let index = effects.compacted { disk.compact(through: index) }
        for send in effects.snapshots {
            if let snapshot = disk.snapshot { transfers.append(Transfer(send: send, point: snapshot.point, entries: snapshot.entries)) }
        }
        return leaving
    }

    /// The disk does its oldest `count` writes. Gives the messages that waited for them.
    func sync(_ count: Int) -> (token: WriteToken, messages: [Message])? {
        guard let token = disk.sync(count) else { return nil }
        let released = held.filter { $0.token <= token }.map(\.message)
        held.removeAll { $0.token <= token }
        return (token, released)
    }
}
