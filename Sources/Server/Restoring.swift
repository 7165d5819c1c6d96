import Base
import Consensus
import Glibc
public import Keyspace
import LogFormat
import Storage

/// Makes the data directory of a new cluster's first member out of a keyspace that came from a backup. Blocking.
///
/// The member is the cluster's only one; others join it (docs/decisions/backups.md says why no more are made here). Its log is
/// empty and begins where no entry of the old cluster can have been.
public struct Restoring: Sendable {
    public let member: MemberID
    public let cluster: ClusterID
    public let name: String
    /// HOST:PORT, as others reach it.
    public let address: String
    /// The last index that the new log does not have.
    public let base: Index

    /// Logs of restored clusters begin behind a multiple of this: far behind what the old cluster's log can have come to, so
    /// that no session that was opened there is taken for one of the new cluster's (a session's id is the index of its
    /// entry, and those are never to be used again). Decimal, so that people see at a glance how far the new log has come.
    public static let stride: UInt64 = 1_000_000_000_000

    /// - Parameter index: the last entry that the old cluster is known to have had.
    public init(name: String, address: String, behind index: Index) {
        member = MemberID(UInt64.random(in: 1 ... .max))
        self.name = name
        self.address = address
        base = Index((index.rawValue / Self.stride + 1) * Self.stride)
        cluster = Self.configuration(member, name, address).clusterID
    }

    private static func configuration(_ member: MemberID, _ name: String, _ address: String) -> Configuration {
        Configuration(members: [Configuration.Member(id: member, name: name, address: address)])
    }

    /// Whether something of that name is there already: then nothing is restored.
    public static func isTaken(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Makes the directory under another name, and gives it `path` when all of it is on the disk.
    public func make(_ path: String, of keyspace: consuming Keyspace) throws(StartFailure) {
        let path = Self.trimmed(path)
        let draft = path + ".restoring"
        guard !Self.isTaken(path) else { throw .usage("\(path) is there already: a restore makes a new directory") }
        guard !Self.isTaken(draft) else {
            throw .usage("\(draft) is there already: another restore is under way, or was broken off; remove it then")
        }
        do throws(StartFailure) {
            try fill(draft, consume keyspace)
            guard rename(draft, path) == 0 else { throw .disk(DiskError(errno, from: "rename", nil)) }
        } catch {
            Self.remove(draft)
            throw error
        }
        do { try RealDirectory.syncParent(of: path) } catch { throw .disk(error) }
    }

    private static func trimmed(_ path: String) -> String {
        var path = path
        while path.count > 1, path.last == "/" { path.removeLast() }
        return path
    }

    private func fill(_ path: String, _ keyspace: consuming Keyspace) throws(StartFailure) {
        let directory: RealDirectory
        do { directory = try RealDirectory(path: path) } catch { throw .directory(error) }
        let configuration = Self.configuration(member, name, address).encode()
        let identity = Identity(member: member, name: name, cluster: cluster, configuration: configuration)
        try Self.run(Storage.format(identity), in: directory)
        let recovered: Recovery
        do { recovered = try Storage.recover(from: directory) } catch { throw .recovery(error) }
        guard case .member(let member) = recovered else {
            preconditionFailure("a directory that was just made a member's is none")
        }
        keyspace.beginAnew(at: base)
        var encoder = SnapshotEncoder(
            keyspace.frozen(), term: Self.term, configurationIndex: base, configuration: configuration)
        var storage = Storage(member)
        storage.write(token: 1, hardState: HardState(term: Self.term), truncateFrom: nil, entries: [])
        storage.beginSnapshot(index: base, term: Self.term)
        while let chunk = encoder.next() {
            storage.appendToSnapshot(chunk)
            if storage.snapshotBacklogBytes >= Self.backlogBytes { try Self.settle(&storage, in: directory) }
        }
        storage.finishSnapshot()
        try Self.settle(&storage, in: directory)
        storage.write(token: 2, hardState: nil, truncateFrom: nil, restartAfter: base, entries: [])
        try Self.settle(&storage, in: directory)
    }

    /// What stands in a snapshot must have been committed in some term.
    private static let term: Term = 1
    /// Encoded and not written.
    private static let backlogBytes = 4 << 20

    private static func settle(_ storage: inout Storage, in directory: RealDirectory) throws(StartFailure) {
        var operations: [DiskOperation] = []
        var events: [StorageEvent] = []
        repeat {
            operations.removeAll()
            storage.nextOperations(into: &operations)
            for operation in operations {
                storage.completed(operation.id, try run(operation, in: directory), now: .zero, into: &events)
            }
        } while !operations.isEmpty
        for case .failed(let failure) in events {
            switch failure {
            case .disk(let error): throw .disk(error)
            case .damaged(let damage): throw .recovery(.damaged(damage))
            }
        }
    }

    /// Unlike a member, which waits for space, a restore gives up.
    @discardableResult
    private static func run(_ operation: DiskOperation, in directory: RealDirectory) throws(StartFailure) -> DiskResult {
        let result = directory.executor.run(operation)
        if case .failed(let error) = result { throw .disk(error) }
        return result
    }

    /// What was made of a directory that is not to be. What cannot be removed stays: the next restore names it.
    private static func remove(_ path: String) {
        guard let directory = opendir(path) else { return }
        while let record = readdir(directory) {
            let name = withUnsafePointer(to: &record.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if DiskFile(name: name) != nil { unlinkat(dirfd(directory), name, 0) }
        }
        closedir(directory)
        rmdir(path)
    }
}
