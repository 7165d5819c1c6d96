import EventLoop

extension Loop {
    /// Lets go of something large on another thread: to free a keyspace node by node, when this is its last holder, takes
    /// some 100 ms for a million keys. Were the pool full, it is done here.
    func letGo<Value: Sendable>(of value: consuming Value) {
        let castoff = Castoff(value)
        if !work({ castoff.letGo() }, then: { _ in }) { castoff.letGo() }
    }
}

/// Carries a value to the thread that frees it: a closure that captured it would free it only on its way back. One thread
/// at a time has it.
private final class Castoff<Value: Sendable>: @unchecked Sendable {
    private var value: Value?

    init(_ value: consuming Value) { self.value = consume value }

    func letGo() { value = nil }
}
