import CUV

/// What went wrong on the network, and at which address.
public struct NetworkError: Error, Hashable, Sendable {
    public enum Operation: String, Sendable {
        case resolve = "resolve"
        case listen = "listen on"
        case accept = "accept a connection on"
        case connect = "connect to"
        case read = "read from"
        case write = "write to"
    }

    public enum Kind: Sendable {
        /// Somebody else listens there.
        case addressInUse
        /// No interface of this machine has that address.
        case addressNotAvailable
        /// Nobody listens there.
        case refused
        /// No answer in time.
        case timedOut
        /// The name has no address.
        case nameNotFound
        /// The name servers could not be asked.
        case resolverFailed
        /// The system does not allow it (a port below 1024).
        case notPermitted
        /// No route to the host or its network.
        case unreachable
        /// The peer ended the connection without saying goodbye.
        case reset
        /// No file descriptors left.
        case tooManyOpenFiles
        /// The loop stops.
        case stopped
        case other
    }

    public let operation: Operation
    /// As the caller wrote it, or as the socket has it.
    public let address: String
    /// The system's number, negative, as libuv has it; for logs.
    public let code: Int32

    init(_ operation: Operation, _ address: String, _ code: Int32) {
        self.operation = operation
        self.address = address
        self.code = code
    }

    public var kind: Kind {
        switch uv_errno_t(code) {
        case UV_EADDRINUSE: .addressInUse
        case UV_EADDRNOTAVAIL: .addressNotAvailable
        case UV_ECONNREFUSED: .refused
        case UV_ETIMEDOUT: .timedOut
        case UV_EAI_NONAME, UV_EAI_NODATA, UV_EAI_ADDRFAMILY, UV_EAI_FAMILY: .nameNotFound
        case UV_EAI_AGAIN, UV_EAI_FAIL, UV_EAI_MEMORY, UV_EAI_SERVICE: .resolverFailed
        case UV_EACCES, UV_EPERM: .notPermitted
        case UV_EHOSTUNREACH, UV_ENETUNREACH, UV_ENETDOWN: .unreachable
        case UV_ECONNRESET, UV_EPIPE, UV_ECONNABORTED: .reset
        case UV_EMFILE, UV_ENFILE: .tooManyOpenFiles
        case UV_ECANCELED: .stopped
        default: .other
        }
    }
}

extension NetworkError: CustomStringConvertible {
    /// "cannot listen on 127.0.0.1:7001: address already in use".
    public var description: String { "cannot \(operation.rawValue) \(address): \(describe(code))" }
}
