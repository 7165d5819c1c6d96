import Base
import CProto
import Consensus

extension Wire {
    /// What stands in front of every message between members.
    public struct Header: Equatable, Sendable {
        /// Zero while the members have not met.
        public var cluster: ClusterID
        public var group: UInt64
        public var from: MemberID
        /// Zero only in a Hello to an address that was never heard from.
        public var to: MemberID
        public var term: Term

        public init(cluster: ClusterID, group: UInt64 = 0, from: MemberID, to: MemberID, term: Term = 0) {
            self.cluster = cluster
            self.group = group
            self.from = from
            self.to = to
            self.term = term
        }

        init(_ message: Message) {
            self.init(
                cluster: message.cluster, group: message.group, from: message.from, to: message.to,
                term: message.term)
        }

        func message(_ body: Message.Body) -> Message {
            Message(cluster: cluster, group: group, from: from, to: to, term: term, body: body)
        }
    }
}

/// The fields that all messages of raft.proto share.
protocol RaftMessage {
    var cluster: UInt64 { get set }
    var group: UInt64 { get set }
    var from: UInt64 { get set }
    var to: UInt64 { get set }
    var term: UInt64 { get set }
}

extension RaftMessage {
    var header: Wire.Header {
        get {
            Wire.Header(
                cluster: ClusterID(cluster), group: group, from: MemberID(from), to: MemberID(to), term: Term(term))
        }
        set {
            cluster = newValue.cluster.rawValue
            group = newValue.group
            from = newValue.from.rawValue
            to = newValue.to.rawValue
            term = newValue.term.rawValue
        }
    }
}

extension Swiftwater__V1__RequestVoteRequest: RaftMessage {}
extension Swiftwater__V1__RequestVoteResponse: RaftMessage {}
extension Swiftwater__V1__AppendEntriesRequest: RaftMessage {}
extension Swiftwater__V1__AppendEntriesResponse: RaftMessage {}
extension Swiftwater__V1__InstallSnapshotRequest: RaftMessage {}
extension Swiftwater__V1__InstallSnapshotResponse: RaftMessage {}
extension Swiftwater__V1__TimeoutNowRequest: RaftMessage {}
extension Swiftwater__V1__TimeoutNowResponse: RaftMessage {}
extension Swiftwater__V1__ProposeRequest: RaftMessage {}
extension Swiftwater__V1__ProposeResponse: RaftMessage {}
extension Swiftwater__V1__ReadIndexRequest: RaftMessage {}
extension Swiftwater__V1__ReadIndexResponse: RaftMessage {}
