public import EventLoop
public import Replica
public import Storage

/// Why a member does not run, and the exit code that says so (contract: 64 usage, 65 data, 69 address, 74 disk).
public enum StartFailure: Error, Sendable, CustomStringConvertible {
    case usage(String)
    case recovery(RecoveryFailure)
    case disk(DiskError)
    /// The data directory cannot be opened, or another process has it.
    case directory(RealDirectory.Failure)
    case cannotListen(NetworkError)
    /// The cluster knows this name under another identity: the disk was wiped or belongs to another cluster.
    case identity(String)

    public var exitCode: Int32 {
        switch self {
        case .usage: 64
        case .recovery(.damaged), .recovery(.newerFormat), .identity: 65
        case .directory(.inUse), .cannotListen: 69
        case .recovery(.disk), .directory(.disk), .disk: 74
        }
    }

    public var description: String {
        switch self {
        case .usage(let text), .identity(let text): text
        case .recovery(let failure): failure.description
        case .disk(let error): error.description
        case .directory(let failure): failure.description
        case .cannotListen(let error): error.description
        }
    }
}

extension ReplicaFailure {
    /// 65 for data that cannot be used, 74 for a disk that failed.
    public var exitCode: Int32 {
        switch self {
        case .storage(.damaged), .unapplicable: 65
        case .storage(.disk): 74
        }
    }
}
