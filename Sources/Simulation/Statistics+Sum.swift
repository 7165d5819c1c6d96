import Base

extension Statistics {
    /// What happened in several runs: counts add up, of the largest term and the longest gap the larger stays.
    public mutating func add(_ other: Statistics) {
        operations += other.operations
        succeeded += other.succeeded
        failed += other.failed
        unknown += other.unknown
        retries += other.retries
        elections += other.elections
        highestTerm = max(highestTerm, other.highestTerm)
        for kind in faults.indices { faults[kind] += other.faults[kind] }
        sent += other.sent
        delivered += other.delivered
        steps += other.steps
        restarts += other.restarts
        snapshotsInstalled += other.snapshotsInstalled
        configurations += other.configurations
        appends += other.appends
        committed += other.committed
        virtualTime = Interval(nanoseconds: virtualTime.nanoseconds + other.virtualTime.nanoseconds)
        longestGap = max(longestGap, other.longestGap)
    }
}
