import GRPC
import Replica
import Wire

extension Status {
    /// The contract's error table: the numbers are the same on both sides.
    init(_ failure: Failure) {
        self.init(StatusCode(rawValue: failure.code.rawValue) ?? .unknown, failure.message)
    }
}

extension Metadata {
    /// Says that nothing was applied, and so that trying again is safe.
    static let notApplied: Metadata = {
        var metadata = Metadata()
        metadata.add(notAppliedName, "1")
        return metadata
    }()

    static let notAppliedName = "swiftwater-not-applied"

    /// Says that the session is over that a request came in: it was not applied now, an earlier attempt may have been.
    static let sessionExpired: Metadata = {
        var metadata = Metadata()
        metadata.add("swiftwater-session-expired", "1")
        return metadata
    }()
}

extension ServerCall {
    func fail(_ failure: Failure) {
        fail(Status(failure), trailers: failure.notApplied ? .notApplied : Metadata())
    }

    func fail(_ failure: Wire.DecodeFailure) {
        fail(Status(.invalidArgument, failure.message), trailers: .notApplied)
    }
}
