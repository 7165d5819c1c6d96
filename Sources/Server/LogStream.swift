import Base
import Consensus
import GRPC
import Replica
import Wire

/// The answer to RequestLog: the member's own log, read from its disk in slices, as fast as the client reads.
///
/// Confined to the member's loop.
final class LogStream: @unchecked Sendable {
    /// Bytes of entries read from the disk at a time.
    static let sliceBytes = 256 << 10

    private let call: ServerCall
    private unowned let member: Member
    private var next: Index
    private var remaining: UInt64
    /// The end of the log, and of what is committed, when the call began.
    private let last: Index
    private let commitIndex: Index
    private var isReading = false

    init(call: ServerCall, member: isolated Member, request: Wire.RequestLogRequest) {
        self.call = call
        self.member = member
        next = max(request.from, member.replica.firstIndex)
        remaining = request.limit == 0 ? .max : request.limit
        let view = member.replica.view
        last = view.durableIndex
        commitIndex = view.commitIndex
    }

    func begin() {
        call.onWritable = { self.readSlice() }
        readSlice()
    }

    private func readSlice() {
        guard !isReading, !call.isClosed, call.isWritable else { return }
        guard next <= last, remaining > 0 else { return call.finish() }
        isReading = true
        member.assumeIsolated { [self] in
            $0.ask(.log(from: next, maxBytes: Self.sliceBytes), deadline: call.deadline, for: .log(self))
        }
    }

    func receive(_ result: Answer.Result, codec: Wire.Codec) {
        isReading = false
        switch result {
        case .log(let entries, _):
            for entry in entries where remaining > 0 && entry.index <= last {
                call.send(codec.encode(Wire.LogRecord(entry, isCommitted: entry.index <= commitIndex)))
                next = entry.index.next
                remaining -= 1
            }
            // A truncation that went on meanwhile ends the log here.
            if entries.isEmpty { remaining = 0 }
            readSlice()
        case .failed(let failure):
            call.fail(failure)
        case .outcome, .frozen, .leadershipTransferred, .members:
            preconditionFailure("a reader of the log got the answer to another kind of request")
        }
    }
}
