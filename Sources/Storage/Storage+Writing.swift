@_spi(Sabotage) import Base
import Consensus
import DequeModule
import LogFormat

/// A segment with room for frames.
struct OpenSegment: Sendable, Equatable {
    var number: UInt64
    /// Bytes of the file.
    var size: Int
    /// Where the next frame goes. Invariant: a multiple of the sector size.
    var offset: Int

    var room: Int { size - offset }
}

/// A frame on its way to the disk, or there.
struct PlacedFrame: Sendable {
    var header: FrameHeader
    var offset: Int
    /// It starts at an index that the files already held.
    var supersedes: Bool
}

/// What the log lane may be doing.
enum LogJob {
    /// Term, vote, identity, entries: whatever had gathered. `token` is durable when it is done.
    case frames(token: UInt64?, frame: PlacedFrame?)
    case witness(sequence: UInt64)
}

extension Storage {
    /// The next batch, or the witness of the last one when there is none.
    mutating func startLogJob() -> DiskOperation? {
        if !backlog.isEmpty, let operation = startBatch() { return operation }
        return backlog.isEmpty && witnessIsDue ? startWitness() : nil
    }

    /// Everything that has gathered, as far as one frame and the space at hand hold it. Term and vote go first, with
    /// a sync of their own: an entry on disk never has a term that the disk does not know.
    private mutating func startBatch() -> DiskOperation? {
        var steps: [DiskStep] = []
        let state = backlog.takeState()
        if let identity = state.identity { steps += Self.steps(replacing: identity) }
        if let hardState = state.hardState {
            stateNumber += 1
            let slot = StateSlot(
                number: stateNumber, member: member, term: hardState.term, votedFor: hardState.votedFor)
            steps.append(.write(.state, offset: StateSlot.place(number: stateNumber), slices: [slot.encode()]))
            if limits.sabotage != .stateNotSynced { steps.append(.sync(.state)) }
        }
        let frame = takeFrame(into: &steps)
        let token = backlog.takeToken()
        guard !steps.isEmpty || token != nil else { return nil }
        quietSince = nil
        witnessIsDue = false
        idleSince = nil
        isIdle = false
        let id = newID()
        logJob = (id, .frames(token: token, frame: frame))
        return DiskOperation(id: id, lane: .log, steps: steps)
    }

    /// An identity is replaced whole: a draft, synced, renamed, and the directory synced.
    static func steps(replacing identity: Identity) -> [DiskStep] {
        let bytes = identity.encode()
        return [
            .create(.identityDraft, size: bytes.count),
            .write(.identityDraft, offset: 0, slices: [bytes]),
            .sync(.identityDraft),
            .rename(.identityDraft, to: .identity),
            .syncDirectory,
        ]
    }

    /// The next frame, with as many entries as it and its segment hold.
    private mutating func takeFrame(into steps: inout [DiskStep]) -> PlacedFrame? {
        guard let first = backlog.first, let plan = planFrame() else { return nil }
        sequence += 1
        let restarts = backlog.restarts
        let entries = backlog.take(plan.count)
        let (bytes, header) = Frame.encode(
            segment: segment.number, sequence: sequence, firstIndex: first, entries: entries,
            payloadBytes: plan.payloadBytes, member: member, restarts: restarts)
        let frame = PlacedFrame(header: header, offset: segment.offset, supersedes: restarts || first <= lastWritten)
        precondition(
            restarts || first <= lastWritten.next || limits.sabotage == .gapAfterRestart, "a gap between the frames of the log")
        precondition(header.extent <= segment.room, "a frame must fit into its segment")
        steps.append(.write(.segment(segment.number), offset: segment.offset, slices: [bytes]))
        if limits.sabotage != .logNotSynced { steps.append(.sync(.segment(segment.number))) }
        segment.offset += header.extent
        writtenBytes += header.extent
        lastWritten = header.lastIndex
        return frame
    }

    /// How many of the waiting entries the next frame takes; goes on to the spare segment when this one has no room
    /// for the first of them. Nil: nothing can be written before there is another segment.
    private mutating func planFrame() -> (count: Int, payloadBytes: Int)? {
        while true {
            let plan = countFitting()
            if plan.count > 0 || (backlog.entries.isEmpty && segment.room >= FrameHeader.extent(payloadBytes: 0)) {
                return plan
            }
            guard let next = spares.first, next.room >= bytesFirstWaitingTakes else { return nil }
            spares.removeFirst()
            segment = next
        }
    }

    /// How many of the waiting entries fit into this segment. While there is no spare, commands leave a reserve
    /// alone, so that a new leader's first entry and a configuration find room on a full disk.
    private func countFitting() -> (count: Int, payloadBytes: Int) {
        let room = segment.room - Format.frameHeaderBytes
        let roomForCommands = spares.isEmpty ? room - limits.reserve(ofSegment: segment.size) : room
        var count = 0
        var payloadBytes = 0
        for entry in backlog.entries {
            let after = payloadBytes + Frame.size(of: entry)
            guard after <= (entry.kind == .command ? roomForCommands : room) else { break }
            guard count == 0 || after <= limits.maxFrameBytes else { break }
            payloadBytes = after
            count += 1
        }
        return (count, payloadBytes)
    }

    /// Bytes of a frame with nothing but the first entry that waits.
    var bytesFirstWaitingTakes: Int {
        backlog.entries.first.map { FrameHeader.extent(payloadBytes: Frame.size(of: $0)) } ?? 0
    }

    private mutating func startWitness() -> DiskOperation? {
        witnessIsDue = false
        guard let lastFrame, lastFrame.sequence > witnessed else { return nil }
        let id = newID()
        logJob = (id, .witness(sequence: lastFrame.sequence))
        witnessTurn &+= 1
        let place = Witness.place(turn: witnessTurn)
        let file = DiskFile.segment(lastFrame.segment)
        return DiskOperation(id: id, lane: .log, steps: [
            .write(file, offset: place, slices: [lastFrame.encode(member: member)]), .sync(file),
        ])
    }

    mutating func logJobEnded(
        _ job: LogJob, _ result: DiskResult, now: Instant, into events: inout [StorageEvent]
    ) {
        if case .failed(let error) = result, limits.sabotage != .syncErrorIgnored {
            fail(.disk(error), into: &events)
            return
        }
        switch job {
        case .witness(let sequence):
            witnessed = sequence
        case .frames(let token, let frame):
            if let frame {
                positions.note(frame.header, at: frame.offset, supersedes: frame.supersedes)
                spans.note(frame.header)
                lastFrame = Witness(frame.header, at: frame.offset)
            }
            idleSince = now
            quietSince = lastFrame == nil || lastFrame?.sequence == witnessed ? nil : now
            if let token { events.append(.durable(token: token)) }
        }
    }
}
