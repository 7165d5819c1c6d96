import GRPC

/// What an attempt's end means for the call: the contract's rules for trying again, in one place.
///
/// A read may always be tried again. A write only when it is certain that it was not applied: a member said so (the
/// trailer `swiftwater-not-applied: 1`), or it was never sent.
enum Verdict: Equatable {
    case answered
    /// Another member, or the same one a little later, may do better.
    case tryAgain
    /// A member judged the request: no other will say otherwise.
    case rejected
    /// It was sent, and what became of it nobody knows.
    case outcomeUnknown

    static let notAppliedTrailer = "swiftwater-not-applied"

    init(_ status: Status, neverSent: Bool, trailers: Metadata, isSafe: Bool) {
        let isCertain = neverSent || trailers[Self.notAppliedTrailer] == "1"
        switch status.code {
        case .ok:
            self = .answered
        case .unavailable, .deadlineExceeded, .unknown, .cancelled, .aborted:
            self = isCertain || isSafe ? .tryAgain : .outcomeUnknown
        case .resourceExhausted:
            // A value over the limit, a full disk, too much in flight: more requests help none of them. The caller
            // knows best what to do with less.
            self = neverSent ? .tryAgain : .rejected
        case .internal, .dataLoss:
            self = isCertain ? .tryAgain : isSafe ? .rejected : .outcomeUnknown
        case .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition, .outOfRange,
            .unimplemented, .unauthenticated:
            self = .rejected
        }
    }
}
