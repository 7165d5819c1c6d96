import CUV

extension Loop {
    /// How many requests to libuv's pool may be under way on one loop. The pool has four threads, unless
    /// UV_THREADPOOL_SIZE says otherwise, and name resolution takes at most half of them.
    public static let workLimit = 1024

    /// Runs `body`, which may block, on libuv's pool, and then `completion` on the loop. False when
    /// `workLimit` requests are under way already. For rare work: what needs order or a bounded delay has a
    /// `WorkerThread`.
    ///
    /// The end of the loop waits for `body`.
    public func work<R: Sendable>(
        _ body: @escaping @Sendable () -> R, then completion: @escaping (R) -> Void
    ) -> Bool {
        mustBeCurrent()
        guard pendingWork < Self.workLimit, !isFinished else { return false }
        PoolRequest(loop: self, body, completion).start()
        return true
    }
}

/// One piece of work on its way through the pool; libuv holds it until it is done.
private class AnyPoolRequest {
    let request = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)
    let loop: Loop

    init(loop: Loop) { self.loop = loop }

    deinit { request.deallocate() }

    final func start() {
        request.pointee.data = Unmanaged.passRetained(self).toOpaque()
        loop.pendingWork += 1
        let failure = uv_queue_work(loop.uv, request, workOnPool, workDone)
        precondition(failure == 0, "uv_queue_work: \(describe(failure))")
    }

    /// On a thread of the pool.
    func run() {}
    /// On the loop.
    func finish() {}
}

private final class PoolRequest<R: Sendable>: AnyPoolRequest {
    private let body: @Sendable () -> R
    private let completion: (R) -> Void
    /// Written by the pool's thread, then read by the loop's: libuv's queue stands between.
    private var result: R?

    init(loop: Loop, _ body: @escaping @Sendable () -> R, _ completion: @escaping (R) -> Void) {
        self.body = body
        self.completion = completion
        super.init(loop: loop)
    }

    override func run() { result = body() }

    override func finish() {
        if let result { completion(result) }
    }
}

private func workOnPool(_ request: UnsafeMutablePointer<uv_work_t>?) {
    request?.pointee.data?.owner(as: AnyPoolRequest.self).run()
}

private func workDone(_ request: UnsafeMutablePointer<uv_work_t>?, _: Int32) {
    guard let data = request?.pointee.data else { return }
    let pool = Unmanaged<AnyPoolRequest>.fromOpaque(data).takeRetainedValue()
    pool.loop.pendingWork -= 1
    pool.finish()
}
