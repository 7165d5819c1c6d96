import CUV

/// A libuv handle: its memory is ours, and both live until libuv's close callback. Until then the handle
/// holds itself, so that libuv never calls into freed memory; the loop's end closes what is left.
///
/// Invariant: `raw` is nil before `adopt` and after the close callback, and at no other time.
public class Handle {
    public let loop: Loop
    private(set) var raw: UnsafeMutablePointer<uv_handle_t>?
    private(set) var isClosing = false

    init(loop: Loop) {
        loop.mustBeCurrent()
        self.loop = loop
    }

    /// Whether the handle can be used: it was opened, and nobody has asked to close it.
    final var isUsable: Bool { raw != nil && !isClosing }

    /// Takes over a handle that libuv has initialised.
    final func adopt<T>(_ handle: UnsafeMutablePointer<T>) {
        let raw = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
        self.raw = raw
        raw.pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    /// Lets go of the handle, which somebody else adopts in the same breath.
    final func release() {
        guard raw != nil else { return }
        raw = nil
        Unmanaged.passUnretained(self).release()
    }

    /// Starts closing; `didClose` follows from the loop, never from inside this call. A second call does nothing.
    final func beginClosing(using close: (UnsafeMutablePointer<uv_handle_t>) -> Void = { uv_close($0, handleClosed) }) {
        guard let raw, !isClosing else { return }
        isClosing = true
        close(raw)
    }

    /// The loop stops: close, telling whoever must know.
    func closeForStop() { beginClosing() }

    /// The handle is gone. Drop the handlers, and with them the cycles they form.
    func didClose() {}

    fileprivate final func finishClosing() {
        raw = nil
        didClose()
    }
}

extension UnsafeMutableRawPointer {
    /// The Swift side of a handle or request, from its `data`.
    func owner<T: AnyObject>(as type: T.Type) -> T { Unmanaged<T>.fromOpaque(self).takeUnretainedValue() }
}

/// The one place where handles are freed.
func handleClosed(_ raw: UnsafeMutablePointer<uv_handle_t>?) {
    guard let raw, let data = raw.pointee.data else { return }
    let handle = Unmanaged<Handle>.fromOpaque(data).takeRetainedValue()
    UnsafeMutableRawPointer(raw).deallocate()
    handle.finishClosing()
}
