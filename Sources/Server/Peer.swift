import Base
import Consensus
import EventLoop
import GRPC
import LogFormat
import Logging
import Replica
import Wire

/// Another member, as this one speaks to it: one connection, opened with Hello, then a stream of AppendEntries and
/// single calls beside it. Nothing is repeated here: what gets lost, Raft sends again.
///
/// Confined to the member's loop.
final class Peer: @unchecked Sendable {
    let id: MemberID
    let address: String
    let name: String
    private unowned let member: Member
    private var channel: Channel
    private var stream: ClientStream?
    /// The peer has answered Hello on this connection, and is who it should be.
    private(set) var isGreeted = false
    /// HOST:PORT of its HTTP gateway, as it said when it was last greeted.
    private(set) var httpAddress: String?
    /// Which kinds of entries it has said that it can apply; nil before it was ever greeted.
    private(set) var entryKinds: [Entry.Kind]?
    /// Writes on their way to the peer as leader, by number of the call.
    private var forwards: [UInt64: (ids: [RequestID], call: CallHandle?)] = [:]
    private var lastForward: UInt64 = 0
    private var isClosed = false
    /// What the log said last, so that it is not said again with every attempt.
    private var lastComplaint = ""

    /// How a member announces its HTTP gateway among its features.
    static let httpFeature = "http="
    /// How long the answer to a Hello may take.
    static let helloTimeout = Interval.seconds(2)

    init(_ peer: Configuration.Member, of member: isolated Member) {
        id = peer.id
        name = peer.name
        address = peer.address
        self.member = member
        channel = Self.channel(to: peer.address, of: member)
        connect()
    }

    private static func channel(to address: String, of member: isolated Member) -> Channel {
        let target = HostPort(address) ?? HostPort(host: address, port: 0)
        return Channel(loop: member.loop, host: target.host, port: target.port, options: options(member))
    }

    private func connect() {
        channel.onStateChange = { [unowned self] state in stateChanged(state) }
        channel.connect()
    }

    static func options(_ member: isolated Member) -> ChannelOptions {
        var options = ChannelOptions()
        options.staysConnected = true
        options.maxBackoff = .milliseconds(500)
        options.connectTimeout = .seconds(1)
        options.keepaliveWithoutCalls = true
        options.keepaliveInterval = .seconds(2)
        options.keepaliveTimeout = .seconds(2)
        // Answers: what transactions have read, 16 MiB each, of all writes that were passed on together. Beyond it their
        // outcome is unknown.
        options.maxMessageBytes = 64 << 20
        options.userAgent = "swiftwaterd"
        options.seed = member.identity.member.rawValue
        return options
    }

    func close() {
        isClosed = true
        stream = nil
        channel.onStateChange = nil
        channel.close()
    }

    // MARK: The connection

    private func stateChanged(_ state: Channel.State) {
        switch state {
        case .ready: member.assumeIsolated { greet($0) }
        case .idle, .connecting, .transientFailure, .closed: member.assumeIsolated { lost($0) }
        }
    }

    private func greet(_ member: isolated Member) {
        isGreeted = false
        guard member.faults?.admits(.hello, to: name) ?? true else { return complain("does not greet: no answer", member) }
        let hello = member.codec.encode(member.hello(to: id))
        channel.unary(.hello, message: hello, timeout: Self.helloTimeout) { [weak self] result in
            guard let self else { return }
            self.member.assumeIsolated { self.greeted(result, $0) }
        }
    }

    private func greeted(_ result: UnaryResult, _ member: isolated Member) {
        // A second greeting may have been under way: one is enough.
        guard !isClosed, !isGreeted else { return }
        guard member.hears(id) else { return complain("does not greet: no answer", member) }
        guard result.status.isOK else { return complain("does not greet: \(result.status)", member) }
        do throws(Wire.DecodeFailure) {
            let hello = try result.message.withSpan { span throws(Wire.DecodeFailure) in
                try member.codec.decodeHello(span)
            }
            guard hello.from == id else {
                return complain("is member \(hello.from), not \(id): its disk was replaced", member)
            }
            guard hello.cluster == member.cluster else {
                return complain(
                    hello.cluster == 0 ? "has not met the others yet" : "belongs to cluster \(hello.cluster)", member)
            }
            guard hello.protocolVersions.contains(Wire.Hello.protocolVersion) else {
                return complain("speaks none of our protocol versions", member)
            }
            entryKinds = hello.entryKinds
            httpAddress = hello.features.first { $0.hasPrefix(Self.httpFeature) }
                .flatMap { HostPort(String($0.dropFirst(Self.httpFeature.count)))?.description }
        } catch {
            return complain("greets unreadably: \(error.message)", member)
        }
        isGreeted = true
        lastComplaint = ""
        member.log.info("connected to \(name)", metadata: ["address": "\(address)"])
        openStream(member)
    }

    /// Says what is wrong, and greets again a little later: the other side may only need time.
    private func complain(_ text: String, _ member: isolated Member) {
        if text != lastComplaint { member.log.warning("\(name) at \(address) \(text)") }
        lastComplaint = text
        let timer = OneShot(member.loop)
        timer.start(after: .milliseconds(200)) { [weak self] in
            guard let self, !isClosed, !isGreeted, channel.state == .ready else { return }
            self.member.assumeIsolated { greet($0) }
        }
    }

    private func openStream(_ member: isolated Member) {
        let stream = channel.stream(.appendEntries)
        self.stream = stream
        stream.onMessage = { [unowned self] span in self.member.assumeIsolated { received(span, $0) } }
        stream.onEnd = { [weak self, unowned stream] status, _ in
            guard let self, self.stream === stream else { return }
            self.stream = nil
            self.member.assumeIsolated { member in
                member.turn.unreachable.append(id)
                if isGreeted { complain("ended the stream of entries: \(status)", member) }
                isGreeted = false
            }
        }
    }

    private func received(_ span: RawSpan, _ member: isolated Member) {
        guard member.hears(id) else { return }
        do throws(Wire.DecodeFailure) {
            member.turn.messages.append(try member.codec.decodeAppendEntriesReply(span))
        } catch {
            member.log.warning("\(name) sent an unreadable answer: \(error.message)")
            stream?.cancel()
        }
    }

    private func lost(_ member: isolated Member) {
        guard isGreeted || stream != nil else { return }
        isGreeted = false
        stream = nil
        member.turn.unreachable.append(id)
        if !isClosed { member.log.info("lost the connection to \(name)", metadata: ["address": "\(address)"]) }
    }

    /// As if the keepalive had found the connection dead: what was on its way is lost, and a new one is made.
    func breakConnection() {
        let old = channel
        old.onStateChange = nil
        member.assumeIsolated { member in
            lost(member)
            channel = Self.channel(to: address, of: member)
        }
        old.close()
        connect()
    }

    // MARK: Messages

    /// Sends AppendEntries; drops it when there is no stream, as a network might.
    func sendEntries(_ message: Message) {
        guard let stream else { return }
        member.assumeIsolated { member in
            if let pieces = member.codec.encodeInPieces(message) {
                stream.send(pieces)
            } else {
                stream.send(member.codec.encode(message))
            }
        }
    }

    /// Sends a message that has one answer, and hands the answer to the next turn.
    func ask(_ message: Message) {
        guard isGreeted else { return }
        let (request, timeout) = member.assumeIsolated {
            ($0.codec.encode(message), $0.options.parameters.electionTimeout.upperBound)
        }
        channel.unary(.path(of: message.body), message: request, timeout: timeout) { [weak self] result in
            guard let self, result.status.isOK, !isClosed else { return }
            member.assumeIsolated { self.answered(message, result.message, $0) }
        }
    }

    private func answered(_ question: Message, _ answer: Bytes, _ member: isolated Member) {
        guard member.hears(id) else { return }
        do throws(Wire.DecodeFailure) {
            try answer.withSpan { span throws(Wire.DecodeFailure) in
                switch question.body {
                case .requestVote: member.turn.messages.append(try member.codec.decodeRequestVoteReply(span))
                case .readIndex: member.turn.messages.append(try member.codec.decodeReadIndexReply(span))
                case .timeoutNow: _ = try member.codec.decodeTimeoutNowResponse(span)
                case .appendEntries, .appendEntriesReply, .requestVoteReply, .readIndexReply:
                    preconditionFailure("this message is not sent as a call")
                }
            }
        } catch {
            member.log.warning("\(name) sent an unreadable answer: \(error.message)")
        }
    }

    // MARK: Writes on their way to the leader

    func propose(_ batch: ArraySlice<ReplicaEffects.Forward>) {
        lastForward += 1
        let number = lastForward
        let ids = batch.map(\.id)
        let request = member.assumeIsolated { member in
            let now = member.loop.now
            let proposals = batch.map { forward in
                Wire.Proposal(
                    id: forward.id.rawValue,
                    requestID: forward.session == 0
                        ? nil : Wire.RequestID(sessionID: forward.session, sequence: forward.sequence),
                    deadlineLeft: forward.deadline == .never ? nil : forward.deadline - now,
                    version: forward.version, command: forward.data, kind: forward.kind)
            }
            return member.codec.encode(Wire.ProposeRequest(header: member.header(to: id), proposals: proposals))
        }
        forwards[number] = (ids, nil)
        member.assumeIsolated { member in
            let isSent = member.send(.propose, to: id) { [weak self] in self?.forward(request, number) }
            if !isSent { forwardInVain(number, member) }
        }
    }

    private func forward(_ request: Bytes, _ number: UInt64) {
        // It may have been given up while it waited.
        guard forwards[number] != nil else { return }
        forwards[number]?.call = channel.unary(.propose, message: request) { [weak self] result in
            guard let self, let ids = forwards[number]?.ids else { return }
            member.assumeIsolated { member in
                guard member.hears(self.id) else { return self.forwardInVain(number, member) }
                self.forwards[number] = nil
                self.proposed(ids, result, member)
            }
        }
    }

    /// Question or answer were lost: that is known when a keepalive would have found the connection dead.
    private func forwardInVain(_ number: UInt64, _ member: isolated Member) {
        OneShot(member.loop).start(after: Faults.silence) { [weak self] in
            guard let self, let forward = forwards.removeValue(forKey: number) else { return }
            self.member.assumeIsolated { member in
                for id in forward.ids { member.forwardFailed(id, .leaderSilent) }
            }
        }
    }

    private func proposed(_ ids: [RequestID], _ result: UnaryResult, _ member: isolated Member) {
        guard result.status.isOK else {
            let isSafe = result.neverSent || result.trailers[Metadata.notAppliedName] == "1"
            let failure = isSafe ? Failure.notLeader : .leaderSilent
            for id in ids { member.forwardFailed(id, failure) }
            return
        }
        do throws(Wire.DecodeFailure) {
            let response = try result.message.withSpan { span throws(Wire.DecodeFailure) in
                try member.codec.decodeProposeResponse(span)
            }
            member.receive(response, for: ids)
        } catch {
            for id in ids { member.forwardFailed(id, .answerUnreadable) }
        }
    }

    /// Whether it has not answered yet all that was passed on to it.
    var owesAnswers: Bool { !forwards.isEmpty }

    /// It leads no more: what it was asked to write may be written or not. One that has handed over, as at its end, still says what
    /// became of it, and mostly at once; from one that is cut off nothing may ever come. So it has as long as a leader may be silent.
    func giveUpForwardsSoon() {
        let pending = Set(forwards.keys)
        guard !pending.isEmpty else { return }
        member.assumeIsolated { member in
            OneShot(member.loop).start(after: member.options.parameters.electionTimeout.upperBound) { [weak self] in
                self?.giveUpForwards(pending)
            }
        }
    }

    /// Nothing will be heard from it any more.
    func giveUpForwards() { giveUpForwards(Set(forwards.keys)) }

    private func giveUpForwards(_ numbers: Set<UInt64>) {
        for number in numbers.sorted() {
            guard let forward = forwards.removeValue(forKey: number) else { continue }
            forward.call?.cancel()
            member.assumeIsolated { member in
                for id in forward.ids { member.forwardFailed(id, .leaderSilent) }
            }
        }
    }
}

extension Wire.PackedEntries: MessageSource {}
