@_spi(Sabotage) import Base

/// Reads by a lease (6.4.1): no messages at all, at the price of an assumption about clocks.
///
/// "Once the leader's heartbeats were acknowledged by a majority of the cluster, the leader would extend its lease to
/// start + election timeout / clock drift bound, since the followers shouldn't time out before then." Whoever answers a
/// round of heartbeats has heard it after the round began, and from then on promises silence: for the shortest election
/// timeout it votes for nobody, whatever else it hears or forgets (4.2.3, `promisedUntil`). So nobody else can be elected
/// before the round's start plus that timeout, as far as clocks run alike. Only a TimeoutNow ends the promise, and with it
/// the leader's leases of that term.
///
/// We assume: all members have the same election timeout; while one member's clock tells it, no other's tells more than
/// `Parameters.maxClockDrift` of it more or less; the clock goes on while a process is stopped, and does not leap. A read
/// by lease is as good as that; a linearizable one does not look at a clock.
extension Raft {
    /// The index that a read by lease may use at once at `instant`; nil when it needs a round.
    public func leaseReadIndex(at instant: Instant) -> Index? {
        holdsLease(at: instant) && commitIndex >= leading.termStart ? commitIndex : nil
    }

    /// Whether nobody else can be elected at `instant`, as far as clocks can be trusted.
    package func holdsLease(at instant: Instant) -> Bool { role == .leader && instant < leading.leaseUntil }

    /// A round with the heartbeats, as long as somebody reads by lease: so that the next one begins before the last
    /// lease ends.
    mutating func startLeaseRound() {
        guard now < leading.leaseWantedUntil, !leading.toldToCampaign else { return }
        // One that is on its way is waited for as long as its answers are worth anything.
        if let round = leading.leaseRound, now < round.start + parameters.leaseDuration { return }
        leading.round += 1
        leading.leaseRound = (leading.round, now)
        confirmLease()
    }

    mutating func confirmLease() {
        guard let round = leading.leaseRound, confirmedRound >= round.number else { return }
        leading.leaseRound = nil
        extendLease(from: round.start)
    }

    /// A quorum answered the round that began at `start`.
    mutating func extendLease(from start: Instant) {
        // One that was told to campaign may be elected while the lease runs: from then on there is none in this term.
        guard !leading.toldToCampaign else { return }
        let start = sabotage == .leaseOnArrival ? now : start
        leading.leaseUntil = max(leading.leaseUntil, start + parameters.leaseDuration)
    }

    /// Before TimeoutNow leaves: its receiver may disrupt this leader at any time from now on (3.10).
    mutating func renounceLease() {
        if sabotage == .leaseOutlivesTransfer { return }
        leading.toldToCampaign = true
        leading.leaseUntil = .zero
        leading.leaseRound = nil
    }

    // MARK: Those who answer

    /// This member has heard from the leader of its term, and may say so.
    mutating func promiseSilence() {
        promisedUntil = max(promisedUntil, now + parameters.electionTimeout.lowerBound)
    }

    /// Until when a member that starts owes its silence to a leader that it may have heard before. One that was always
    /// alone has heard none.
    static func promise(of restored: borrowing RestoredState, _ parameters: Parameters) -> Instant {
        let newest = restored.configurations[restored.configurations.count - 1]
        let wasAlwaysAlone = newest.index == 0 && newest.configuration.members.map(\.id) == [restored.identity]
        guard restored.hardState.term > 0, !wasAlwaysAlone, parameters.sabotage != .promiseForgotten else {
            return restored.now
        }
        return restored.now + parameters.electionTimeout.lowerBound
    }
}
