import Base
import Glibc
import Keyspace
import Testing
import enum Keyspace.Operation

extension ClusterTests {
    /// A mixed load whose history must be linearizable, whatever happens to the members meanwhile.
    @Suite(.serialized) struct HistoryTests {
        @Test("A mixed load on all members is linearizable", .timeLimit(.minutes(2)))
        func calm() async throws {
            try await TestCluster.run { cluster in
                let workload = MixedLoad(cluster, clients: 8, keys: 6)
                try await eventually("2,000 answers", within: 60) { workload.history.answered >= 2_000 }
                await workload.stop()
                #expect(workload.history.violations() == [])
                print("calm: \(workload.history.answered) answers, linearizable")
            }
        }

        @Test("A mixed load stays linearizable while members are killed and frozen", .timeLimit(.minutes(5)))
        func storm() async throws {
            try await TestCluster.run { cluster in
                let workload = MixedLoad(cluster, clients: 8, keys: 12)
                for round in 0..<4 {
                    let wanted = workload.history.answered + 300
                    try await eventually("300 more answers", within: 60) { workload.history.answered >= wanted }
                    let leader = try await cluster.waitForLeader()
                    if round % 2 == 0 {
                        try await cluster[leader].killNow()
                        try await cluster.waitForLeader(except: [leader])
                        try cluster.start(leader)
                    } else {
                        cluster[leader].signal(SIGSTOP)
                        try await cluster.waitForLeader(except: [leader])
                        cluster[leader].signal(SIGCONT)
                    }
                }
                let wanted = workload.history.answered + 300
                try await eventually("300 more answers", within: 60) { workload.history.answered >= wanted }
                await workload.stop()
                #expect(workload.history.violations() == [])
                print("storm: \(workload.history.answered) answers, linearizable")
            }
        }
    }
}

/// Clients that each stay with one member, and read, set, append to and delete a few keys.
final class MixedLoad: Sendable {
    let history = RecordedHistory()
    private let cluster: TestCluster
    private let isStopped = Locked(false)
    private let task = Locked<Task<Void, Never>?>(nil)

    init(_ cluster: TestCluster, clients: Int, keys: Int) {
        self.cluster = cluster
        let task = Task { [self] in
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<clients {
                    let client = cluster.client(cluster.names[number % cluster.names.count])
                    group.addTask { await self.run(client, number: number, keys: keys) }
                }
            }
        }
        self.task.withLock { $0 = task }
    }

    func stop() async {
        isStopped.withLock { $0 = true }
        await task.now?.value
    }

    private func run(_ client: TestClient, number: Int, keys: Int) async {
        var random = UInt64(number) &* 0x9E37_79B9_7F4A_7C15 &+ 1
        var count = 0
        var process = history.newProcess()
        while !isStopped.now && !cluster.isGone {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // After so many steps a fresh set of keys: short values and short histories are quick to check.
            let key = "mixed-\(count / 200)-\((random >> 33) % UInt64(keys))"
            let tag = "\(number).\(count);"
            count += 1
            if await !step(client, process, key, tag, choice: (random >> 50) % 10) { process = history.newProcess() }
        }
    }

    /// False when nobody knows what became of it.
    private func step(_ client: TestClient, _ process: Int, _ key: String, _ tag: String, choice: UInt64) async -> Bool {
        let place = Bytes(utf8: key)
        let operation: Operation = switch choice {
        case 0..<5: .get(key: place)
        case 5..<7: .set(key: place, value: .data(Bytes(utf8: tag)))
        case 7..<9: .append(key: place, suffix: Bytes(utf8: tag))
        default: .delete(key: place)
        }
        let number = history.begin(operation, by: process)
        do {
            let outcome = try await client.outcome(operation, seconds: 2)
            guard case .single(let result) = outcome.result else {
                history.lose(number)
                return false
            }
            // What a read is told is the revision of its key, not the store's.
            history.succeed(number, result, revision: operation.isReadOnly ? 0 : outcome.revision)
            return true
        } catch {
            // Only a write whose outcome is unknown may have left a trace.
            let isCertain = (error as? CallFailure)?.notApplied ?? false
            if operation.isReadOnly || isCertain { history.fail(number) } else { history.lose(number) }
            try? await Task.sleep(for: .milliseconds(5))
            return operation.isReadOnly || isCertain
        }
    }
}
