@_spi(Sabotage) import Base
import Consensus
import LogFormat

extension Storage {
    /// Reads a data directory: what it holds, or why that cannot be told. A refusal changes nothing on disk. Otherwise
    /// a torn tail is taken away, drafts are removed, and everything is synced: a member that was killed may have
    /// left in the kernel's memory what it now finds, and its peers will be told of it at once.
    public static func recover(
        from directory: some DirectoryImage, limits: StorageLimits = StorageLimits()
    ) throws(RecoveryFailure) -> Recovery {
        let files: [(file: DiskFile, size: Int)]
        do { files = try directory.list() } catch { throw .disk(error) }
        let reader = RecoveryReader(directory: directory, files: files, limits: limits)
        guard let (recovered, repairs) = try reader.read() else { return .blank }
        do { try directory.perform(repairs) } catch { throw .disk(error) }
        return .member(recovered)
    }

    /// What makes a blank directory a member's: run it, then `recover`. The identity comes last: without one there
    /// is no member yet, and whatever a crash left behind is made anew.
    public static func format(_ identity: Identity, limits: StorageLimits = StorageLimits()) -> DiskOperation {
        let slot = StateSlot(number: 1, member: identity.member, term: 0, votedFor: nil)
        var steps: [DiskStep] = [
            .create(.stateDraft, size: Format.stateBytes),
            .write(.stateDraft, offset: StateSlot.place(number: 1), slices: [slot.encode()]),
            .sync(.stateDraft),
            .rename(.stateDraft, to: .state),
        ]
        steps += Self.steps(preparing: 1, size: min(limits.leastSegmentBytes, limits.segmentBytes), member: identity.member)
        steps += Self.steps(replacing: identity)
        return DiskOperation(id: 0, lane: .log, steps: steps)
    }
}

/// One reading of a data directory.
struct RecoveryReader<Image: DirectoryImage> {
    let directory: Image
    let files: [(file: DiskFile, size: Int)]
    let limits: StorageLimits

    private func size(of file: DiskFile) -> Int? { files.first { $0.file == file }?.size }

    func bytes(_ file: DiskFile, _ offset: Int, _ count: Int) throws(RecoveryFailure) -> Bytes {
        do { return try directory.read(file, offset: offset, count: count) } catch { throw .disk(error) }
    }

    /// The member and what is to be done before it may start; nil when there is none.
    func read() throws(RecoveryFailure) -> (Recovered, repairs: [DiskStep])? {
        guard let identity = try readIdentity() else { return nil }
        let (hardState, stateNumber) = try readState(of: identity.member)
        let (snapshot, olderSnapshots) = try readSnapshotHeaders(of: identity.member)
        let segments = try readSegmentHeaders(of: identity.member, mayBeginLater: snapshot != nil)
        let superfluous = try superfluous(of: segments, member: identity.member, behind: snapshot?.index ?? 0)
        var log = LogReader(
            directory, member: identity.member, segments: segments, superfluous: superfluous, limits: limits,
            mayBeginLater: snapshot != nil)
        try log.read()
        let scan = log.scan
        let start = try LogStart(scan, snapshot, sabotage: limits.sabotage)
        guard max(scan.lastTerm, snapshot?.term ?? 0) <= hardState.term else {
            throw .damaged(Damage(
                .state, at: 0, "it knows term \(hardState.term), and the log or its snapshot holds an entry of "
                    + "term \(max(scan.lastTerm, snapshot?.term ?? 0))"))
        }
        let recovered = Recovered(
            identity: identity, bootstrap: try bootstrap(identity), hardState: hardState, runs: start.runs,
            firstIndex: start.firstIndex, baseTerm: start.baseTerm, snapshot: snapshot, staleSnapshots: olderSnapshots,
            restarts: start.restarts, spans: log.spans, lastIndex: start.lastIndex,
            configurations: start.restarts ? [] : scan.configurations.filter { $0.index >= start.firstIndex },
            tail: start.restarts ? [] : scan.ownTail.filter { $0.index >= start.firstIndex }, cut: log.cut,
            segment: log.current, spares: log.spares, sequence: scan.sequence, stateNumber: stateNumber,
            lastFrame: scan.lastFrame, witnessed: log.witnessed, witnessTurn: log.witnessTurn,
            positions: scan.positions)
        return (recovered, log.repairs + repairs(after: log))
    }

    /// Everything that was found is made durable, and what was on its way is removed.
    private func repairs(after log: LogReader<Image>) -> [DiskStep] {
        var steps: [DiskStep] = [.sync(.state), .sync(.segment(log.current.number))]
        if let last = log.scan.lastFrame, last.segment != log.current.number { steps.append(.sync(.segment(last.segment))) }
        for (file, _) in files where file.isDraft { steps.append(.remove(file)) }
        steps.append(.syncDirectory)
        return steps
    }

    func readIdentity() throws(RecoveryFailure) -> Identity? {
        guard let size = size(of: .identity) else {
            guard try holdsNoMember() else {
                throw .damaged(Damage(.identity, at: 0, "the file is missing, and there are others of a member"))
            }
            return nil
        }
        guard size <= Identity.maxBytes else { throw .damaged(Damage(.identity, at: 0, "no identity is that large")) }
        let bytes = try bytes(.identity, 0, size)
        do {
            return try Identity(decoding: bytes)
        } catch {
            throw RecoveryFailure(error, "the member's identity", in: .identity, at: 0)
        }
    }

    /// Without an identity there may be what a crash left of `Storage.format`: no vote, no term, no entry.
    private func holdsNoMember() throws(RecoveryFailure) -> Bool {
        if let size = size(of: .state) {
            guard size == Format.stateBytes else { return false }
            let (hardState, number) = try readState(of: nil)
            guard hardState == HardState(), number == 1 else { return false }
        }
        for (file, size) in files {
            if case .snapshot = file { return false }
            guard case .segment(let number) = file else { continue }
            var window = LogWindow(directory, file, size: size)
            guard number == 1, try window.firstWritten(from: Format.framesStart) == nil else { return false }
        }
        return true
    }

    func bootstrap(_ identity: Identity) throws(RecoveryFailure) -> Configuration? {
        guard !identity.configuration.isEmpty else { return nil }
        do {
            return try Configuration(decoding: identity.configuration)
        } catch {
            throw .damaged(Damage(.identity, at: 0, "its first configuration cannot be decoded"))
        }
    }

    /// The newer of the two slots. A slot is one sector and is written whole or not at all, so one that cannot be read
    /// was damaged, and nobody can say whether it held the newer vote: in doubt, refuse (pitfall 4).
    func readState(of member: MemberID?) throws(RecoveryFailure) -> (HardState, number: UInt64) {
        guard size(of: .state) == Format.stateBytes else {
            throw .damaged(Damage(.state, at: 0, "the file is missing or has another size"))
        }
        var slots: [StateSlot] = []
        for place in [StateSlot.place(number: 1), StateSlot.place(number: 2)] {
            let bytes = try bytes(.state, place, Format.sectorBytes)
            do throws(RecordFault) {
                let slot = try StateSlot(decoding: bytes)
                guard StateSlot.place(number: slot.number) == place, member == nil || slot.member == member else {
                    throw RecordFault.invalid("it belongs elsewhere")
                }
                slots.append(slot)
            } catch {
                guard error == .blank, bytes.withUnsafeBytes({ isBlank($0) }) else {
                    throw RecoveryFailure(error, "term and vote", in: .state, at: place)
                }
            }
        }
        slots.sort { $0.number < $1.number }
        guard let newest = slots.last, slots.first?.number == max(1, newest.number - 1) else {
            throw .damaged(Damage(.state, at: 0, "a slot with term and vote is gone, or holds an older one than it must"))
        }
        let taken = limits.sabotage == .olderStateSlot ? slots[0] : newest
        return (HardState(term: taken.term, votedFor: taken.votedFor), newest.number)
    }

    /// The segments of the log, in order, none missing.
    private func readSegmentHeaders(of member: MemberID, mayBeginLater: Bool) throws(RecoveryFailure) -> [OpenSegment] {
        var segments: [OpenSegment] = []
        for (file, size) in files {
            guard case .segment(let number) = file else { continue }
            segments.append(OpenSegment(number: number, size: size, offset: Format.framesStart))
        }
        segments.sort { $0.number < $1.number }
        let first = mayBeginLater ? segments.first?.number ?? 1 : 1
        for (position, segment) in segments.enumerated() where segment.number != first + UInt64(position) {
            throw .damaged(Damage(.segment(first + UInt64(position)), at: 0, "the file is missing, and later ones are there"))
        }
        guard !segments.isEmpty else { throw .damaged(Damage(.segment(1), at: 0, "the file is missing")) }
        for segment in segments {
            let file = DiskFile.segment(segment.number)
            let header: SegmentHeader
            let bytes = try bytes(file, 0, Format.sectorBytes)
            do {
                header = try SegmentHeader(decoding: bytes)
            } catch {
                throw RecoveryFailure(error, "the header of the segment", in: file, at: 0)
            }
            guard header.segment == segment.number else {
                throw .damaged(Damage(file, at: 0, "it is segment \(header.segment) under another name"))
            }
            guard header.member == member else {
                throw .damaged(Damage(file, at: 0, "it belongs to member \(header.member), and this is \(member)"))
            }
            guard header.size == segment.size else {
                throw .damaged(Damage(
                    file, at: min(segment.size, header.size), "the file is \(segment.size) bytes long, not \(header.size)"))
            }
        }
        return segments
    }
}
