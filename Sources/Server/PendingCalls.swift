import Base
import GRPC
import Keyspace
import Replica

/// The calls that wait for an answer from the replica, by request number: a table with a free list, so that finding one
/// costs an array access.
///
/// Invariant: a number is not given out again before its call was taken; its generation tells a late answer apart.
struct PendingCalls {
    enum Waiter {
        /// One answer: the response to the one operation, or to the transaction.
        case unary(ServerCall)
        /// One of the writes that a follower passed on together.
        case forwarded(ForwardedBatch, proposal: UInt64)
        case keys(KeyStream)
        case backup(BackupStream)
        case log(LogStream)
        case transfer(ServerCall)
        case change(ServerCall)
        case session(ServerCall)
        /// A task of this process.
        case local(LocalCall)
        /// Nobody: the member asked on its own account.
        case none

        /// Whether a client waits for what it asked of the store.
        fileprivate var isClient: Bool {
            switch self {
            case .unary, .keys, .session, .local: true
            case .forwarded, .backup, .log, .transfer, .change, .none: false
            }
        }
    }

    private struct Slot {
        var generation: UInt32 = 0
        var waiter: Waiter?
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private(set) var count = 0
    /// Those of clients that ask the store, and how many of them were answered.
    private(set) var clients = 0
    private(set) var answered: UInt64 = 0

    mutating func add(_ waiter: Waiter) -> RequestID {
        count += 1
        if waiter.isClient { clients += 1 }
        let number: UInt32
        if let reused = free.popLast() {
            number = reused
            slots[Int(number)].waiter = waiter
        } else {
            number = UInt32(slots.count)
            slots.append(Slot(waiter: waiter))
        }
        return RequestID(UInt64(slots[Int(number)].generation) << 32 | UInt64(number))
    }

    /// Who waits for this answer. Each request is answered exactly once, so a number that nobody has is a defect.
    mutating func take(_ id: RequestID) -> Waiter {
        let number = Int(truncatingIfNeeded: id.rawValue & 0xffff_ffff)
        guard number < slots.count, slots[number].generation == UInt32(id.rawValue >> 32),
            let waiter = slots[number].waiter
        else { preconditionFailure("an answer to a request that nobody made") }
        slots[number].waiter = nil
        slots[number].generation &+= 1
        free.append(UInt32(number))
        count -= 1
        if waiter.isClient {
            clients -= 1
            answered &+= 1
        }
        return waiter
    }
}

/// Writes that one follower passed on in one call: answered together, when each has its outcome.
final class ForwardedBatch {
    let call: ServerCall
    /// The follower.
    let from: MemberID
    var waiting: Int
    var outcomes: [(proposal: UInt64, result: Result<Outcome, Failure>)] = []

    init(call: ServerCall, from: MemberID, count: Int) {
        self.call = call
        self.from = from
        waiting = count
        outcomes.reserveCapacity(count)
    }
}
