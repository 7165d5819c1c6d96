import Base
import Consensus
import LogFormat
import Storage
import Testing
import VirtualDisk

/// Random turns, run step by step on a disk that fails at any of them, again and again.
@Suite struct Crashes {
    /// One member's life: turns it handed in, and what may be on its disk.
    struct Life {
        var random: SplitMix64
        var term: Term = 1
        var token: UInt64 = 0
        /// The state after each turn that was handed in, from the last one that is known to be durable.
        var states: [(token: UInt64, truncateFrom: Index?, model: Model)] = [(0, nil, Model())]

        mutating func turn() -> Turn {
            let model = states.last!.model
            token += 1
            var turn = Turn(token: token)
            if term.rawValue == 1 || random.next(below: 8) == 0 {
                term = term.next
                turn.hardState = HardState(term: term, votedFor: random.next(below: 2) == 0 ? nil : 9)
                if random.next(below: 2) == 0 { record(turn); return turn }
            }
            var last = UInt64(model.log.count)
            if last > 0, random.next(below: 6) == 0 {
                last = random.next(below: last + 1)
                turn.truncateFrom = Index(last + 1)
                if random.next(below: 4) == 0 { record(turn); return turn }
            }
            // Some are larger than a small segment has room for.
            let bound: UInt64 = random.next(below: 10) == 0 ? 6_000 : 300
            for _ in 0..<random.next(below: 6) {
                last += 1
                turn.entries.append(entry(
                    Index(last), term: term, size: Int(random.next(below: bound)), seed: random.next()))
            }
            record(turn)
            return turn
        }

        private mutating func record(_ turn: Turn) {
            var model = states.last!.model
            model.apply(turn)
            states.append((turn.token, turn.truncateFrom, model))
        }

        mutating func durable(_ token: UInt64) { states.removeAll { $0.token < token } }

        /// Whether what was recovered is right: nothing acknowledged is missing, and nothing is there that was never
        /// handed in.
        func allows(_ hardState: HardState, _ log: [Entry]) -> Bool {
            guard states.contains(where: { $0.model.hardState == hardState }) else { return false }
            let acknowledged = states[0].model.log
            var floor = acknowledged.count
            for state in states {
                if let index = state.truncateFrom, state.token != states[0].token {
                    floor = min(floor, Int(index.rawValue - 1))
                }
                if log.count >= floor, log.count <= state.model.log.count, log == Array(state.model.log.prefix(log.count)) {
                    return true
                }
            }
            return false
        }

        mutating func restart(_ hardState: HardState, _ log: [Entry]) {
            states = [(0, nil, Model(hardState: hardState, log: log))]
            token = 0
            term = max(hardState.term, 1)
        }
    }

    @Test("Whatever a power failure leaves of unsynced writes, nothing acknowledged is lost and no start is refused", arguments: 0..<60 as Range<UInt64>)
    func powerFailures(seed: UInt64) throws {
        var life = Life(random: SplitMix64(seed: seed))
        var limits = smallLimits()
        if seed % 2 == 0 { limits.leastSegmentBytes = 16 << 10 }
        let disk = VirtualDisk()
        _ = disk.run(Storage.format(Identity(member: 7, name: "n1"), limits: limits))
        for _ in 0..<12 {
            let rig = try Rig(disk, limits: limits)
            let log = rig.readAll()
            #expect(UInt64(log.count) == rig.recovered.lastIndex.rawValue)
            #expect(life.allows(rig.recovered.hardState, log), "seed \(seed)")
            #expect(log.suffix(rig.recovered.tail.count) == rig.recovered.tail[...])
            life.restart(rig.recovered.hardState, log)
            live(&life, rig)
            let loss: VirtualDisk.Loss = switch life.random.next(below: 5) {
            case 0: .everything
            case 1: .nothing
            default: .someSectors
            }
            disk.crash(loss, &life.random)
        }
    }

    /// Some turns, and an end at any step.
    private func live(_ life: inout Life, _ rig: Rig) {
        for _ in 0..<life.random.next(below: 120) {
            if life.random.next(below: 3) == 0 { rig.write(life.turn()) }
            if life.random.next(below: 10) == 0 { rig.advance(.milliseconds(life.random.next(below: 120))) }
            rig.begin()
            guard !rig.running.isEmpty else { continue }
            rig.step(Int(life.random.next(below: UInt64(rig.running.count))))
            life.durable(rig.durable)
        }
    }

    @Test("A crash at any step of the first start leaves a blank directory or a member", arguments: [VirtualDisk.Loss.everything, .nothing, .someSectors])
    func firstStart(loss: VirtualDisk.Loss) throws {
        let limits = smallLimits()
        let steps = Storage.format(Identity(member: 7, name: "n1"), limits: limits).steps
        var random = SplitMix64(seed: 1)
        for count in 0...steps.count {
            for _ in 0..<20 {
                let disk = VirtualDisk()
                try disk.perform(Array(steps.prefix(count)))
                disk.crash(loss, &random)
                switch try Storage.recover(from: disk, limits: limits) {
                case .blank:
                    #expect(count < steps.count)
                    try disk.perform(Storage.format(Identity(member: 8, name: "n2"), limits: limits).steps)
                    #expect(try Rig(disk, limits: limits).recovered.identity.member == 8)
                case .member(let recovered):
                    #expect(recovered.identity == Identity(member: 7, name: "n1"))
                    #expect(recovered.hardState == HardState())
                    #expect(recovered.lastIndex == 0)
                }
            }
        }
    }

    @Test("A crash at any step of a new identity leaves the old one or the new one")
    func identity() throws {
        var random = SplitMix64(seed: 2)
        let new = Identity(member: 7, name: "n1", cluster: 5, configuration: Configuration(members: [
            .init(id: 7, name: "n1", address: "a:1"),
        ]).encode())
        for stop in 0..<12 {
            for loss in [VirtualDisk.Loss.everything, .nothing, .someSectors] {
                let rig = try Rig()
                rig.settle()
                rig.write(token: 1, identity: new)
                rig.begin()
                for _ in 0..<stop where !rig.running.isEmpty { rig.step(0) }
                rig.disk.crash(loss, &random)
                let identity = try Rig(rig.disk, limits: rig.limits).recovered.identity
                #expect(identity == new || rig.durable == 0)
                if identity != new { #expect(identity == Identity(member: 7, name: "n1")) }
            }
        }
    }

    @Test("What a killed process left in the kernel's memory is made durable before anyone relies on it")
    func killed() throws {
        let rig = try Rig()
        rig.settle()
        rig.write(Turn(token: 1, hardState: HardState(term: 1), entries: entries(1...3)))
        rig.begin()
        // Term, its sync, the frame: and no sync of the frame.
        for _ in 0..<3 { rig.step(0) }
        #expect(rig.durable == 0)
        let again = try Rig(rig.disk, limits: rig.limits)
        #expect(again.recovered.lastIndex == 3)
        var random = SplitMix64(seed: 3)
        rig.disk.crash(.everything, &random)
        #expect(try Rig(rig.disk, limits: rig.limits).recovered.lastIndex == 3)
    }
}
