public import Base
import CUV
import Glibc
import Synchronization

/// A libuv event loop that is also an actor executor: actors that name it as their `unownedExecutor` run on
/// its thread, and so do all handlers of its timers, connections and watchers. A handler set inside such an
/// actor is therefore already isolated to it: no hop, no `assumeIsolated`. When it captures a connection too,
/// it must capture `self` strongly, `[self, unowned connection]`: the compiler (6.3) cannot follow
/// `unowned self` then. The cycle ends when the handle closes, since that drops its handlers.
///
/// Everything on a loop is confined to its thread, except what says "from any thread": `enqueue`, `perform`,
/// `Wakeup.signal`, `now`.
public final class Loop: SerialExecutor, @unchecked Sendable {
    /// How much one read from a socket can bring. One buffer serves all connections of the loop: a handler
    /// borrows it for the time of its call.
    public static let readBufferSize = 256 * 1024

    let uv: UnsafeMutablePointer<uv_loop_t>
    let readBuffer: UnsafeMutableRawPointer
    private let async: UnsafeMutablePointer<uv_async_t>
    private let prepare: UnsafeMutablePointer<uv_prepare_t>

    /// The thread that runs the loop; zero before it runs. Written before the first callback.
    let thread = Atomic<UInt>(0)

    let lock = Lock()
    /// Guarded by `lock`.
    var jobs: [Job] = []
    /// Guarded by `lock`. Once true, the wake-up handle may be gone.
    var isClosed = false
    /// Threads that may be about to use the wake-up handle: it is closed only when there are none.
    let wakers = Atomic<Int>(0)

    /// The jobs being run: swapped with `jobs`, so that both keep their memory. Loop's thread only.
    var running: [Job] = []
    var turnEnds: [TurnEnd] = []
    var readBudget = ReadBudget()
    /// How long the turns took that are over: by the clock. Loop's thread only.
    public internal(set) var turnTimes = TurnTimes()
    /// And how much of it the loop's thread was given a processor. Loop's thread only.
    public internal(set) var turnWork = TurnTimes()
    /// When the last turn ended, and until then: how long the loop had waited in all, and the thread had run.
    var lastTurn: (end: UInt64, idle: UInt64, work: Instant)?
    /// Requests on libuv's pool that have not come back.
    var pendingWork = 0
    /// What another room shares among all that it has on this loop, by its type. Loop's thread only.
    public var residents: [ObjectIdentifier: AnyObject] = [:]
    /// Threads that end before the loop does.
    var attachments: [LoopAttachment] = []
    /// Loop's thread only. From here on nothing new is opened.
    private(set) var isStopping = false
    /// Loop's thread only. Failed attempts to open something are no longer reported: see `close()`.
    private(set) var isSilent = false
    /// Loop's thread only. libuv's loop is gone.
    private(set) var isFinished = false

    /// Makes a loop that nobody runs yet: `LoopThread` does.
    ///
    /// Stops the process when the system has no descriptors left for it: nothing can work then.
    init() {
        ignoreBrokenPipes()
        uv = .allocate(capacity: 1)
        readBuffer = .allocate(byteCount: Self.readBufferSize, alignment: 64)
        async = .allocate(capacity: 1)
        prepare = .allocate(capacity: 1)
        Self.require(uv_loop_init(uv), "uv_loop_init")
        Self.require(uv_measure_idle_time(uv), "uv_loop_configure")
        Self.require(uv_async_init(uv, async, wokenUp), "uv_async_init")
        Self.require(uv_prepare_init(uv, prepare), "uv_prepare_init")
        let own = Unmanaged.passUnretained(self).toOpaque()
        uv.pointee.data = own
        async.pointee.data = nil
        prepare.pointee.data = nil
        Self.require(uv_prepare_start(prepare, turnEnded), "uv_prepare_start")
    }

    deinit {
        precondition(isClosed, "a loop was dropped before it was stopped")
        uv.deallocate()
        readBuffer.deallocate()
        async.deallocate()
        prepare.deallocate()
    }

    private static func require(_ code: Int32, _ call: String) {
        precondition(code == 0, "\(call): \(describe(code))")
    }

    // MARK: Time

    /// Monotonic time. From any thread.
    public var now: Instant { Loop.now }

    /// The monotonic clock that all loops of the process share. From any thread.
    public static var now: Instant { Instant(nanoseconds: uv_hrtime()) }

    /// The time at which this turn began, in whole milliseconds of the same clock: costs no system call.
    public var turnTime: Instant { Instant(nanoseconds: uv_now(uv) * 1_000_000) }

    // MARK: Running

    /// Runs the loop on this thread until `stop()`, then closes everything on it.
    func run() {
        thread.store(UInt(pthread_self()), ordering: .releasing)
        uv_run(uv, UV_RUN_DEFAULT)
        close()
    }

    /// Ends `run()` at the end of this turn. From any thread.
    func stop() {
        perform { [unowned self] in
            isStopping = true
            uv_stop(uv)
        }
    }

    func wake() { uv_async_send(async) }

    /// How many times handles that handlers open during the tear-down are closed again, before handlers are
    /// no longer called.
    static let closingRounds = 16

    /// Closes every handle, waits for the close callbacks and for work still on the pool, and gives the loop
    /// back to libuv. On the loop's thread, or on any when it never ran.
    func close() {
        if thread.load(ordering: .relaxed) == 0 { thread.store(UInt(pthread_self()), ordering: .releasing) }
        isStopping = true
        // Newest first, so that what was built on another ends before it.
        while let attachment = attachments.last { attachment.stop() }
        var round = 0
        repeat {
            round += 1
            isSilent = round > Self.closingRounds
            uv_walk(uv, closeWalked, nil)
            runJobs()
            if hasHandles || pendingWork > 0 { uv_run(uv, UV_RUN_ONCE) }
        } while hasHandles || pendingWork > 0 || lock.locked { !jobs.isEmpty }
        lock.locked { isClosed = true }
        while wakers.load(ordering: .acquiring) > 0 { sched_yield() }
        uv_close(UnsafeMutableRawPointer(async).assumingMemoryBound(to: uv_handle_t.self), nil)
        uv_close(UnsafeMutableRawPointer(prepare).assumingMemoryBound(to: uv_handle_t.self), nil)
        turnEnds.forEach { $0.cancel() }
        turnEnds = []
        while uv_run(uv, UV_RUN_DEFAULT) != 0 {}
        Self.require(uv_loop_close(uv), "uv_loop_close")
        isFinished = true
        thread.store(0, ordering: .releasing)
        runLateJobs()
    }

    /// Whether anything but the loop's own two handles is still there.
    private var hasHandles: Bool {
        var count = 0
        withUnsafeMutablePointer(to: &count) { uv_walk(uv, countWalked, $0) }
        return count > 0
    }

    func mustBeCurrent() { precondition(isCurrent, "called off the loop's thread") }

    /// Memory for a handle that libuv has initialised; nil when the loop is gone.
    func open<T>(
        _: T.Type, _ initialise: (UnsafeMutablePointer<uv_loop_t>?, UnsafeMutablePointer<T>?) -> Int32
    ) -> UnsafeMutablePointer<T>? {
        guard !isFinished else { return nil }
        let handle = UnsafeMutablePointer<T>.allocate(capacity: 1)
        guard initialise(uv, handle) == 0 else {
            handle.deallocate()
            return nil
        }
        return handle
    }
}

/// Only there to end the poll: the work is done at the end of the turn.
private func wokenUp(_: UnsafeMutablePointer<uv_async_t>?) {}

private func turnEnded(_ raw: UnsafeMutablePointer<uv_prepare_t>?) {
    guard let data = raw?.pointee.loop.pointee.data else { return }
    Unmanaged<Loop>.fromOpaque(data).takeUnretainedValue().endTurn()
}

/// Every handle but the loop's own two carries a `Handle` in `data`.
private func closeWalked(_ raw: UnsafeMutablePointer<uv_handle_t>?, _: UnsafeMutableRawPointer?) {
    guard let raw, let data = raw.pointee.data, uv_is_closing(raw) == 0 else { return }
    Unmanaged<Handle>.fromOpaque(data).takeUnretainedValue().closeForStop()
}

private func countWalked(_ raw: UnsafeMutablePointer<uv_handle_t>?, _ count: UnsafeMutableRawPointer?) {
    guard raw?.pointee.data != nil else { return }
    count!.assumingMemoryBound(to: Int.self).pointee += 1
}

/// libuv's words for one of its codes.
func describe(_ code: Int32) -> String { String(cString: uv_strerror(code)) }
