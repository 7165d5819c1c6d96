import GRPC

/// What an attempt's end means for the call: the contract's rules for trying again, in one place.
///
/// A read may always be tried again. A write only when it is certain that it was not applied: a member said so (the
/// trailer `swiftwater-not-applied: 1`), or it was never sent; or when it travels in a session, and then it is as safe as a
/// read.
enum Verdict: Equatable {
    case answered
    /// Another member, or the same one a little later, may do better.
    case tryAgain
    /// A member judged the request: no other will say otherwise.
    case rejected
    /// The session is over in which it came: this time it was not applied.
    case sessionOver
    /// It was sent, and what became of it nobody knows.
    case outcomeUnknown

    static let notAppliedTrailer = "swiftwater-not-applied"
    static let sessionExpiredTrailer = "swiftwater-session-expired"

    /// Whether the attempt was certainly not applied.
    static func isCertain(_ result: UnaryResult) -> Bool {
        result.neverSent || result.trailers[notAppliedTrailer] == "1"
    }

    /// `inDoubt`: an earlier attempt may have been applied.
    init(_ status: Status, neverSent: Bool, trailers: Metadata, isSafe: Bool, inDoubt: Bool = false) {
        let isCertain = neverSent || trailers[Self.notAppliedTrailer] == "1"
        switch status.code {
        case .ok:
            self = .answered
        case .unavailable, .deadlineExceeded, .unknown, .cancelled, .aborted:
            self = isCertain || isSafe ? .tryAgain : .outcomeUnknown
        case .resourceExhausted:
            // A value over the limit, a full disk, too much in flight: more requests help none of them. The caller
            // knows best what to do with less.
            self = neverSent || inDoubt ? .tryAgain : .rejected
        case .internal, .dataLoss:
            self = isCertain ? .tryAgain : isSafe ? .rejected : .outcomeUnknown
        case .failedPrecondition where trailers[Self.sessionExpiredTrailer] == "1":
            self = .sessionOver
        case .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition, .outOfRange,
            .unimplemented, .unauthenticated:
            self = .rejected
        }
    }
}
