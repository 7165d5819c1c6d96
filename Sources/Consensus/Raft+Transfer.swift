@_spi(Sabotage) import Base

/// Handing leadership to another member (3.10): it is brought up to date, then told to campaign at once.
extension Raft {
    mutating func startTransfer(to target: MemberID, into effects: inout Effects) {
        if let transfer = leading.transfer, transfer.target == target {
            leading.transfer.update { $0.isOwn = false }
            return
        }
        // Never to one that cannot be elected, nor to one that is silent: writers would wait for nothing.
        guard role == .leader, leading.transfer == nil, let place = peer(target),
            electorate.includes(target) || sabotage == .transferToLearner,
            now - peers[place].lastContact <= parameters.electionTimeout.upperBound
        else {
            effects.transfer = .refused
            effects.note(.transferEnded(.refused))
            return
        }
        leading.transfer = Leading.Transfer(
            target: target, deadline: now + parameters.electionTimeout.upperBound)
        effects.note(.transferStarted(to: target))
    }

    /// The voter best suited to take over, of those that are not silent: the one with the longest acknowledged log.
    var heir: MemberID? {
        var best: Progress?
        for peer in peers where electorate.includes(peer.id) && now - peer.lastContact <= parameters.electionTimeout.upperBound {
            guard let other = best, (other.match, other.lastContact) >= (peer.match, peer.lastContact) else {
                best = peer
                continue
            }
        }
        return best?.id
    }

    /// Begins to hand over of its own accord, once in a term; false when that was tried, or is under way.
    mutating func handsOver(to target: MemberID?, into effects: inout Effects) -> Bool {
        guard leading.transfer == nil, !leading.hasTriedToHandOver, let target else { return false }
        leading.hasTriedToHandOver = true
        leading.transfer = Leading.Transfer(
            target: target, deadline: now + parameters.electionTimeout.upperBound, isOwn: true)
        effects.note(.transferStarted(to: target))
        return true
    }

    /// "The prior leader sends a TimeoutNow request to the target server" once "the target server's log matches the
    /// leader's" (3.10), and, which the dissertation does not ask for, all of it is committed: the target's copy may not make a
    /// majority, of five members, or where this one has left. What is not committed when the leader steps down is in doubt,
    /// and writers would be told so.
    mutating func finishTransfer(into effects: inout Effects) {
        guard let transfer = leading.transfer, !transfer.isSent, let place = peer(transfer.target),
            peers[place].match == log.lastIndex || sabotage == .transferToLaggard,
            commitIndex == log.lastIndex || sabotage == .transferToLaggard || sabotage == .transferInDoubt
        else { return }
        leading.transfer.update { $0.isSent = true }
        renounceLease()
        send(.timeoutNow, to: transfer.target, into: &effects)
        effects.note(.timeoutNowSent(to: transfer.target))
    }

    /// "If leadership transfer does not complete after about an election timeout, the prior leader aborts the
    /// transfer and resumes accepting client requests" (3.10).
    mutating func expireTransfer(into effects: inout Effects) {
        guard let transfer = leading.transfer, now >= transfer.deadline else { return }
        endTransfer(.timedOut, into: &effects)
    }

    mutating func endTransfer(_ outcome: TransferOutcome, into effects: inout Effects) {
        if leading.transfer?.isOwn != true { effects.transfer = outcome }
        leading.transfer = nil
        effects.note(.transferEnded(outcome))
    }

    /// "The target server starts a new election as if its election timer had elapsed" (3.10): without a pre-vote,
    /// which the others would refuse while they hear their leader, and with leave to disrupt it (4.2.3).
    mutating func receiveTimeoutNow(_ message: Message, into effects: inout Effects) {
        guard electorate.mayCampaign, role != .leader, leader == nil || leader == message.from else {
            ignore(message, .notExpected, into: &effects)
            return
        }
        if sabotage == .transferAsksFirst { return preCampaign(into: &effects) }
        campaign(transfer: true, into: &effects)
    }
}
