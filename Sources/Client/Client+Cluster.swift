import Base
import Consensus
import EventLoop
import GRPC
import Wire

/// What one member says of itself, or why it says nothing.
public struct MemberReport: Sendable {
    /// Empty when neither it nor another member told it.
    public var name: String
    public var endpoint: Endpoint
    public var answer: Result<Wire.Status, ClientError>
    /// From a question to its answer, on a connection that was open already.
    public var roundTrip: Interval

    public var hasAnswered: Bool {
        if case .success = answer { true } else { false }
    }

    public init(name: String, endpoint: Endpoint, answer: Result<Wire.Status, ClientError>, roundTrip: Interval) {
        self.name = name
        self.endpoint = endpoint
        self.answer = answer
        self.roundTrip = roundTrip
    }
}

extension Client {
    /// The status of whichever member answers first. `timeout` nil: as the options say.
    public func status(timeout: Interval? = nil) async throws(ClientError) -> Wire.Status {
        let answer = try await call(Self.statusPath, codec.encodeStatusRequest(), isSafe: true, timeout: timeout)
        let status = try read(isWrite: false) { () throws(Wire.DecodeFailure) in
            try answer.withSpan { (span) throws(Wire.DecodeFailure) in try codec.decodeStatus(span) }
        }
        learn(from: status)
        return status
    }

    /// What one member says of itself, asked there and nowhere else.
    public func status(at member: Endpoint) async -> MemberReport { await report(member) }

    /// Asks every member for itself: those given, and those that they name. In order of their names.
    public func statusOfAll() async -> [MemberReport] {
        var reports: [MemberReport] = []
        var asked: [Endpoint] = []
        while case let next = endpoints.filter({ !asked.contains($0) }), !next.isEmpty {
            asked += next
            reports += await withTaskGroup(of: MemberReport.self) { group in
                for endpoint in next { group.addTask { await self.report(endpoint) } }
                var answers: [MemberReport] = []
                for await answer in group { answers.append(answer) }
                return answers
            }
            for case .success(let status) in reports.map(\.answer) { learn(from: status) }
        }
        return Self.tidied(reports)
    }

    private static let statusPath = MethodPath(Wire.Path.clusterStatus)

    private func learn(from status: Wire.Status) {
        learn(status.members.compactMap { member in
            do { return try Endpoint(member.address) } catch { return nil }
        })
    }

    /// Two questions: the first may have to connect, the second is timed.
    private func report(_ endpoint: Endpoint) async -> MemberReport {
        let request = codec.encodeStatusRequest()
        var roundTrip = Interval.zero
        var answer = Result<Wire.Status, ClientError>.failure(ClientError(.noAnswer))
        let deadline = loop.now + min(options.statusTimeout, options.timeout)
        for _ in 0..<2 {
            let began = loop.now
            let result = await attempt(endpoint, Self.statusPath, request, timeout: deadline - began)
            roundTrip = loop.now - began
            guard result.isOK else {
                var attempts: [ClientError.Attempt] = []
                attempts.note(endpoint, ClientError.text(result.status))
                let error = ClientError(.noAnswer, attempts: attempts, elapsed: roundTrip)
                return MemberReport(name: "", endpoint: endpoint, answer: .failure(error), roundTrip: roundTrip)
            }
            do throws(Wire.DecodeFailure) {
                answer = .success(
                    try result.message.withSpan { (span) throws(Wire.DecodeFailure) in try codec.decodeStatus(span) })
            } catch {
                answer = .failure(ClientError(.badAnswer(error.message)))
            }
        }
        var name = ""
        if case .success(let status) = answer { name = status.name }
        return MemberReport(name: name, endpoint: endpoint, answer: answer, roundTrip: roundTrip)
    }

    /// A member that answered under two addresses counts once; one that did not answer gets its name from the others.
    static func tidied(_ reports: [MemberReport]) -> [MemberReport] {
        var members: [Configuration.Member] = []
        var ids: [MemberID] = []
        var result: [MemberReport] = []
        for case .success(let status) in reports.map(\.answer) { members += status.members }
        for var report in reports {
            if case .success(let status) = report.answer {
                guard status.memberID == 0 || !ids.contains(status.memberID) else { continue }
                ids.append(status.memberID)
            } else if report.name.isEmpty {
                report.name = members.first { $0.address == report.endpoint.description }?.name ?? ""
            }
            result.append(report)
        }
        return result.sorted { ($0.name.isEmpty ? 1 : 0, $0.name, "\($0.endpoint)") < ($1.name.isEmpty ? 1 : 0, $1.name, "\($1.endpoint)") }
    }

    /// Where the member of that name listens.
    func endpoint(of name: String) async throws(ClientError) -> Endpoint {
        let status = try await status()
        guard let member = status.members.first(where: { $0.name == name }) else {
            throw ClientError(.noSuchMember(name, known: status.members.map(\.name).sorted()))
        }
        do {
            return try Endpoint(member.address)
        } catch {
            throw ClientError(.badAnswer("\(name)'s address: \(error)"))
        }
    }
}

extension Client {
    /// Lets a new member in (Raft dissertation 4.1), which must be running. It can take as long as the member needs to catch
    /// up. One that is a member already is from now on reached at that address; a learner becomes a voter.
    public func addServer(
        name: String, address: String, isLearner: Bool = false
    ) async throws(ClientError) -> Wire.ChangeResponse {
        try await change(
            MethodPath(Wire.Path.clusterAddServer),
            Wire.ChangeRequest(name: name, address: address, isLearner: isLearner), timeout: options.changeTimeout)
    }

    public func removeServer(name: String) async throws(ClientError) -> Wire.ChangeResponse {
        try await change(
            MethodPath(Wire.Path.clusterRemoveServer), Wire.ChangeRequest(name: name, address: ""),
            timeout: options.changeTimeout)
    }

    /// Puts the member that runs at `address` in the place of a lost one: lets it in, and when it votes, lets the other go.
    /// The same member at another address is only reached there from now on.
    public func replaceServer(name: String, address: String) async throws(ClientError) -> Wire.ChangeResponse {
        let members = try await status().members
        guard let old = members.first(where: { $0.name == name }) else {
            throw ClientError(.noSuchMember(name, known: members.map(\.name).sorted()))
        }
        let newcomer = try await statusOf(address)
        guard newcomer.name != name || newcomer.memberID == old.id else { throw ClientError(.sameName(name)) }
        let added = try await addServer(name: newcomer.name, address: address, isLearner: old.standing == .learner)
        guard added.status == .ok, newcomer.memberID != old.id else { return added }
        return try await removeServer(name: name)
    }

    /// What the member at one address says of itself, asked until it answers or time is up.
    private func statusOf(_ address: String) async throws(ClientError) -> Wire.Status {
        let endpoint: Endpoint
        do { endpoint = try Endpoint(address) } catch { throw ClientError(.badAnswer("\(error)")) }
        let began = loop.now
        var attempts: [ClientError.Attempt] = []
        let deadline = began + options.timeout
        while loop.now < deadline {
            let result = await attempt(
                endpoint, Self.statusPath, codec.encodeStatusRequest(), timeout: deadline - loop.now)
            if result.isOK {
                return try read(isWrite: false) { () throws(Wire.DecodeFailure) in
                    try result.message.withSpan { (span) throws(Wire.DecodeFailure) in try codec.decodeStatus(span) }
                }
            }
            attempts.note(endpoint, ClientError.text(result.status))
            await pause(options.maxBackoff)
            if Task.isCancelled { throw ClientError(.cancelled(isCertain: true), attempts: attempts) }
        }
        throw ClientError(.noAnswer, attempts: attempts, elapsed: loop.now - began)
    }

    /// Asks the leader to hand over (3.10).
    public func transferLeadership(to name: String) async throws(ClientError) -> Wire.ChangeResponse {
        try await change(
            MethodPath(Wire.Path.clusterTransferLeadership), Wire.ChangeRequest(name: name, address: ""),
            timeout: options.timeout)
    }

    /// How often a "not I, ask the leader there" is followed.
    private static let maxHints = 3

    private func change(
        _ path: MethodPath, _ change: Wire.ChangeRequest, timeout: Interval
    ) async throws(ClientError) -> Wire.ChangeResponse {
        let request = codec.encode(change)
        let deadline = loop.now + timeout
        var hints = 0
        var rounds = 0
        while true {
            let answer = try await call(path, request, isSafe: false, timeout: deadline - loop.now)
            let response = try read(isWrite: true) { () throws(Wire.DecodeFailure) in
                try answer.withSpan { (span) throws(Wire.DecodeFailure) in try codec.decodeChangeResponse(span) }
            }
            guard response.status == .notLeader, loop.now < deadline else { return response }
            if hints < Self.maxHints, prefer(response.leaderHint) {
                hints += 1
                continue
            }
            // Between two leaders nobody knows one, or all know the one that was.
            hints = 0
            rounds += 1
            preferred += 1
            await pause(min(backoff(after: rounds), deadline - loop.now))
            if Task.isCancelled { throw ClientError(.cancelled(isCertain: true), isWrite: true) }
            guard loop.now < deadline else { return response }
        }
    }

    /// Makes the next call begin at this address. False when it is none.
    private func prefer(_ address: String) -> Bool {
        do {
            let endpoint = try Endpoint(address)
            learn([endpoint])
            guard let place = endpoints.firstIndex(of: endpoint) else { return false }
            preferred = place
            return true
        } catch {
            return false
        }
    }
}
