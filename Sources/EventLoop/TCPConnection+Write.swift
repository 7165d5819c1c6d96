public import Base
import CUV
import DequeModule

extension TCPConnection {
    /// How many bytes the kernel has not taken yet.
    public var queuedBytes: Int {
        guard let stream, !queue.isEmpty else { return 0 }
        return waitingBytes + uv_stream_get_write_queue_size(stream)
    }

    /// Hands the bytes to the kernel, and queues a copy of what it does not take. False when something is
    /// queued now: write no more until `onDrain`. Bytes for a connection that is closing are dropped.
    @discardableResult
    public func write(_ bytes: RawSpan) -> Bool {
        bytes.withUnsafeBytes { write($0) }
    }

    /// The same for memory that is not Swift's.
    @discardableResult
    public func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard isWritable, bytes.count > 0 else { return queue.isEmpty }
        let taken = queue.isEmpty ? tryWrite(bytes) : 0
        guard let taken, taken < bytes.count else { return queue.isEmpty }
        return enqueue(Bytes(copying: UnsafeRawBufferPointer(rebasing: bytes[taken...])))
    }

    /// The same without a copy: what is queued is held.
    @discardableResult
    public func write(_ bytes: Bytes) -> Bool {
        guard isWritable, !bytes.isEmpty else { return queue.isEmpty }
        let taken = queue.isEmpty ? bytes.withUnsafeBytes { tryWrite($0) } : 0
        guard let taken, taken < bytes.count else { return queue.isEmpty }
        return enqueue(bytes[taken..<bytes.count])
    }

    /// Many pieces in as few system calls as they allow; no copies.
    @discardableResult
    public func write(gathering pieces: [Bytes]) -> Bool {
        guard isWritable else { return queue.isEmpty }
        var first = 0
        while queue.isEmpty, first < pieces.count {
            let last = min(first + Self.gatherLimit, pieces.count)
            guard var taken = tryWrite(pieces[first..<last]) else { return true }
            while first < last, taken >= pieces[first].count {
                taken -= pieces[first].count
                first += 1
            }
            guard first < last else { continue }
            enqueue(pieces[first][taken..<pieces[first].count])
            first += 1
        }
        for piece in pieces[first...] where !piece.isEmpty { enqueue(piece) }
        return queue.isEmpty
    }

    /// How many pieces go into one system call.
    static let gatherLimit = 64

    private var isWritable: Bool { isUsable && !isFinishing }

    /// How many bytes the kernel took; nil when the connection is broken, and closing now.
    private func tryWrite(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var buffer = uv_buf_t(bytes)
        return tryWrite(&buffer, 1)
    }

    private func tryWrite(_ pieces: ArraySlice<Bytes>) -> Int? {
        withBuffers(of: pieces, count: pieces.count) { tryWrite($0.baseAddress, UInt32($0.count)) }
    }

    private func tryWrite(_ buffers: UnsafePointer<uv_buf_t>?, _ count: UInt32) -> Int? {
        let result = uv_try_write(stream, buffers, count)
        if result >= 0 { return Int(result) }
        if result == UV_EAGAIN.rawValue { return 0 }
        fail(.write, result)
        return nil
    }

    @discardableResult
    private func enqueue(_ bytes: Bytes) -> Bool {
        guard isUsable else { return true }
        guard queuedBytes + bytes.count <= writeLimit else {
            close(because: .writeQueueFull)
            return true
        }
        queue.append(bytes)
        waitingBytes += bytes.count
        if inFlight == 0 { startWriting() }
        return false
    }

    /// Gives libuv the front of the queue. Its memory stays where it is: `queue` holds it until `didWrite`.
    private func startWriting() {
        inFlight = min(queue.count, Self.gatherLimit)
        let failure = withBuffers(of: queue, count: inFlight) { buffers -> Int32 in
            for buffer in buffers { waitingBytes -= buffer.len }
            writeRequest.pointee.data = nil
            return uv_write(writeRequest, stream, buffers.baseAddress, UInt32(buffers.count), didWriteQueued)
        }
        if failure != 0 { fail(.write, failure) }
    }

    fileprivate func didWrite(_ status: Int32) {
        guard isUsable else { return }
        guard status == 0 else { return fail(.write, status) }
        queue.removeFirst(inFlight)
        inFlight = 0
        if !queue.isEmpty {
            startWriting()
        } else if isFinishing {
            shutDown()
        } else {
            onDrain?()
        }
    }

    /// `Bytes` never move, so the pointers outlive the borrow in which they were taken, as long as `pieces` does.
    private func withBuffers<R>(
        of pieces: some Sequence<Bytes>, count: Int, _ body: (UnsafeMutableBufferPointer<uv_buf_t>) -> R
    ) -> R {
        withUnsafeTemporaryAllocation(of: uv_buf_t.self, capacity: count) { buffers in
            withExtendedLifetime(pieces) {
                for (place, piece) in pieces.prefix(count).enumerated() {
                    buffers.initializeElement(at: place, to: piece.withUnsafeBytes { uv_buf_t($0) })
                }
                return body(buffers)
            }
        }
    }
}

extension uv_buf_t {
    /// libuv does not write through the buffers of a write, whatever their type says.
    fileprivate init(_ bytes: UnsafeRawBufferPointer) {
        let base = UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.assumingMemoryBound(to: CChar.self)
        self.init(base: base, len: bytes.count)
    }
}

private func didWriteQueued(_ request: UnsafeMutablePointer<uv_write_t>?, _ status: Int32) {
    request?.pointee.handle.pointee.data?.owner(as: TCPConnection.self).didWrite(status)
}
