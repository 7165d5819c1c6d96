import Base
import Consensus
internal import LogFormat
import Replica
import Storage

// Disk operations: each lane does one after the other; an operation's steps are done when it ends, or some of them when
// the process dies before.
extension World {
    /// Of a slow disk, in nanoseconds.
    private static var longestOperation: UInt64 { 2_000_000_000 }

    func run(_ operation: DiskOperation, of member: SimulatedMember) {
        let slot: Int
        if let free = member.operations.firstIndex(where: { $0 == nil }) {
            slot = free
            member.operations[slot] = SimulatedMember.Running(operation: operation)
        } else {
            slot = member.operations.count
            member.operations.append(SimulatedMember.Running(operation: operation))
        }
        var time: UInt64 = 10_000
        for step in operation.steps {
            switch step {
            case .create(_, let size): time += 100_000 + UInt64(size) * 20
            case .sync, .syncDirectory: time += 40_000 + member.diskRandom.next() & 0x3_ffff
            case .read(_, _, let count): time += 20_000 + UInt64(count)
            case .write, .cut, .rename, .remove: time += 4_000
            }
        }
        for times in member.slowness { time *= UInt64(times) }
        // Two slow disks in one, and an operation of many steps, would outlast the storm: what never ends is a hang.
        time = min(time, Self.longestOperation)
        let lane =
            switch operation.lane {
            case .log: 0
            case .read: 1
            case .background: 2
            }
        let end = max(now, member.laneFree[lane]) + time
        member.laneFree[lane] = end
        queue.add(.diskDone, at: end, member: member.number, number: slot, incarnation: member.incarnation)
    }

    func diskDone(_ member: SimulatedMember, _ slot: Int) {
        guard let running = member.operations[slot] else { return }
        guard member.hangs == 0 else {
            member.operations[slot]?.isHeld = true
            return
        }
        member.operations[slot] = nil
        var reads: [Bytes] = []
        var result: DiskResult?
        for step in running.operation.steps {
            do throws(DiskError) {
                try member.disk.perform(step, &reads)
            } catch {
                result = .failed(error)
                note(member.number, "\(error)")
                break
            }
            follow(step, running.operation, member)
        }
        hash.fold(now, 4 << 8 | member.number, running.operation.id)
        member.turn.completions.append(.init(operation: running.operation.id, result: result ?? .done(reads: reads)))
        wake(member)
    }

    /// What a step has made durable.
    private func follow(_ step: DiskStep, _ operation: DiskOperation, _ member: SimulatedMember) {
        switch operation.lane {
        case .log: member.durable.did(step, member.id)
        case .read: break
        case .background:
            switch step {
            case .rename(.snapshotDraft, to: .snapshot(let index)):
                // Snapshots hold what is committed, and nothing else.
                let term = index <= UInt64(oracle.committed.count) ? oracle.committed[Int(index) - 1] : 0
                if term == 0 { report("state-machine", "n\(member.number) has a snapshot through \(index), which is not committed") }
                member.durable.nextSnapshot = (Int(index), term)
            case .syncDirectory:
                if member.durable.nextSnapshot != nil { snapshotIsNamed(member) }
                member.durable.nameSnapshot()
            default: break
            }
        }
    }

    /// The disk no longer hangs: what it owes ends soon.
    func releaseDisk(_ member: SimulatedMember) {
        for slot in member.operations.indices where member.operations[slot]?.isHeld == true {
            member.operations[slot]?.isHeld = false
            queue.add(
                .diskDone, at: now + 100_000 + member.diskRandom.next(below: 2_000_000), member: member.number,
                number: slot, incarnation: member.incarnation)
        }
    }

    /// The process dies while its disk works: some steps are done, the next one perhaps in part.
    func interruptDisk(_ member: SimulatedMember) {
        for case let running? in member.operations where running.operation.lane != .read {
            let steps = running.operation.steps
            guard !steps.isEmpty, member.hangs == 0 else { continue }
            let done = Int(member.diskRandom.next(below: UInt64(steps.count)))
            var reads: [Bytes] = []
            do throws(DiskError) {
                for step in steps[..<done] {
                    try member.disk.perform(step, &reads)
                    follow(step, running.operation, member)
                }
                try tear(steps[done], of: member, isLog: running.operation.lane == .log)
            } catch {
                note(member.number, "\(error)")
            }
        }
    }

    /// A write that was under way: whole sectors of it are there.
    private func tear(_ step: DiskStep, of member: SimulatedMember, isLog: Bool) throws(DiskError) {
        guard case .write(let name, let offset, let slices) = step, let bytes = slices.first else { return }
        let sectors = bytes.count / Format.sectorBytes
        let kept = Int(member.diskRandom.next(below: UInt64(sectors + 1))) * Format.sectorBytes
        if isLog { member.durable.did(step, member.id) }
        guard kept > 0 else { return }
        member.disk.write(bytes[0..<min(kept, bytes.count)], to: try member.disk.open(name), at: offset)
    }
}
