import CUV
import Glibc

/// Calls a handler on the loop when the process gets a signal. While one is watched, its usual effect, such
/// as the end of the process, does not happen.
public final class SignalWatcher: Handle {
    private var handler: (() -> Void)?

    /// `signal` is the system's number, such as SIGTERM.
    public init(_ loop: Loop, signal: Int32, _ handler: @escaping () -> Void) {
        self.handler = handler
        super.init(loop: loop)
        guard let watcher = loop.open(uv_signal_t.self, uv_signal_init) else { return }
        adopt(watcher)
        let failure = uv_signal_start(watcher, signalCame, signal)
        precondition(failure == 0, "signal \(signal) cannot be watched: \(describe(failure))")
    }

    /// Ends the watch; the signal has its usual effect again.
    public func close() { beginClosing() }

    override func didClose() { handler = nil }

    fileprivate func fire() {
        guard !isClosing else { return }
        handler?()
    }
}

private func signalCame(_ watcher: UnsafeMutablePointer<uv_signal_t>?, _: Int32) {
    watcher?.pointee.data?.owner(as: SignalWatcher.self).fire()
}
