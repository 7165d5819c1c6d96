import Base
import Consensus
import EventLoop
import GRPC
import LogFormat
import Logging
import Replica
import Wire

/// Sees to it that a member is in its cluster's configuration, under the address at which it is reached: asks the leader to
/// add it, until it finds itself there. For one that joins, and for one that came back with another address.
///
/// Confined to the member's loop.
final class Enrolment: @unchecked Sendable {
    private unowned let member: Member
    private var timer: EventLoop.Timer?
    /// Whom to ask next: the leader, when somebody named it.
    private var hint: HostPort?
    private var attempts = 0
    private var isAsking = false
    private var complaint = ""

    static let pause = Interval.milliseconds(300)
    /// The leader answers when the newcomer votes, which may take long. To ask again does no harm.
    static let patience = Interval.seconds(60)

    init(of member: isolated Member) { self.member = member }

    func begin(_ member: isolated Member) {
        let timer = EventLoop.Timer(member.loop) { [unowned self] in self.member.assumeIsolated { check($0) } }
        self.timer = timer
        timer.start(after: .zero, repeating: Self.pause)
    }

    func close() {
        timer?.close()
        timer = nil
    }

    private func check(_ member: isolated Member) {
        let view = member.replica.view
        guard !member.replica.isRemoved else { return close() }
        if let own = view.configuration[view.id], own.address == member.address {
            // Until it is committed it can be undone.
            guard view.configurationIndex <= view.commitIndex else { return }
            member.log.notice("this member belongs to the cluster", metadata: ["address": "\(own.address)"])
            return close()
        }
        if !isAsking { ask(member, view) }
    }

    private func ask(_ member: isolated Member, _ view: View) {
        let others = view.configuration.members.filter { $0.id != view.id }.compactMap { HostPort($0.address) }
        let known = (member.options.join.map { [$0] } ?? []) + others
        guard !known.isEmpty else { return }
        let target = hint ?? known[attempts % known.count]
        hint = nil
        attempts += 1
        isAsking = true
        let request = Wire.ChangeRequest(
            name: member.identity.name, address: member.address, isLearner: member.options.isLearner)
        OneCall.make(
            on: member.loop, to: target, MethodPath(Wire.Path.clusterAddServer), member.codec.encode(request),
            timeout: Self.patience
        ) { [weak self] result in
            guard let self, timer != nil else { return }
            self.member.assumeIsolated { self.answered(by: target, result, $0) }
        }
    }

    private func answered(by target: HostPort, _ result: UnaryResult, _ member: isolated Member) {
        isAsking = false
        guard result.status.isOK else { return complain("\(target): \(result.status.message)", member) }
        do throws(Wire.DecodeFailure) {
            let response = try result.message.withSpan { span throws(Wire.DecodeFailure) in
                try member.codec.decodeChangeResponse(span)
            }
            switch response.status {
            case .notLeader: hint = HostPort(response.leaderHint)
            case .timeout: complain("\(target): \(response.message)", member)
            case .ok, .unspecified: break
            }
        } catch {
            complain("\(target) answers unreadably: \(error.message)", member)
        }
    }

    private func complain(_ text: String, _ member: isolated Member) {
        if complaint != text { member.log.warning("not in the cluster yet: \(text)") }
        complaint = text
    }
}
