import Consensus
import GRPC
import Wire

// Made once: a path is bytes, ready to be sent and compared.
extension MethodPath {
    static let transact = MethodPath(Wire.Path.kvTransact)
    static let hello = MethodPath(Wire.Path.raftHello)
    static let appendEntries = MethodPath(Wire.Path.raftAppendEntries)
    static let requestVote = MethodPath(Wire.Path.raftRequestVote)
    static let readIndex = MethodPath(Wire.Path.raftReadIndex)
    static let timeoutNow = MethodPath(Wire.Path.raftTimeoutNow)
    static let installSnapshot = MethodPath(Wire.Path.raftInstallSnapshot)
    static let propose = MethodPath(Wire.Path.raftPropose)

    /// By which call a message that has one answer goes.
    static func path(of question: Message.Body) -> MethodPath {
        switch question {
        case .requestVote: requestVote
        case .readIndex: readIndex
        case .timeoutNow: timeoutNow
        case .appendEntries, .appendEntriesReply, .requestVoteReply, .readIndexReply:
            preconditionFailure("this message is not sent as a call")
        }
    }
}
