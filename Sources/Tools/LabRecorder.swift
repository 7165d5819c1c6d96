import Base
import Client
import EventLoop
import Glibc
import Synchronization
import Wire

/// Looks at the members of a report's cluster all the time, from outside: what they say of themselves, and what they write into
/// their logs. An experiment asks it for what it saw since the experiment began.
final class LabRecorder: Sendable {
    /// What a member said, or that it said nothing.
    struct Look: Sendable {
        var time: Instant
        /// Nil: no answer.
        var status: Wire.Status?
    }

    /// A line of a member's log that tells of an election.
    struct Word: Equatable, Sendable {
        enum Kind: Equatable, Sendable {
            case timedOut, asks, campaigns, leads, stepsDown(String)
        }
        var time: Instant
        var member: String
        var kind: Kind
        var term: UInt64
    }

    private struct State {
        var looks: [String: [Look]] = [:]
        var words: [Word] = []
        var moments: [(time: Instant, text: String)] = []
        /// How far each log has been read, and what stands behind its last line's end.
        var read: [String: (offset: Int, rest: [UInt8])] = [:]
    }

    private let rig: LabRig
    private let client: Client
    private let state = Mutex(State())
    private let watchers = Mutex<[Task<Void, Never>]>([])
    /// One at a time reads logs.
    private let reading = Mutex(())

    static let interval = Interval.milliseconds(40)
    /// The most looks at one member that are kept: three minutes of them, and more.
    private static let maxLooks = 10_000
    private static let maxWords = 10_000

    init(_ rig: LabRig, _ client: Client) {
        self.rig = rig
        self.client = client
    }

    /// Begins to look. Until `stop`.
    func start() {
        let tasks = rig.names.map { name in
            Task { await self.watch(name) }
        } + [Task { await self.listen() }]
        watchers.withLock { $0 = tasks }
    }

    func stop() {
        for task in watchers.withLock({ $0 }) { task.cancel() }
    }

    /// Notes what is done to the cluster.
    func mark(_ text: String) {
        state.withLock { $0.moments.append((Loop.now, text)) }
    }

    private func watch(_ name: String) async {
        let endpoint = rig.endpoint(of: name)
        while !Task.isCancelled {
            let report = await client.status(at: endpoint)
            var status: Wire.Status?
            if case .success(let answer) = report.answer { status = answer }
            let look = Look(time: Loop.now, status: status)
            state.withLock { state in
                if state.looks[name, default: []].count < Self.maxLooks { state.looks[name, default: []].append(look) }
            }
            await Self.rest(Self.interval)
        }
    }

    private func listen() async {
        while !Task.isCancelled {
            readLogs()
            await Self.rest(.milliseconds(10))
        }
    }

    /// Waits, unless the task is cancelled.
    static func rest(_ interval: Interval) async {
        do {
            try await Task.sleep(nanoseconds: interval.nanoseconds)
        } catch {
            // Cancelled: whoever waits looks at the task itself.
        }
    }

    private func readLogs() { reading.withLock { _ in readNewLines() } }

    private func readNewLines() {
        for name in rig.names {
            let (offset, rest) = state.withLock { $0.read[name] ?? (0, []) }
            let new = Self.bytes(of: rig.log(of: name), from: offset)
            guard !new.isEmpty else { continue }
            var lines = (rest + new).split(separator: 10, omittingEmptySubsequences: false)
            let unfinished = Array(lines.removeLast())
            let words = lines.compactMap { Self.word(String(decoding: $0, as: UTF8.self), name, Loop.now) }
            state.withLock { state in
                state.read[name] = (offset + new.count, unfinished)
                if state.words.count < Self.maxWords { state.words += words }
            }
        }
    }

    private static func bytes(of path: String, from offset: Int) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = pread(descriptor, &bytes, bytes.count, off_t(offset))
        return Array(bytes.prefix(max(0, count)))
    }

    /// Reads a line of a member's log; nil when it tells of no election.
    static func word(_ line: String, _ member: String, _ time: Instant) -> Word? {
        guard let source = line.firstRange(of: "] ") else { return nil }
        let said = line[source.upperBound...]
        let term = line.split(separator: " ").first { $0.hasPrefix("term=") }.flatMap { UInt64($0.dropFirst(5)) } ?? 0
        let kind: Word.Kind
        if said.hasPrefix("no leader was heard within the election timeout") {
            kind = .timedOut
        } else if said.hasPrefix("asking whether an election could be won") {
            kind = .asks
        } else if said == "campaigning" {
            kind = .campaigns
        } else if said == "became leader" {
            kind = .leads
        } else if said.hasPrefix("stepped down: ") {
            kind = .stepsDown(String(said.dropFirst("stepped down: ".count)))
        } else {
            return nil
        }
        return Word(time: time, member: member, kind: kind, term: term)
    }

    // MARK: What was seen

    func looks(at name: String, since began: Instant) -> [Look] {
        state.withLock { $0.looks[name] ?? [] }.filter { $0.time >= began }
    }

    func words(since began: Instant) -> [Word] {
        readLogs()
        return state.withLock { $0.words }.filter { $0.time >= began }
    }

    /// What each member said last.
    var latest: [String: Wire.Status] {
        state.withLock { state in state.looks.compactMapValues { $0.last?.status } }
    }

    /// The drawing of what was seen from `began` to `ended`.
    func timeline(from began: Instant, to ended: Instant, writers: [LabTimeline.Writer]) -> LabTimeline {
        func seconds(_ time: Instant) -> Double { Self.seconds(time, since: began) }
        var timeline = LabTimeline(seconds: seconds(ended), writers: writers)
        timeline.members = rig.names.map { name in
            LabTimeline.Member(name: name, spans: Self.spans(looks(at: name, since: began), since: began, until: ended))
        }
        let marks = state.withLock { $0.moments }.filter { $0.time >= began && $0.time <= ended }
        let leads = words(since: began).filter { $0.kind == .leads && $0.time <= ended }
        timeline.moments =
            (marks.map { LabTimeline.Moment(time: seconds($0.time), text: $0.text) }
            + leads.map { LabTimeline.Moment(time: seconds($0.time), text: "\($0.member) is elected in term \($0.term)") })
            .sorted { $0.time < $1.time }
        return timeline
    }

    static func seconds(_ time: Instant, since began: Instant) -> Double {
        time >= began ? Double((time - began).nanoseconds) / 1e9 : 0
    }

    /// Looks that say the same become one stretch.
    static func spans(_ looks: [Look], since began: Instant, until ended: Instant) -> [LabTimeline.Span] {
        var spans: [LabTimeline.Span] = []
        for look in looks where look.time <= ended {
            let time = seconds(look.time, since: began)
            let state = LabTimeline.State(look.status)
            let term = look.status?.term.rawValue ?? 0
            if let last = spans.last, last.state == state, last.term == term {
                spans[spans.count - 1].to = time
            } else {
                // It changed between two looks: at the first that shows it, and to the reader at once.
                let from = spans.last?.to ?? 0
                spans.append(LabTimeline.Span(from: from, to: time, state: state, term: term))
            }
        }
        if !spans.isEmpty { spans[spans.count - 1].to = seconds(ended, since: began) }
        return spans
    }
}

extension LabTimeline.State {
    init(_ status: Wire.Status?) {
        switch status?.role {
        case nil: self = .silent
        case .leader: self = .leader
        case .candidate, .preCandidate: self = .candidate
        case .follower, .learner, .unspecified: self = .follower
        }
    }
}
