import Base
import Consensus
internal import LogFormat
import Replica
import Storage

// Disk operations: each lane does one after the other; an operation's steps are done when it ends, or some of them when
// the process dies before.
extension World {
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
            case .write, .rename, .remove: time += 4_000
            }
        }
        for times in member.slowness { time *= UInt64(times) }
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
            if running.operation.lane == .log { member.durable.did(step, member.id) }
        }
        hash.fold(now, 4 << 8 | member.number, running.operation.id)
        member.turn.completions.append(.init(operation: running.operation.id, result: result ?? .done(reads: reads)))
        wake(member)
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
                    if running.operation.lane == .log { member.durable.did(step, member.id) }
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

/// What a member's disk holds for certain, followed write by write: the terms of its log, its term and vote.
struct DurableState {
    /// By index, from 1; `covered` where a snapshot stands for the entry.
    var terms: [UInt64] = []
    var hardState = HardState()
    /// Written and not synced.
    var frame: (first: Int, terms: [UInt64])?
    var nextHardState: HardState?

    /// A step of the log's lane was done.
    mutating func did(_ step: DiskStep, _ member: MemberID) {
        switch step {
        case .write(.segment, let offset, let slices) where offset >= Format.framesStart:
            if let bytes = slices.first { frame = Self.terms(of: bytes, member) }
        case .write(.state, _, let slices):
            guard let bytes = slices.first else { return }
            do throws(RecordFault) {
                let slot = try StateSlot(decoding: bytes)
                nextHardState = HardState(term: slot.term, votedFor: slot.votedFor)
            } catch {
                preconditionFailure("a member wrote a slot that cannot be read: \(error)")
            }
        case .sync(.segment):
            if let frame { put(frame) }
            frame = nil
        case .sync(.state):
            if let next = nextHardState { hardState = next }
            nextHardState = nil
        default: break
        }
    }

    private mutating func put(_ frame: (first: Int, terms: [UInt64])) {
        if frame.first <= terms.count { terms.removeSubrange((frame.first - 1)...) }
        while terms.count < frame.first - 1 { terms.append(Self.covered) }
        terms.append(contentsOf: frame.terms)
    }

    /// The terms with what was written and not synced.
    func withFrame() -> [UInt64] {
        var copy = self
        if let frame { copy.put(frame) }
        return copy.terms
    }

    func holds(_ index: Int, _ term: UInt64) -> Bool {
        index <= terms.count && (terms[index - 1] == term || terms[index - 1] == Self.covered)
    }

    static let covered = UInt64.max

    /// Whether these are the same logs, as far as neither is covered by a snapshot.
    static func agree(_ a: [UInt64], _ b: [UInt64]) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { $0 == $1 || $0 == covered || $1 == covered }
    }

    /// The terms of a frame's entries, from their first field: nothing else of them is looked at.
    private static func terms(of frame: Bytes, _ member: MemberID) -> (first: Int, terms: [UInt64]) {
        let header: FrameHeader
        do throws(RecordFault) {
            header = try FrameHeader(decoding: frame, member: member)
        } catch {
            preconditionFailure("a member wrote a frame that cannot be read: \(error)")
        }
        var terms: [UInt64] = []
        frame.withUnsafeBytes { bytes in
            var offset = Format.frameHeaderBytes
            func varint(_ place: inout Int) -> UInt64 {
                var number: UInt64 = 0
                var shift: UInt64 = 0
                while true {
                    let byte = bytes[place]
                    place += 1
                    number |= UInt64(byte & 0x7f) << shift
                    if byte < 0x80 { return number }
                    shift += 7
                }
            }
            for _ in 0..<header.count {
                let length = Int(varint(&offset))
                var place = offset + 1
                terms.append(varint(&place))
                offset += length
            }
        }
        return (Int(header.firstIndex.rawValue), terms)
    }
}
