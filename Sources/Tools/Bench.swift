import Base
import Client
import EventLoop
import Glibc

/// `swiftwater bench`: connections, a load, a report.
public struct Bench: Sendable {
    public let settings: BenchSettings

    public init(settings: BenchSettings) { self.settings = settings }

    /// Runs it. `progress` gets a line every second to show in the place of the one before, and at the end an empty one.
    public func run(progress: @escaping @Sendable (String) -> Void) async -> BenchReport {
        raiseOpenFileLimit()
        let threads = (0..<min(settings.threads, settings.clients)).map { LoopThread(name: "bench-\($0)") }
        for thread in threads { thread.start() }
        let loads = threads.enumerated().map { BenchLoad(loop: $1.loop, settings: settings, number: $0) }
        let pairs = Array(zip(threads.map(\.loop), loads))
        let signals = [SIGINT, SIGTERM]
        Interrupts.install(signals) { _ in
            for (loop, load) in pairs { loop.perform { load.stop() } }
        }
        defer { Interrupts.restore(signals) }
        progress("connecting …")
        let connected = await onEach(pairs) { number, load, done in
            load.connect(stride(from: number, to: settings.clients, by: pairs.count), completion: done)
        }.reduce(0, +)
        if connected > 0 {
            if settings.fill {
                progress("giving \(BenchReport.grouped(UInt64(settings.keys))) keys their values …")
                _ = await onEach(pairs) { number, load, done in
                    load.fill(first: number, step: pairs.count) { done(()) }
                }
            }
            let ticker = Task { await tick(pairs, progress) }
            _ = await onEach(pairs) { _, load, done in
                load.run(for: Interval(nanoseconds: UInt64(settings.seconds * 1e9))) { done(()) }
            }
            ticker.cancel()
            await ticker.value
        }
        let shares = await onEach(pairs) { _, load, done in
            let share = (load.statistics, load.elapsed)
            load.close()
            done(share)
        }
        for thread in threads { thread.stop() }
        progress("")
        var statistics = BenchStatistics()
        for (share, _) in shares { statistics.add(share) }
        if connected == 0 {
            statistics.record(error: "could not connect to \(settings.endpoints.map(\.description).joined(separator: ", "))")
        }
        let elapsed = shares.map { Double($0.1.nanoseconds) / 1e9 }.max() ?? 0
        return BenchReport(settings: settings, statistics: statistics, seconds: elapsed, connected: connected)
    }

    /// Runs `body` on each loop at once; what each hands to its `done`.
    private func onEach<T: Sendable>(
        _ pairs: [(Loop, BenchLoad)],
        _ body: @escaping @Sendable (Int, BenchLoad, @escaping @Sendable (T) -> Void) -> Void
    ) async -> [T] {
        await withTaskGroup(of: T.self) { group in
            for (number, (loop, load)) in pairs.enumerated() {
                group.addTask {
                    await withUnsafeContinuation { continuation in
                        loop.perform { body(number, load) { continuation.resume(returning: $0) } }
                    }
                }
            }
            var results: [T] = []
            for await result in group { results.append(result) }
            return results
        }
    }

    /// A line every second, until cancelled.
    private func tick(_ pairs: [(Loop, BenchLoad)], _ progress: @Sendable (String) -> Void) async {
        var second = 0
        while !Task.isCancelled {
            do {
                try await Task.sleep(nanoseconds: 1_000_000_000)
            } catch {
                return
            }
            second += 1
            let shares = await onEach(pairs) { _, load, done in done(load.statistics) }
            var statistics = BenchStatistics()
            for share in shares { statistics.add(share) }
            let all = statistics.all
            let last = all.perSecond.indices.contains(second - 1) ? all.perSecond[second - 1] : 0
            progress(
                BenchReport.progress(
                    second: second, of: settings.seconds, last: last, p99: all.percentile(99), errors: statistics.failed))
        }
    }
}
