import Base

// What of this member's memory has a bound, for those who check that it holds.
extension Raft {
    /// The packed bytes of the entries in memory.
    package var bytesInMemory: Int { tail.byteCount }
    package var votedFor: MemberID? { hardState.votedFor }
    /// The term of the last entry of the log.
    package var lastTerm: Term { log.lastTerm }
}
