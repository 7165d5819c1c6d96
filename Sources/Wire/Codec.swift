import Base
import CProto
import CProtobufC

extension Wire {
    /// Reads and writes messages. It owns the memory that protobuf-c works in, so that a message costs no allocation but
    /// that of its result: one codec for each loop, and never two calls at once.
    ///
    /// Bytes come in borrowed and are copied once, into what is returned; what is returned holds nothing of the codec's.
    public final class Codec {
        let arena = Arena()

        public init() {}

        /// A message of protobuf-c's in the arena, for as long as `body` runs. `unpacker` is its generated `…__unpack`,
        /// `name` what it is called in the .proto file.
        @inline(__always)
        func unpack<M, R>(
            _ unpacker: (
                UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?
            ) -> UnsafeMutablePointer<M>?,
            _ name: @autoclosure () -> String, _ span: RawSpan,
            _ body: (inout M) throws(DecodeFailure) -> R
        ) throws(DecodeFailure) -> R {
            defer { arena.reset() }
            let message = span.withUnsafeBytes { bytes in
                unpacker(arena.allocator, bytes.count, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
            }
            guard let message else { throw arena.isExhausted ? .tooComplex(name()) : .malformed(name()) }
            return try body(&message.pointee)
        }

        /// The same for bytes that are ours.
        @inline(__always)
        func unpack<M, R>(
            _ unpacker: (
                UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?
            ) -> UnsafeMutablePointer<M>?,
            _ name: @autoclosure () -> String, _ bytes: Bytes,
            _ body: (inout M) throws(DecodeFailure) -> R
        ) throws(DecodeFailure) -> R {
            try bytes.withSpan { span throws(DecodeFailure) in try unpack(unpacker, name(), span, body) }
        }

        /// The bytes of a message that was built in the arena, which ends with this call. Whatever the message points
        /// at must still be alive.
        @inline(__always)
        func pack<M>(_ message: UnsafeMutablePointer<M>) -> Bytes {
            defer { arena.reset() }
            let base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
            return Bytes(capacity: protobuf_c_message_get_packed_size(base)) { buffer in
                protobuf_c_message_pack(base, buffer.baseAddress!.assumingMemoryBound(to: UInt8.self))
            }
        }

        /// The same, and behind it the elements of a repeated field, each of which is packed already. The field's
        /// number is at most 15 and higher than those of the others.
        func pack<M, E>(
            _ message: UnsafeMutablePointer<M>, followedBy elements: [E], field: Int, packed: (E) -> Bytes
        ) -> Bytes {
            defer { arena.reset() }
            let base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
            var size = protobuf_c_message_get_packed_size(base)
            for element in elements { size += Envelope.size(of: packed(element)) }
            return Bytes(capacity: size) { buffer in
                let start = buffer.baseAddress!
                var end = start + protobuf_c_message_pack(base, start.assumingMemoryBound(to: UInt8.self))
                for element in elements { end += Envelope.write(packed(element), field: field, to: end) }
                return end - start
            }
        }
    }
}

extension ProtobufCBinaryData {
    /// A copy that outlives the arena.
    @inline(__always)
    var owned: Bytes { Bytes(copying: buffer) }

    @inline(__always)
    var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: data, count: len) }

    /// Points at bytes, which the caller keeps alive until they are packed. protobuf-c does not write to them.
    @inline(__always)
    init(borrowing bytes: Bytes) {
        self = bytes.withUnsafeBytes { buffer in
            ProtobufCBinaryData(
                len: buffer.count,
                data: UnsafeMutablePointer(mutating: buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)))
        }
    }

    /// A copy as text. `field` is what it is called in the .proto file.
    func text(_ field: @autoclosure () -> String) throws(Wire.DecodeFailure) -> String {
        guard len > 0 else { return "" }
        guard let text = String(validating: buffer, as: UTF8.self) else { throw .notUTF8(field()) }
        return text
    }
}
