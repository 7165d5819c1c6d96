import Base
import Consensus
import Keyspace
import LogFormat
import Replica
import Storage
import VirtualDisk

/// A whole member on a virtual disk. Its disk operations wait in `operations` until they are run; what it has
/// answered stays in `answers`.
final class VirtualMember {
    let number: Int
    var work: SnapshotWork?
    var toSend: [SnapshotToSend] = []
    var pieces: [SnapshotPiece] = []
    var replies: [SnapshotReply] = []
    /// It knows no configuration until a leader tells it one.
    let isNewcomer: Bool
    let id: MemberID
    let disk = VirtualDisk()
    let configuration: Configuration
    var replica: ReplicaBox?
    var turn = Turn()
    var limits = ReplicaLimits()
    var operations: [DiskOperation] = []
    /// Operations are not run while it hangs.
    var isDiskHung = false
    var answers: [RequestID: Answer.Result] = [:]
    /// Of local reads.
    var ages: [RequestID: LocalAge] = [:]
    /// Requests handed in and not answered since the last start.
    var waiting: Set<RequestID> = []
    var failure: ReplicaFailure?
    /// Writes of the log with at least one entry that reached the disk, and how many entries each had.
    var forwards: [RequestID] = []
    private(set) var starts: UInt64 = 0

    /// A replica cannot be copied; a class can be absent.
    final class ReplicaBox {
        var replica: Replica
        init(_ replica: consuming Replica) { self.replica = replica }
    }

    static let storageLimits: StorageLimits = {
        var limits = StorageLimits()
        limits.segmentBytes = 64 << 10
        limits.maxFrameBytes = 8 << 10
        limits.readBytes = 4 << 10
        limits.tailBytes = 2 << 10
        return limits
    }()

    init(number: Int, configuration: Configuration, isNewcomer: Bool = false, now: Instant) {
        self.number = number
        self.isNewcomer = isNewcomer
        self.configuration = configuration
        id = MemberID(UInt64(number))
        let identity = Identity(
            member: id, name: "n\(number)", cluster: configuration.clusterID, configuration: configuration.encode())
        _ = disk.run(Storage.format(identity, limits: Self.storageLimits))
        start(now: now)
    }

    /// Starts from what the disk holds, as `swiftwaterd` does.
    func start(now: Instant) {
        guard case .member(let recovered)? = try? Storage.recover(from: disk, limits: Self.storageLimits) else {
            preconditionFailure("the disk of n\(number) does not hold its member")
        }
        starts += 1
        var parameters = Parameters()
        parameters.tailBytes = 4 << 10
        do {
            replica = ReplicaBox(
                try Replica(
                    recovered, from: disk, first: isNewcomer ? Configuration(members: []) : configuration,
                    seed: UInt64(number) &* 1000 &+ starts, parameters: parameters, storageLimits: Self.storageLimits,
                    limits: limits, now: now))
        } catch {
            preconditionFailure("the disk of n\(number) cannot be read: \(error)")
        }
        turn = Turn()
        (work, toSend, pieces, replies) = (nil, [], [], [])
        operations = []
        waiting = []
        failure = nil
    }

    /// The process dies and the power with it: what was not synced may be lost.
    func crash(_ loss: VirtualDisk.Loss, _ random: inout SplitMix64) {
        replica = nil
        operations = []
        disk.crash(loss, &random)
    }

    var isUp: Bool { replica != nil && failure == nil }
    var role: Role? { replica?.replica.role }
    var deadline: Instant { isUp ? replica!.replica.deadline : .never }

    /// One turn; what is to leave is handed to `send` and `forward`.
    func step(now: Instant, send: (Message) -> Void, forward: (ReplicaEffects.Forward) -> Void) {
        guard isUp, let box = replica else { return }
        guard !turn.isEmpty || now >= box.replica.deadline else { return }
        turn.now = now
        turn.wallMs = 1_700_000_000_000 + now.nanoseconds / 1_000_000
        var effects = ReplicaEffects()
        box.replica.step(&turn, into: &effects)
        failure = effects.failure
        guard failure == nil else { return }
        work = effects.snapshotWork ?? work
        toSend += effects.snapshotsToSend
        pieces += effects.snapshotPieces
        replies += effects.snapshotReplies
        effects.send.forEach(send)
        operations += effects.operations
        for item in effects.forwards {
            forwards.append(item.id)
            forward(item)
        }
        for answer in effects.answers {
            precondition(waiting.remove(answer.id) != nil, "\(answer.id) was answered twice, or never asked")
            answers[answer.id] = answer.result
            ages[answer.id] = answer.age
        }
    }

    /// Runs the oldest operation, or all of them.
    func runDisk() {
        guard !isDiskHung, isUp else { return }
        let batch = operations
        operations = []
        for operation in batch {
            turn.completions.append(.init(operation: operation.id, result: disk.run(operation)))
        }
    }

    /// Does the work that goes on elsewhere.
    func runWork() {
        guard var next = work, isUp else { return }
        work = nil
        turn.snapshotWork = next.run()
    }

    func ask(_ request: Request) {
        waiting.insert(request.id)
        turn.requests.append(request)
    }
}
