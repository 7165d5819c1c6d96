import Base
import Keyspace

/// Folded over everything that happens: two runs with the same hash went the same way.
struct TraceHash {
    private(set) var value: UInt64

    init(seed: UInt64) { value = seed }

    @inline(__always)
    mutating func fold(_ time: UInt64, _ what: Int, _ number: UInt64) {
        value.fold(time)
        value.fold(UInt64(truncatingIfNeeded: what) << 48 ^ number)
    }
}
