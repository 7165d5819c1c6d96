import Base
import EventLoop
import GRPC

/// What has come of a stream and was not taken yet, on the client's loop. When it is full the member is made to wait.
final class StreamReader<Element> {
    struct End {
        var status: Status
        var neverSent: Bool
        var trailers: Metadata
    }

    private let stream: ClientStream
    private var elements: [Element] = []
    private var end: End?
    /// Why we ended it ourselves.
    private var complaint: Status?
    private var waiter: UnsafeContinuation<Void, Never>?
    /// Ends the stream when the member says nothing for too long while somebody waits for it.
    private var timer: Timer!
    /// How long it may say nothing.
    var patience: Interval

    /// `decode` reads one message; one that it cannot read ends the stream with INTERNAL.
    init(
        _ stream: ClientStream, on loop: Loop, limit: Int, patience: Interval,
        decode: @escaping (RawSpan) throws -> [Element]
    ) {
        self.stream = stream
        self.patience = patience
        timer = Timer(loop) { [unowned self] in
            give(up: Status(.deadlineExceeded, "no answer after \(self.patience.milliseconds) ms"))
        }
        stream.onMessage = { [unowned self] span in
            do {
                elements += try decode(span)
            } catch {
                give(up: Status(.internal, "the answer could not be read: \(error)"))
            }
            if elements.count >= limit { stream.holdInput() }
            wake()
        }
        stream.onEnd = { [unowned self] status, trailers in
            end = End(status: complaint ?? status, neverSent: stream.neverSent, trailers: trailers)
            wake()
        }
    }

    private func give(up complaint: Status) {
        self.complaint = complaint
        stream.cancel()
    }

    private func wake() {
        waiter?.resume()
        waiter = nil
    }

    /// Waits until there is something to take: elements, or how it ended.
    func next(isolation: isolated (any Actor)? = #isolation) async -> (elements: [Element], end: End?) {
        if elements.isEmpty, end == nil {
            timer.start(after: patience)
            await withUnsafeContinuation { waiter = $0 }
            timer.stop()
        }
        let taken = elements
        elements = []
        stream.resumeInput()
        return (taken, taken.isEmpty ? end : nil)
    }

    /// Takes no more. Must be called, whatever happened.
    func close() {
        stream.cancel()
        timer.close()
    }
}
