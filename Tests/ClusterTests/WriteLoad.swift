import Synchronization

/// Writers that set one new key after the other, at any member that answers, until they are stopped. What was
/// acknowledged is remembered, with the moment.
final class WriteLoad: Sendable {
    private struct State {
        var acknowledged: [String] = []
        var lastAcknowledgement: UInt64 = 0
        var attempts = 0
        var isStopped = false
    }

    private let state = Mutex(State())
    private let cluster: TestCluster
    private let clients: [TestClient]
    private let task: Locked<Task<Void, Never>?> = Locked(nil)

    /// - Parameters:
    ///   - tag: begins every key, so that loads do not meet.
    ///   - names: the members that are written to; all by default.
    init(_ tag: String, on cluster: TestCluster, at names: [String]? = nil, writers: Int = 8, value: String = "v") {
        self.cluster = cluster
        clients = (names ?? cluster.names).map(cluster.client)
        let task = Task { [self] in
            await withTaskGroup(of: Void.self) { group in
                for writer in 0..<writers { group.addTask { await self.write("\(tag)-\(writer)", value, startingAt: writer) } }
            }
        }
        self.task.withLock { $0 = task }
    }

    private func write(_ tag: String, _ value: String, startingAt first: Int) async {
        var member = first
        var number = 0
        while !state.withLock({ $0.isStopped }) && !cluster.isGone {
            let key = "\(tag)-\(number)"
            number += 1
            state.withLock { $0.attempts += 1 }
            do {
                try await clients[member % clients.count].set(key, value + key, seconds: 1)
                let now = monotonicNanoseconds()
                state.withLock {
                    $0.acknowledged.append(key)
                    $0.lastAcknowledgement = now
                }
            } catch {
                // Whoever it was may be gone. A moment's rest, so that a refusal does not become a storm.
                member += 1
                try? await Task.sleep(for: .milliseconds(2))
            }
        }
    }

    var acknowledged: Int { state.withLock { $0.acknowledged.count } }
    var attempts: Int { state.withLock { $0.attempts } }

    /// Waits until `count` more writes have been acknowledged.
    func waitForMore(_ count: Int, within seconds: Double = 20) async throws {
        let wanted = acknowledged + count
        try await eventually("\(count) more acknowledged writes", within: seconds) { self.acknowledged >= wanted }
    }

    /// Milliseconds from `moment` to the first acknowledgement after it.
    func millisecondsToNextAcknowledgement(after moment: UInt64, within seconds: Double = 20) async throws -> Double {
        let before = acknowledged
        let found = Locked<UInt64>(0)
        try await eventually("a write acknowledged after the fault", within: seconds) {
            let (count, last) = self.state.withLock { ($0.acknowledged.count, $0.lastAcknowledgement) }
            if count > before && last > moment { found.withLock { $0 = last } }
            return count > before && last > moment
        }
        return Double(found.now - moment) / 1e6
    }

    /// Ends the writers and gives back every acknowledged key.
    func stop() async -> [String] {
        state.withLock { $0.isStopped = true }
        await task.now?.value
        return state.withLock { $0.acknowledged }
    }

    /// Reads all of `keys` through one member; gives back those that are missing or hold something else.
    static func lost(_ keys: [String], value: String = "v", at client: TestClient, readers: Int = 64) async throws -> [String] {
        try await withThrowingTaskGroup(of: [String].self) { group in
            for reader in 0..<min(readers, max(1, keys.count)) {
                group.addTask {
                    var lost: [String] = []
                    for index in stride(from: reader, to: keys.count, by: readers) {
                        let key = keys[index]
                        if try await client.get(key, seconds: 20) != value + key { lost.append(key) }
                    }
                    return lost
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }.sorted()
        }
    }
}
