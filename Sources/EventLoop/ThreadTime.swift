public import Base
import Glibc

/// A time line that runs while this thread has a processor.
public func threadTime() -> Instant {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
}

/// Lets other threads have the processor for so long, less than a second. Not on a loop.
public func rest(for interval: Interval) {
    var time = timespec(tv_sec: 0, tv_nsec: min(Int(interval.nanoseconds), 999_999_999))
    nanosleep(&time, nil)
}
