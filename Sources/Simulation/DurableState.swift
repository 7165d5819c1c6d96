import Base
import Consensus
internal import LogFormat
import Storage

/// What a member's disk holds for certain, followed write by write: the terms of its log, its term and vote.
struct DurableState {
    /// Of the frames, by index from 1; `covered` before the place where the log began anew.
    private var frames: [UInt64] = []
    private var snapshot: (index: Int, term: UInt64)?
    /// Named, and the name not synced.
    var nextSnapshot: (index: Int, term: UInt64)?
    var hardState = HardState()
    private struct Written {
        var first: Int
        var terms: [UInt64]
        var restarts: Bool
    }

    /// Written and not synced.
    private var frame: Written?
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

    private mutating func put(_ frame: Written) {
        if frame.restarts { frames = Array(repeating: Self.covered, count: frame.first - 1) }
        if frame.first <= frames.count { frames.removeSubrange((frame.first - 1)...) }
        frames.append(contentsOf: frame.terms)
    }

    /// The newest snapshot has its name for good.
    mutating func nameSnapshot() {
        if let next = nextSnapshot { snapshot = next }
        nextSnapshot = nil
    }

    /// Whether the log goes on from the snapshot; otherwise only the snapshot counts (figure 5.3).
    private var isContinuous: Bool {
        guard let snapshot else { return true }
        return frames.count >= snapshot.index
            && (frames[snapshot.index - 1] == snapshot.term || frames[snapshot.index - 1] == Self.covered)
    }

    /// How many entries, from the first on, are there or covered.
    var count: Int { isContinuous ? frames.count : snapshot?.index ?? 0 }

    /// By index, from 1; `covered` where a snapshot stands for the entry.
    private var terms: [UInt64] {
        isContinuous ? frames : Array(repeating: Self.covered, count: snapshot?.index ?? 0)
    }

    /// Whether this is what a start may find: what is durable, with or without what was on its way.
    func mayBe(_ found: [UInt64]) -> Bool {
        var with = self
        if let frame { with.put(frame) }
        for var candidate in [self, with] {
            if Self.agree(found, candidate.terms) { return true }
            candidate.nameSnapshot()
            if Self.agree(found, candidate.terms) { return true }
        }
        return false
    }

    /// A start found it: nothing is on its way any more.
    mutating func found(_ terms: [UInt64], snapshot: (index: Int, term: UInt64)?, _ hardState: HardState) {
        self = DurableState()
        frames = terms
        self.snapshot = snapshot
        self.hardState = hardState
    }

    func holds(_ index: Int, _ term: UInt64) -> Bool {
        if let snapshot, index <= snapshot.index { return true }
        return isContinuous && index <= frames.count && (frames[index - 1] == term || frames[index - 1] == Self.covered)
    }

    static let covered = UInt64.max

    /// Whether these are the same logs, as far as neither is covered by a snapshot.
    private static func agree(_ a: [UInt64], _ b: [UInt64]) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { $0 == $1 || $0 == covered || $1 == covered }
    }

    /// The terms of a frame's entries, from their first field: nothing else of them is looked at.
    private static func terms(of frame: Bytes, _ member: MemberID) -> Written {
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
        return Written(first: Int(header.firstIndex.rawValue), terms: terms, restarts: header.restarts)
    }
}
