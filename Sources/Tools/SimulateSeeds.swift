import Base
import Glibc
import Keyspace
import Simulation
import Synchronization

/// What came of one seed: all that is kept of it.
struct SeedOutcome: Sendable {
    var seed: UInt64
    var violation: Violation?
    var traceHash: UInt64
    var statistics: Statistics
    var coverage: Coverage
}

/// What came of many: of those up to the first that failed.
struct SeedTotals: Sendable {
    var seeds = 0
    /// Of the traces' hashes, in the order of the seeds.
    var hash: UInt64 = 0
    /// The last trace's.
    var lastHash: UInt64 = 0
    var statistics = Statistics()
    var coverage = Coverage()
    var failure: SeedOutcome?

    mutating func add(_ outcome: SeedOutcome) {
        seeds += 1
        hash = SplitMix64.mixed(hash, outcome.traceHash)
        lastHash = outcome.traceHash
        statistics.add(outcome.statistics)
        coverage.add(outcome.coverage)
        failure = outcome.violation == nil ? nil : outcome
    }
}

extension SplitMix64 {
    /// Two numbers made one; their order matters.
    fileprivate static func mixed(_ first: UInt64, _ second: UInt64) -> UInt64 {
        var mixer = SplitMix64(seed: first)
        mixer = SplitMix64(seed: mixer.next() ^ second)
        return mixer.next()
    }
}

/// Seeds given out to all cores in their order, and what came of them put together in that order again. So the totals do
/// not depend on who was faster, and the failure is the first one's.
final class SeedRace: Sendable {
    private struct State {
        var next: UInt64?
        /// The next whose outcome is to be added.
        var nextToAdd: UInt64
        /// Done before their turn: no more than a few, as the cores do not get far apart.
        var early: [UInt64: SeedOutcome] = [:]
        var totals = SeedTotals()
        var lastTold: ContinuousClock.Instant
    }

    private let settings: SimulateSettings
    private let began = ContinuousClock.now
    private let state: Mutex<State>
    private let progress: @Sendable (String) -> Void

    /// `progress` gets a line now and then to show in the place of the one before, and at the end an empty one.
    init(_ settings: SimulateSettings, progress: @escaping @Sendable (String) -> Void) {
        self.settings = settings
        self.progress = progress
        state = Mutex(State(next: settings.seeds.lowerBound, nextToAdd: settings.seeds.lowerBound, lastTold: began))
    }

    /// Runs them all, or up to the first that fails.
    func run(threads: Int) -> SeedTotals {
        // Threads, not tasks: runs compute and never wait, and whoever calls may stand on a thread that tasks need.
        let others = (1..<max(1, threads)).map { _ in startThread() }
        work()
        for thread in others { pthread_join(thread, nil) }
        progress("")
        return state.withLock { $0.totals }
    }

    fileprivate func work() {
        while let seed = take() { put(Simulate.outcome(of: settings.recipe(of: seed))) }
    }

    private func startThread() -> pthread_t {
        var thread = pthread_t()
        let race = Unmanaged.passRetained(self).toOpaque()
        let failure = pthread_create(&thread, nil, workOnSeeds, race)
        precondition(failure == 0, "pthread_create: \(String(cString: strerror(failure)))")
        return thread
    }

    private func take() -> UInt64? {
        state.withLock { state in
            guard let seed = state.next else { return nil }
            state.next = seed < settings.seeds.upperBound ? seed + 1 : nil
            return seed
        }
    }

    private func put(_ outcome: SeedOutcome) {
        let line = state.withLock { state -> String? in
            // Those with smaller numbers are under way already, and one of them may fail too.
            if outcome.violation != nil { state.next = nil }
            state.early[outcome.seed] = outcome
            while state.totals.failure == nil, let next = state.early.removeValue(forKey: state.nextToAdd) {
                state.totals.add(next)
                state.nextToAdd &+= 1
            }
            let now = ContinuousClock.now
            guard now - state.lastTold > .milliseconds(250) else { return nil }
            state.lastTold = now
            return progressLine(state.totals, seconds: (now - began) / .seconds(1))
        }
        if let line { progress(line) }
    }

    private func progressLine(_ totals: SeedTotals, seconds: Double) -> String {
        let grouped = BenchReport.grouped
        let rate = Durations.fixed(Double(totals.seeds) / seconds, places: 1)
        let hours = Durations.fixed(Double(totals.statistics.virtualTime.nanoseconds) / 3600e9, places: 1)
        return "\(grouped(UInt64(totals.seeds)))/\(grouped(UInt64(settings.seeds.count))) seeds  \(rate) seeds/s  "
            + "\(hours) virtual hours  \(grouped(UInt64(totals.statistics.totalFaults))) faults"
    }
}

private func workOnSeeds(_ race: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let race else { return nil }
    Unmanaged<SeedRace>.fromOpaque(race).takeRetainedValue().work()
    return nil
}
