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
            for case .success(let status) in reports.map(\.answer) where status.role == .leader {
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

    static let pollInterval = Interval.milliseconds(50)
}
