import Synchronization

/// Writers that overwrite the same few keys again and again, at any member that answers. Each key has one writer, and its
/// values count up: what is read must be the last value that was acknowledged, or a later one that was sent.
final class OverwriteLoad: Sendable {
    private struct State {
        var acknowledged: [String: Int] = [:]
        var sent: [String: Int] = [:]
        var count = 0
        var isStopped = false
    }

    private let state = Mutex(State())
    private let cluster: TestCluster
    private let clients: [TestClient]
    private let filling: String
    private let task: Locked<Task<Void, Never>?> = Locked(nil)

    /// - Parameter valueBytes: how large each value is, about.
    init(on cluster: TestCluster, writers: Int = 16, keysEach: Int = 4, valueBytes: Int) {
        self.cluster = cluster
        clients = cluster.names.map(cluster.client)
        filling = "-" + String(repeating: "x", count: valueBytes)
        let task = Task { [self] in
            await withTaskGroup(of: Void.self) { group in
                for writer in 0..<writers { group.addTask { await self.write(writer, keysEach) } }
            }
        }
        self.task.withLock { $0 = task }
    }

    private func write(_ writer: Int, _ keys: Int) async {
        var member = writer
        var number = 0
        while !state.withLock({ $0.isStopped }) && !cluster.isGone {
            number += 1
            let key = "over-\(writer)-\(number % keys)"
            state.withLock { $0.sent[key] = number }
            do {
                try await clients[member % clients.count].set(key, "\(number)" + filling, seconds: 2)
                state.withLock {
                    $0.acknowledged[key] = number
                    $0.count += 1
                }
            } catch {
                member += 1
                try? await Task.sleep(for: .milliseconds(2))
            }
        }
    }

    var count: Int { state.withLock { $0.count } }

    func waitForMore(_ more: Int, within seconds: Double = 60) async throws {
        let wanted = count + more
        try await eventually("\(more) more overwrites", within: seconds) { self.count >= wanted }
    }

    func stop() async {
        state.withLock { $0.isStopped = true }
        await task.now?.value
    }

    /// What a member holds that it may not hold, or lacks; to be asked when the load has stopped.
    func wrong(at client: TestClient, isLocal: Bool = false) async throws -> [String] {
        let (acknowledged, sent) = state.withLock { ($0.acknowledged, $0.sent) }
        var wrong: [String] = []
        for (key, least) in acknowledged.sorted(by: { $0.key < $1.key }) {
            let value = isLocal ? try await client.getLocal(key) : try await client.get(key, seconds: 20)
            let number = value.flatMap { $0.hasSuffix(filling) ? Int($0.dropLast(filling.count)) : nil }
            guard let number, number >= least, number <= sent[key]! else {
                wrong.append("\(key): \(value?.prefix(12) ?? "nothing"), not \(least)...\(sent[key]!)")
                continue
            }
        }
        return wrong
    }
}
