import Base
import EventLoop
import GRPC
import Keyspace
import Replica
import Wire

/// The answer to Keys: one moment of the keyspace, sent in slices, as fast as the client reads and never for more than
/// a slice at a time, so that a long scan delays nobody.
final class KeyStream {
    /// Keys and bytes of one message.
    static let sliceKeys = 2_000
    static let sliceBytes = 128 << 10

    private let loop: Loop
    private let call: ServerCall
    private let codec: Wire.Codec
    private var scan: KeyScan
    private var keyspace: FrozenKeyspace?
    /// Goes with the first message.
    private var header: Wire.ResponseHeader?

    init(on loop: Loop, call: ServerCall, codec: Wire.Codec, scan: KeyScan) {
        self.loop = loop
        self.call = call
        self.codec = codec
        self.scan = scan
    }

    func receive(_ result: Answer.Result, _ age: LocalAge?) {
        header = age?.header
        switch result {
        case .frozen(let keyspace):
            self.keyspace = keyspace
            call.onCancel = { self.release() }
            call.onWritable = { self.sendSlice() }
            sendSlice()
        case .failed(let failure):
            call.fail(failure)
        case .outcome, .log, .leadershipTransferred, .members:
            preconditionFailure("a scan got the answer to another kind of request")
        }
    }

    /// Sends one slice; the next follows when this one has been written.
    private func sendSlice() {
        guard let keyspace, !call.isClosed else { return }
        while call.isWritable {
            let keys = keyspace.keys(&scan, maxKeys: Self.sliceKeys, maxBytes: Self.sliceBytes)
            if !keys.isEmpty { call.send(codec.encodeKeys(keys, header: header)) }
            header = nil
            if scan.isFinished || keys.isEmpty {
                release()
                call.finish()
                return
            }
        }
    }

    /// A reader may have been so slow that every key has changed since: then this is the last holder of them all.
    private func release() {
        guard let keyspace else { return }
        self.keyspace = nil
        loop.letGo(of: keyspace)
    }
}
