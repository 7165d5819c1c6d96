import Base
import EventLoop
import Logging
import Replica
import Wire

/// What this member loses or holds back on purpose of what it says to the others and hears from them. It exists only
/// with `--enable-faults` (docs/decisions/fault-switch.md); without, nobody has anything to ask.
///
/// Confined to the member's loop.
final class Faults: @unchecked Sendable {
    let loop: Loop
    let log: Logger
    let codec = Wire.Codec()
    private var links: [String: Wire.Link] = [:]
    private var drops: [Wire.Drop] = []
    private var dropped: UInt64 = 0
    private var delayed: UInt64 = 0
    private var lines: [String: DelayLine] = [:]
    /// How often each link was cut, so that an old cut's timer does not break the connection of a new one.
    private var cuts: [String: UInt64] = [:]

    /// Whether this is another member's name.
    var isPeer: (String) -> Bool
    /// Lets the election timer run out; or why it cannot.
    var expireElectionTimer: () -> Failure? = { .notMet }
    /// The link to this peer has been cut for `silence`.
    var onSilence: (String) -> Void = { _ in }

    /// Orders to drop messages that stand at a time.
    static let maxDrops = 64
    /// How long a dead connection goes unnoticed: its keepalive's interval and timeout.
    static let silence = Interval.seconds(4)

    init(loop: Loop, log: Logger, isPeer: @escaping (String) -> Bool) {
        self.loop = loop
        self.log = log
        self.isPeer = isPeer
    }

    // MARK: What the member asks

    /// Whether a message of this kind that the member sends reaches the link to `peer`; when not, an order is used up.
    func admits(_ kind: Wire.MessageKind, to peer: String) -> Bool {
        guard links[peer]?.dropsTo != true, !isOrdered(kind, to: peer) else {
            dropped += 1
            return false
        }
        return true
    }

    /// Whether what comes from `peer` is heard.
    func hears(_ peer: String) -> Bool {
        guard links[peer]?.dropsFrom == true else { return true }
        dropped += 1
        return false
    }

    /// Whether a Hello is heard and answered.
    func answersHello(of peer: String) -> Bool { hears(peer) && admits(.hello, to: peer) }

    /// Sends a message now, later, or never. False when it is lost already.
    @discardableResult
    func send(_ kind: Wire.MessageKind, to peer: String, _ deliver: @escaping () -> Void) -> Bool {
        guard admits(kind, to: peer) else { return false }
        let delay = links[peer]?.delayMs ?? 0
        // What is sent without delay does not overtake what is still on its way.
        guard delay > 0 || lines[peer]?.isEmpty == false else {
            deliver()
            return true
        }
        let line = lines[peer] ?? DelayLine(loop)
        lines[peer] = line
        let isOnItsWay = line.add(after: .milliseconds(delay)) { [unowned self] in
            if links[peer]?.dropsTo == true { dropped += 1 } else { deliver() }
        }
        if isOnItsWay { delayed += 1 } else { dropped += 1 }
        return isOnItsWay
    }

    private func isOrdered(_ kind: Wire.MessageKind, to peer: String) -> Bool {
        let place = drops.firstIndex { $0.kind == kind && ($0.peer.isEmpty || $0.peer == peer) }
        guard let place else { return false }
        drops[place].count -= 1
        if drops[place].count == 0 { drops.remove(at: place) }
        return true
    }

    // MARK: What the service sets

    var state: Wire.FaultState {
        Wire.FaultState(
            links: links.values.sorted { $0.peer < $1.peer }, drops: drops, dropped: dropped, delayed: delayed)
    }

    func set(_ link: Wire.Link) {
        let wasCut = links[link.peer]?.isCut == true
        links[link.peer] = link.isWhole ? nil : link
        if link.isWhole { lines.removeValue(forKey: link.peer)?.flush() }
        log.warning("fault: the link to \(link.peer) \(link.words)")
        guard link.isCut else {
            cuts[link.peer, default: 0] += 1
            return
        }
        if !wasCut { watchSilence(of: link.peer) }
    }

    /// False when too many stand already.
    func add(_ drop: Wire.Drop) -> Bool {
        guard drops.count < Self.maxDrops else { return false }
        drops.append(drop)
        log.warning("fault: the next \(drop.count) \(drop.kind) to \(drop.peer.isEmpty ? "anybody" : drop.peer) will be dropped")
        return true
    }

    /// No names: everything.
    func heal(_ peers: [String]) {
        if peers.isEmpty { drops = [] }
        let all = Set(links.keys).union(lines.keys).sorted()
        for peer in peers.isEmpty ? all : peers { set(Wire.Link(peer: peer)) }
    }

    private func watchSilence(of peer: String) {
        let cut = cuts[peer, default: 0]
        OneShot(loop).start(after: Self.silence) { [weak self] in
            guard let self, cuts[peer, default: 0] == cut else { return }
            onSilence(peer)
        }
    }
}

extension Wire.Link {
    /// For the log.
    fileprivate var words: String {
        if isWhole { return "is whole" }
        var words: [String] = []
        if dropsTo { words.append("drops what goes there") }
        if dropsFrom { words.append("drops what comes from there") }
        if delayMs > 0 { words.append("delays what goes there by \(delayMs) ms") }
        return words.joined(separator: ", ")
    }
}
