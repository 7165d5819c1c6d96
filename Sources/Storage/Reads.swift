import Base
import DequeModule
import LogFormat

/// Reads of old entries: those that wait, those that run, and where the last ones ended.
struct Reads {
    /// Where to read next, and the index of the first entry there.
    struct Place: Sendable, Equatable {
        var index: Index
        var segment: UInt64
        var offset: Int
    }

    struct Request {
        var request: UInt64
        var from: Index
        /// The last index that may be answered with. Below `from`: there is no such entry any more.
        var through: Index
        var maxBytes: Int
        /// Where it reads; nil before it was looked up.
        var place: Place?
        /// Bytes to read there: at least so many, and in the end just so many.
        var count = 0
    }

    /// Bounded by those who ask: one read for each follower that lags, and one to apply entries.
    var waiting = Deque<Request>()
    /// At most `StorageLimits.maxReads`.
    var running: [(id: UInt64, request: Request)] = []
    /// A follower that catches up reads on where its last read ended. The latest first.
    private(set) var cursors: [Place] = []
    private static let maxCursors = 8

    /// Entries from `index` on are void: no answer may hold one of them.
    mutating func truncate(from index: Index) {
        for number in waiting.indices where waiting[number].through >= index {
            waiting[number].through = index.previous
        }
        for number in running.indices where running[number].request.through >= index {
            running[number].request.through = index.previous
        }
        cursors.removeAll { $0.index >= index }
    }

    /// Entries before `index` are no part of the log any more: who asked for one is answered with none.
    mutating func void(before index: Index) {
        for number in waiting.indices where waiting[number].from < index { waiting[number].through = 0 }
        for number in running.indices where running[number].request.from < index {
            running[number].request.through = 0
        }
        cursors.removeAll { $0.index < index }
    }

    /// No read that runs, or goes on where it stopped, looks at a segment before this one.
    var oldestSegment: UInt64 {
        let places = running.map(\.request.place) + waiting.map(\.place)
        return min(places.compactMap { $0?.segment }.min() ?? .max, cursors.map(\.segment).min() ?? .max)
    }

    mutating func remember(_ place: Place) {
        cursors.removeAll { $0 == place }
        if cursors.count == Self.maxCursors { cursors.removeLast() }
        cursors.insert(place, at: 0)
    }

    /// The nearest known place at or before `index`. A point of the log is preferred to a cursor of the same index:
    /// after a truncation a cursor may stand before the frames that were superseded.
    func start(for index: Index, in positions: Positions) -> Place? {
        guard let point = positions.point(atOrBefore: index) else { return nil }
        var best = Place(index: point.index, segment: UInt64(point.segment), offset: Int(point.offset))
        for cursor in cursors where cursor.index <= index && cursor.index > best.index { best = cursor }
        return best
    }
}

/// What came of looking at some bytes of the log.
private enum Walk {
    /// Entries, and where the next read goes on.
    case found([Entry], Reads.Place)
    /// Nothing yet: read there, at least so many bytes.
    case onward(Reads.Place, atLeast: Int)
    case damaged(Damage)
}

extension Storage {
    /// Asks for entries that are durable, from the disk. Answered once, by `.entries`: some of them, at least one, or
    /// none when `from` is beyond `durableIndex` or was truncated meanwhile.
    public mutating func read(request: UInt64, from: Index, through: Index, maxBytes: Int) {
        precondition(from > 0 && maxBytes > 0, "a read of nothing")
        var last = from < firstIndex ? 0 : min(through, durableIndex)
        if let end = positions.walkEnd(from: from) { last = min(last, end) }
        reads.waiting.append(Reads.Request(request: request, from: from, through: last, maxBytes: maxBytes))
    }

    mutating func startReads(into operations: inout [DiskOperation]) {
        while reads.running.count < limits.maxReads, var request = reads.waiting.popFirst() {
            let id = newID()
            var steps: [DiskStep] = []
            // A read that has nothing left to read runs all the same, without steps: every request has one way.
            if request.from <= request.through {
                guard let place = request.place ?? reads.start(for: request.from, in: positions) else {
                    preconditionFailure("a durable entry has a position")
                }
                request.place = place
                request.count = max(limits.readBytes, request.maxBytes, request.count)
                request.count = min(request.count, max(limits.segmentBytes, segment.size))
                steps.append(.read(.segment(place.segment), offset: place.offset, count: request.count))
            }
            reads.running.append((id, request))
            operations.append(DiskOperation(id: id, lane: .read, steps: steps))
        }
    }

    mutating func readEnded(_ id: UInt64, _ result: DiskResult, into events: inout [StorageEvent]) {
        guard let number = reads.running.firstIndex(where: { $0.id == id }) else {
            preconditionFailure("a completion of an operation that does not run")
        }
        var request = reads.running.remove(at: number).request
        switch result {
        case .failed(let error):
            fail(.disk(error), into: &events)
        case .done(let buffers):
            guard request.from <= request.through, let buffer = buffers.first, let place = request.place else {
                events.append(.entries(request: request.request, []))
                return
            }
            switch walk(request, from: place, through: buffer) {
            case .found(let entries, let next):
                reads.remember(next)
                events.append(.entries(request: request.request, entries))
            case .onward(let place, let atLeast):
                request.place = place
                request.count = atLeast
                reads.waiting.prepend(request)
            case .damaged(let damage):
                fail(.damaged(damage), into: &events)
            }
        }
    }

    /// Goes from frame to frame in `buffer`, which begins at `start`, and collects what was asked for.
    private func walk(_ request: Reads.Request, from start: Reads.Place, through buffer: Bytes) -> Walk {
        var place = start
        var found: [Entry] = []
        var foundBytes = 0
        let atEnd = buffer.count < request.count
        place.index = request.from

        while true {
            let offset = place.offset - start.offset
            guard buffer.count - offset >= Format.frameHeaderBytes else {
                if !found.isEmpty { return .found(found, place) }
                return atEnd ? nextSegment(after: place) : .onward(place, atLeast: 0)
            }
            let header: FrameHeader
            do {
                header = try FrameHeader(decoding: buffer[offset..<buffer.count], member: member)
            } catch {
                guard error == .blank else { return damage(at: place, error.description) }
                return found.isEmpty ? nextSegment(after: place) : .found(found, place)
            }
            guard header.segment == place.segment, header.firstIndex <= place.index else {
                return damage(at: place, "the frame with entry \(place.index) is missing")
            }
            guard header.lastIndex >= place.index else {
                place.offset += header.extent
                continue
            }
            guard offset + header.extent <= buffer.count else {
                if !found.isEmpty { return .found(found, place) }
                return atEnd
                    ? damage(at: place, "the file ends within a frame") : .onward(place, atLeast: header.extent)
            }
            switch entries(of: header, in: buffer[offset..<offset + header.extent], at: place) {
            case .failure(let damage):
                return .damaged(damage)
            case .success(let entries):
                for entry in entries[header.firstIndex.distance(to: place.index)...] {
                    let after = foundBytes + entry.packed.count
                    guard entry.index <= request.through, found.isEmpty || after <= request.maxBytes else {
                        return .found(found, place)
                    }
                    found.append(entry)
                    foundBytes = after
                    place.index = entry.index.next
                }
            }
            place.offset += header.extent
        }
    }

    private func entries(
        of header: FrameHeader, in frame: Bytes, at place: Reads.Place
    ) -> Result<[Entry], Damage> {
        let file = DiskFile.segment(place.segment)
        guard Frame.payloadMatches(header, frame) else {
            return .failure(Damage(file, at: place.offset, "the checksum of the frame does not match"))
        }
        do {
            return .success(try Frame.entries(header, frame))
        } catch {
            return .failure(Damage(file, at: place.offset, error.description))
        }
    }

    private func damage(at place: Reads.Place, _ reason: String) -> Walk {
        .damaged(Damage(.segment(place.segment), at: place.offset, reason))
    }

    /// The frames of this segment are at an end, and the wanted one is not among them.
    private func nextSegment(after place: Reads.Place) -> Walk {
        guard place.segment < segment.number else {
            return damage(at: place, "the frame with entry \(place.index) is missing")
        }
        return .onward(
            Reads.Place(index: place.index, segment: place.segment + 1, offset: Format.framesStart), atLeast: 0)
    }
}
