import Glibc

/// A write to a connection that the peer has reset is an error to handle, not a reason to end the process.
func ignoreBrokenPipes() { _ = ignoredBrokenPipes }

private let ignoredBrokenPipes: Void = {
    signal(SIGPIPE, SIG_IGN)
}()

/// Lets this process open as many files and connections as the system allows it at all. Returns the limit
/// that now holds.
@discardableResult
public func raiseOpenFileLimit() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
    var raised = limit
    raised.rlim_cur = limit.rlim_max
    if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
    return Int(clamping: limit.rlim_cur)
}
