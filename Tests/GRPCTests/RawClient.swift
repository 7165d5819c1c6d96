import Base
import CNGHTTP2

@testable import GRPC

/// Writes HTTP/2 frames by hand, right ones and wrong ones (RFC 9113, RFC 7541 without Huffman or tables).
enum RawFrame {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    static func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
        let length = UInt32(payload.count)
        return [
            UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags,
            UInt8(stream >> 24 & 127), UInt8(stream >> 16 & 255), UInt8(stream >> 8 & 255), UInt8(stream & 255),
        ] + payload
    }

    static let settings = frame(4)
    static let settingsAcknowledgement = frame(4, flags: 1)
    static let ping = frame(6, [1, 2, 3, 4, 5, 6, 7, 8])
    static let start = preface + settings

    static func pingAcknowledgement(_ payload: [UInt8]) -> [UInt8] { frame(6, flags: 1, payload) }

    static func data(_ stream: UInt32, _ payload: [UInt8], isLast: Bool = false) -> [UInt8] {
        frame(0, flags: isLast ? 1 : 0, stream: stream, payload)
    }

    static func message(_ stream: UInt32, _ message: [UInt8], isLast: Bool = true) -> [UInt8] {
        let length = UInt32(message.count)
        let prefix = [0, UInt8(length >> 24), UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255)]
        return data(stream, prefix + message, isLast: isLast)
    }

    static func reset(_ stream: UInt32, _ code: UInt8 = 8) -> [UInt8] { frame(3, stream: stream, [0, 0, 0, code]) }

    static func windowUpdate(_ stream: UInt32, _ bytes: UInt32) -> [UInt8] {
        frame(8, stream: stream, [UInt8(bytes >> 24), UInt8(bytes >> 16 & 255), UInt8(bytes >> 8 & 255), UInt8(bytes & 255)])
    }

    /// A literal field without indexing.
    static func field(_ name: String, _ value: String) -> [UInt8] {
        [0] + length(name.utf8.count) + Array(name.utf8) + length(value.utf8.count) + Array(value.utf8)
    }

    private static func length(_ count: Int) -> [UInt8] {
        guard count >= 127 else { return [UInt8(count)] }
        var bytes: [UInt8] = [127]
        var rest = count - 127
        while rest >= 128 {
            bytes.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    static let request = [
        (":method", "POST"), (":scheme", "http"), (":authority", "test"), ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]

    static func call(
        _ stream: UInt32, _ path: String, _ more: [(String, String)] = [], without: String = "", isLast: Bool = false
    ) -> [UInt8] {
        var block = field(":path", path)
        for (name, value) in request where name != without { block += field(name, value) }
        for (name, value) in more { block += field(name, value) }
        return frame(1, flags: isLast ? 5 : 4, stream: stream, block)
    }
}

/// One frame that came back.
struct ReceivedFrame {
    let type: UInt8
    let flags: UInt8
    let stream: UInt32
    let payload: [UInt8]

    static func parse(_ bytes: [UInt8]) -> [ReceivedFrame] {
        var frames: [ReceivedFrame] = []
        var offset = 0
        while offset + 9 <= bytes.count {
            let length = Int(bytes[offset]) << 16 | Int(bytes[offset + 1]) << 8 | Int(bytes[offset + 2])
            let stream = bytes[offset + 5..<offset + 9].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            guard offset + 9 + length <= bytes.count else { break }
            frames.append(
                ReceivedFrame(
                    type: bytes[offset + 3], flags: bytes[offset + 4], stream: stream,
                    payload: Array(bytes[offset + 9..<offset + 9 + length])))
            offset += 9 + length
        }
        return frames
    }

    var isHeaders: Bool { type == 1 }
    var isReset: Bool { type == 3 }
    var isPing: Bool { type == 6 }
    var isGoAway: Bool { type == 7 }
    /// The error of a RST_STREAM (first) or a GOAWAY (last).
    var errorCode: UInt8 { isReset ? payload[3] : payload[7] }
}

/// A server's session without a socket: bytes in, bytes out, and time as it is told.
final class RawServer {
    let core: ServerCore
    let session: ServerSession

    init(_ options: ServerOptions = ServerOptions(), now: Instant = Instant(nanoseconds: 1_000_000_000_000)) {
        core = ServerCore(options: options, now: now)
        core.register(ServerMethod(path: "/t.T/Echo", handler: .message { call, message in call.reply(Bytes(copying: message)) }))
        core.register(ServerMethod(path: "/t.T/Never", handler: .message { _, _ in }))
        core.register(
            ServerMethod(
                path: "/t.T/Chat",
                handler: .stream { call in
                    call.onMessage = { [unowned call] in call.send(Bytes(copying: $0)) }
                    call.onHalfClose = { [unowned call] in call.finish() }
                }))
        session = ServerSession(core: core, peer: "raw")
    }

    deinit {
        session.end()
        // The list holds sessions that nobody flushed: a loop does so at the end of each turn.
        _ = core.flushList.flush()
        precondition(core.openCalls == 0, "calls are left")
        precondition(core.outboundBytes == 0, "bytes are left")
        precondition(session.inboundBytes == 0, "input is left")
    }

    /// Feeds bytes and gives the frames that come back.
    @discardableResult
    func feed(_ bytes: [UInt8]) -> [ReceivedFrame] {
        _ = bytes.withUnsafeBytes { session.receive($0) }
        return output()
    }

    func output() -> [ReceivedFrame] {
        var out: [UInt8] = []
        while let piece = session.nextOutput() { out += Array(piece) }
        session.flushed()
        return ReceivedFrame.parse(out)
    }

    /// Lets time pass, and everything that is due come.
    func advance(_ interval: Interval) -> [ReceivedFrame] {
        core.now = core.now + interval
        core.deadlines.advance(to: core.now)
        core.lifeSigns.advance(to: core.now)
        return output()
    }
}

extension [ReceivedFrame] {
    /// The header fields of a stream. Every block must pass through the same reader, in order.
    func fields(_ reader: HeaderReader, stream: UInt32) -> [String: String] {
        var fields: [String: String] = [:]
        for frame in self where frame.isHeaders {
            let read = reader.read(frame.payload)
            if frame.stream == stream { fields.merge(read) { $1 } }
        }
        return fields
    }
}

/// Reads header blocks, with nghttp2's own decompression.
final class HeaderReader {
    private var inflater: OpaquePointer?

    init() { nghttp2_hd_inflate_new(&inflater) }

    deinit { nghttp2_hd_inflate_del(inflater) }

    func read(_ block: [UInt8]) -> [String: String] {
        var fields: [String: String] = [:]
        var block = block
        block.withUnsafeMutableBufferPointer { buffer in
            var offset = 0
            while true {
                var field = nghttp2_nv()
                var flags: Int32 = 0
                let taken = nghttp2_hd_inflate_hd2(
                    inflater, &field, &flags, buffer.baseAddress! + offset, buffer.count - offset, 1)
                guard taken >= 0 else { return }
                offset += taken
                if UInt32(flags) & NGHTTP2_HD_INFLATE_EMIT.rawValue != 0 {
                    let name = UnsafeRawBufferPointer(start: field.name, count: field.namelen)
                    let value = UnsafeRawBufferPointer(start: field.value, count: field.valuelen)
                    fields[String(decoding: name, as: UTF8.self)] = String(decoding: value, as: UTF8.self)
                }
                if UInt32(flags) & NGHTTP2_HD_INFLATE_FINAL.rawValue != 0 { break }
                if UInt32(flags) & NGHTTP2_HD_INFLATE_EMIT.rawValue == 0, offset == buffer.count { break }
            }
            nghttp2_hd_inflate_end_headers(inflater)
        }
        return fields
    }
}
