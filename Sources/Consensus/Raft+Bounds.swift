import Base

// What of this member's memory has a bound, for those who check that it holds.
extension Raft {
    /// The packed bytes of the entries in memory.
    package var bytesInMemory: Int { tail.byteCount }
    package var votedFor: MemberID? { hardState.votedFor }
    /// The entry before the log's first: a snapshot covers it.
    package var baseIndex: Index { log.baseIndex }
}
