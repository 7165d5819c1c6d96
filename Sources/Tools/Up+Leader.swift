import Base
import Client
import EventLoop
import Wire

extension Up {
    /// Asks the members until one of them says that it leads.
    func findLeader(_ feed: AsyncStream<Event>.Continuation) async {
        var options = ClientOptions()
        options.statusTimeout = .seconds(1)
        let client = Client(endpoints: plan.members.map(\.address), options: options)
        let deadline = Loop.now + Self.patience
        var reports: [MemberReport] = []
        while Loop.now < deadline, !Task.isCancelled {
            reports = await client.statusOfAll()
            for report in reports {
                guard case .success(let status) = report.answer, status.role == .leader, isOurs(report) else { continue }
                feed.yield(.leader(status.name, term: status.term.rawValue))
                await client.close()
                return
            }
            do {
                try await Task.sleep(nanoseconds: Self.pollInterval.nanoseconds)
            } catch {
                // Cancelled: the loop ends.
            }
        }
        await client.close()
        guard !Task.isCancelled else { return }
        let silent = reports.compactMap { report -> String? in
            guard case .failure(let failure) = report.answer else { return nil }
            return "\(report.endpoint): \(failure.brief)"
        }
        feed.yield(.noLeader(silent.isEmpty ? "all members answer, and none of them leads" : silent.joined(separator: "; ")))
    }

    /// Whether it comes from one of the plan's members, under its own address: not from a stranger on its port.
    private func isOurs(_ report: MemberReport) -> Bool {
        plan.members.contains { $0.name == report.name && $0.address == report.endpoint }
    }

    static let pollInterval = Interval.milliseconds(50)
}
