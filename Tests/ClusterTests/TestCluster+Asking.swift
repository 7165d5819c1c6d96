import Base
import Wire

extension TestCluster {
    func client(_ name: String) -> TestClient {
        clients.withLock { clients in
            if let client = clients[name] { return client }
            let client = TestClient(endpoint(of: name))
            clients[name] = client
            return client
        }
    }

    /// What every member that answers says of itself.
    func statuses() async -> [String: Wire.Status] {
        await withTaskGroup(of: (String, Wire.Status?).self) { group in
            for name in names where isRunning(name) {
                group.addTask { (name, try? await self.client(name).status()) }
            }
            var found: [String: Wire.Status] = [:]
            for await (name, status) in group { found[name] = status }
            return found
        }
    }

    /// Waits until one member leads in the newest term and has taken a write; returns its name.
    @discardableResult
    func waitForLeader(within seconds: Double = 20, except: Set<String> = []) async throws -> String {
        let leader = Locked<String?>(nil)
        try await eventually("a leader that takes writes", within: seconds) {
            let leaders = await self.statuses().filter { $0.value.role == .leader && !except.contains($0.key) }
            guard let newest = leaders.max(by: { $0.value.term < $1.value.term }) else { return false }
            guard (try? await self.client(newest.key).set("leader", newest.key, seconds: 1)) != nil else { return false }
            leader.withLock { $0 = newest.key }
            return true
        }
        return leader.now!
    }

    /// Waits until a member has applied all that the leader had committed when this was called.
    func waitUntilCaughtUp(_ name: String, within seconds: Double = 30) async throws {
        let leader = try await waitForLeader()
        let wanted = try await client(leader).status().commitIndex
        try await eventually("\(name) applies index \(wanted)", within: seconds) {
            // One that has just been started does not listen yet.
            (try? await self.client(name).status().appliedIndex >= wanted) ?? false
        }
    }

    /// The highest term that anybody has seen: it moves with every election.
    func newestTerm() async -> Term { await statuses().values.map(\.term).max() ?? 0 }
}
