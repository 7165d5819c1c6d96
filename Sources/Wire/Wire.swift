import Base
import CProto

/// The wire, in Swift: what `proto/swiftwater/v1` says, between bytes and values. This room alone knows protobuf-c.
public enum Wire {
    /// The serialized `google.protobuf.FileDescriptorSet` of everything under `proto/`, each file after those it
    /// imports: what gRPC reflection hands out.
    public static let fileDescriptorSet = Bytes(
        copying: UnsafeRawBufferPointer(start: swiftwater_descriptors(), count: swiftwater_descriptors_size()))

    /// The file that `fileDescriptorSet` has for the Fault service.
    public static let faultFile: Bytes = "swiftwater/v1/fault.proto"

    /// The `:path` of every call.
    public enum Path {
        public static let kvPing = "/swiftwater.v1.KV/Ping"
        public static let kvGet = "/swiftwater.v1.KV/Get"
        public static let kvSet = "/swiftwater.v1.KV/Set"
        public static let kvStrlen = "/swiftwater.v1.KV/Strlen"
        public static let kvDelete = "/swiftwater.v1.KV/Delete"
        public static let kvAppend = "/swiftwater.v1.KV/Append"
        public static let kvKeys = "/swiftwater.v1.KV/Keys"
        public static let kvTransact = "/swiftwater.v1.KV/Transact"

        public static let clusterStatus = "/swiftwater.v1.Cluster/Status"
        public static let clusterRequestLog = "/swiftwater.v1.Cluster/RequestLog"
        public static let clusterAddServer = "/swiftwater.v1.Cluster/AddServer"
        public static let clusterRemoveServer = "/swiftwater.v1.Cluster/RemoveServer"
        public static let clusterTransferLeadership = "/swiftwater.v1.Cluster/TransferLeadership"
        public static let clusterOpenSession = "/swiftwater.v1.Cluster/OpenSession"
        public static let clusterBackup = "/swiftwater.v1.Cluster/Backup"

        public static let raftHello = "/swiftwater.v1.Raft/Hello"
        public static let raftRequestVote = "/swiftwater.v1.Raft/RequestVote"
        public static let raftAppendEntries = "/swiftwater.v1.Raft/AppendEntries"
        public static let raftInstallSnapshot = "/swiftwater.v1.Raft/InstallSnapshot"
        public static let raftTimeoutNow = "/swiftwater.v1.Raft/TimeoutNow"
        public static let raftPropose = "/swiftwater.v1.Raft/Propose"
        public static let raftReadIndex = "/swiftwater.v1.Raft/ReadIndex"

        public static let faultSetLinks = "/swiftwater.v1.Fault/SetLinks"
        public static let faultDropNext = "/swiftwater.v1.Fault/DropNext"
        public static let faultHeal = "/swiftwater.v1.Fault/Heal"
        public static let faultListFaults = "/swiftwater.v1.Fault/ListFaults"
        public static let faultExpireElectionTimer = "/swiftwater.v1.Fault/ExpireElectionTimer"

        /// Those that exist only where faults are enabled.
        public static let faults = [
            faultSetLinks, faultDropNext, faultHeal, faultListFaults, faultExpireElectionTimer,
        ]

        /// All others.
        public static let all = [
            kvPing, kvGet, kvSet, kvStrlen, kvDelete, kvAppend, kvKeys, kvTransact,
            clusterStatus, clusterRequestLog, clusterAddServer, clusterRemoveServer, clusterTransferLeadership,
            clusterOpenSession, clusterBackup,
            raftHello, raftRequestVote, raftAppendEntries, raftInstallSnapshot, raftTimeoutNow, raftPropose,
            raftReadIndex,
        ]
    }
}
