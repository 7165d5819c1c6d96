import Base
import Consensus
import Keyspace
import LogFormat
import Storage

// A member from its disk.
extension Replica {
    /// Takes up where a data directory left off: blocking, as `Storage.recover` is, with the time that it takes to read a
    /// snapshot.
    ///
    /// - Parameters:
    ///   - first: the configuration that the cluster started with, empty for one that joins later; without effect when
    ///     there is a snapshot, which holds a later one.
    ///   - seed: fresh at each start.
    public init(
        _ recovered: consuming Recovered, from directory: some DirectoryImage, first: Configuration, seed: UInt64,
        parameters: Parameters = Parameters(), storageLimits: StorageLimits = StorageLimits(),
        limits: ReplicaLimits = ReplicaLimits(), now: Instant
    ) throws(RecoveryFailure) {
        var keyspace = Keyspace()
        var point: SnapshotPoint?
        if let header = recovered.snapshot { point = try Self.load(header, from: directory, into: &keyspace) }
        let covered = point?.index ?? 0
        let restored = RestoredState(
            identity: recovered.identity.member, cluster: recovered.identity.cluster, seed: seed, now: now,
            hardState: recovered.hardState,
            log: LogShape(
                baseIndex: recovered.firstIndex.previous, baseTerm: recovered.baseTerm,
                runs: recovered.runs.map { LogShape.Run(first: $0.first, term: $0.term) }, lastIndex: recovered.lastIndex),
            tail: recovered.tail,
            configurations: [point?.configuration ?? PlacedConfiguration(index: 0, configuration: first)]
                + recovered.configurations.filter { $0.index > covered }.map {
                    PlacedConfiguration(index: $0.index, configuration: $0.configuration)
                },
            appliedIndex: covered, snapshot: point)
        self.init(
            raft: Raft(restored, parameters: parameters), firstIndex: recovered.firstIndex,
            storage: Storage(recovered, limits: storageLimits, now: now), limits: limits, now: now)
        keysInSnapshot = keyspace.count
        self.keyspace = keyspace
    }

    private static func load(
        _ header: SnapshotHeader, from directory: some DirectoryImage, into keyspace: inout Keyspace
    ) throws(RecoveryFailure) -> SnapshotPoint {
        let file = DiskFile.snapshot(header.index.rawValue)
        var decoder = SnapshotDecoder()
        do {
            try Storage.content(of: header, from: directory) { (piece) throws(SnapshotFault) in try decoder.feed(piece) }
        } catch {
            switch error {
            case .disk(let error): throw .disk(error)
            case .content(let fault): throw RecoveryFailure(fault, in: file)
            }
        }
        guard let head = decoder.head, head.index == header.index, head.term == header.term else {
            throw .damaged(Damage(file, at: SnapshotHeader.contentStart, "it does not hold what its head announces"))
        }
        let configuration: Configuration
        do { configuration = try Configuration(decoding: head.configuration) } catch {
            throw .damaged(Damage(file, at: SnapshotHeader.contentStart, "its configuration cannot be read"))
        }
        do { keyspace = try decoder.finish() } catch { throw RecoveryFailure(error, in: file) }
        return SnapshotPoint(
            index: head.index, term: head.term,
            configuration: PlacedConfiguration(index: head.configurationIndex, configuration: configuration),
            timeMs: head.timeMs)
    }
}

extension RecoveryFailure {
    /// What is wrong with the content of a snapshot file.
    public init(_ fault: SnapshotFault, in file: DiskFile) {
        switch fault {
        case .newerFormat(let version, _): self = .newerFormat(file, version: version)
        case .truncated(let offset):
            self = .damaged(Damage(file, at: SnapshotHeader.contentStart + Int(offset), "its content ends too early"))
        case .damaged(let offset, let what):
            self = .damaged(Damage(file, at: SnapshotHeader.contentStart + Int(offset), what))
        }
    }
}
