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
    /// Lets a new member in (Raft dissertation 4.1). It can take as long as the member needs to catch up.
    public func addServer(name: String, address: String) async throws(ClientError) -> Wire.ChangeResponse {
        try await change(MethodPath(Wire.Path.clusterAddServer), name: name, address: address)
    }

    public func removeServer(name: String) async throws(ClientError) -> Wire.ChangeResponse {
        try await change(MethodPath(Wire.Path.clusterRemoveServer), name: name, address: "")
    }

    /// Asks the leader to hand over (3.10).
    public func transferLeadership(to name: String) async throws(ClientError) -> Wire.ChangeResponse {
        try await change(MethodPath(Wire.Path.clusterTransferLeadership), name: name, address: "")
    }

    /// How often a "not I, ask the leader there" is followed.
    private static let maxHints = 3

    private func change(_ path: MethodPath, name: String, address: String) async throws(ClientError) -> Wire.ChangeResponse {
        let request = codec.encode(Wire.ChangeRequest(name: name, address: address))
        var hints = 0
        while true {
            let answer = try await call(path, request, isSafe: false)
            let response = try read(isWrite: true) { () throws(Wire.DecodeFailure) in
                try answer.withSpan { (span) throws(Wire.DecodeFailure) in try codec.decodeChangeResponse(span) }
            }
            guard response.status == .notLeader, hints < Self.maxHints, prefer(response.leaderHint) else {
                return response
            }
            hints += 1
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
