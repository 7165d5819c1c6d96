import Base
import Replica
import Server
import Wire

/// A service of the member that the gateway reaches as others do.
enum OwnService {
    static func call(_ path: String, _ message: Bytes, _ member: Member, _ limits: GatewayLimits) async throws -> Bytes {
        switch await member.callItself(path, message, within: limits.patience) {
        case .message(let bytes): return bytes
        case .unimplemented: throw Unimplemented(message: "this member does not have that: faults need --enable-faults")
        case .failed(let failure): throw failure
        }
    }

    static func read<T>(
        _ bytes: Bytes, _ decode: (RawSpan) throws(Wire.DecodeFailure) -> T
    ) throws(Failure) -> T {
        do {
            return try bytes.withSpan(decode)
        } catch {
            throw Failure(.unknown, "this member's own answer cannot be read: \(error.message)", notApplied: false)
        }
    }

    /// The service is not there: as it was started, or in this version.
    struct Unimplemented: Error {
        var message: String
    }
}
