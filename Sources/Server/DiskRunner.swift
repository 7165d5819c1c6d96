import Base
import EventLoop
import LogFormat
import Replica
import Storage

/// Runs the replica's disk operations: the log on a thread of its own, so that nothing else ever stands before a sync;
/// old entries on a second one; the making of segments, which is slow, on a third; snapshots, which are slower and may
/// not keep a segment waiting, on a fourth.
final class DiskRunner {
    /// More than storage ever has under way in one lane.
    static let capacity = 1024

    private let lanes: [WorkerThread<DiskOperation, Turn.Completion>]

    /// `completed` is called on the loop with what ended, in the order in which it ended in its lane.
    init(_ loop: Loop, directory: RealDirectory, completed: @escaping ([Turn.Completion]) -> Void) {
        let executor = directory.executor
        lanes = ["log", "read", "segments", "snapshots"].map { name in
            WorkerThread(
                loop, name: "disk-\(name)", urgency: name == "snapshots" ? .background : .usual, capacity: Self.capacity,
                work: { Turn.Completion(operation: $0.id, result: executor.run($0)) },
                onOutcomes: completed)
        }
    }

    func run(_ operation: DiskOperation) {
        let lane =
            switch operation.lane {
            case .log: 0
            case .read: 1
            case .background: operation.isForSnapshots ? 3 : 2
            }
        let taken = lanes[lane].submit(operation)
        precondition(taken, "storage asked for more disk operations at a time than it promised")
    }

    /// Waits for what is under way, then ends the threads.
    func stop() {
        for lane in lanes { lane.stop() }
    }
}

extension DiskOperation {
    /// Whether it writes or removes a snapshot: the first step tells.
    fileprivate var isForSnapshots: Bool {
        switch steps.first {
        case .create(let file, _), .write(let file, _, _), .cut(let file, _), .remove(let file), .rename(let file, _):
            switch file {
            case .snapshot, .snapshotDraft: true
            default: false
            }
        case .sync, .syncDirectory, .read, nil: false
        }
    }
}
