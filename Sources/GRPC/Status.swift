import Base

/// How a call ended: the numbers of `grpc-status` (https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
public enum StatusCode: UInt8, Sendable, CaseIterable {
    case ok = 0
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14
    case dataLoss = 15
    case unauthenticated = 16

    /// The name in the specification, as people know it from other gRPC libraries.
    public var name: String { Self.names[Int(rawValue)] }

    private static let names = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
        "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ]

    /// What a client makes of an answer without `grpc-status`, from its HTTP status
    /// (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
    static func fromHTTP(status: Int) -> StatusCode {
        switch status {
        case 400: .internal
        case 401: .unauthenticated
        case 403: .permissionDenied
        case 404: .unimplemented
        case 429, 502, 503, 504: .unavailable
        default: .unknown
        }
    }
}

/// The end of a call: a code for programs and a message that a person can act on.
public struct Status: Sendable, Equatable, Error, CustomStringConvertible {
    public var code: StatusCode
    public var message: String

    @inlinable
    public init(_ code: StatusCode, _ message: String = "") {
        self.code = code
        self.message = message
    }

    public static let ok = Status(.ok)

    @inlinable public var isOK: Bool { code == .ok }

    public var description: String { message.isEmpty ? code.name : "\(code.name): \(message)" }
}

/// The encoding of `grpc-message`: UTF-8 in which everything but printable ASCII, and the percent sign, is
/// written as %XX (gRPC over HTTP/2, "Responses").
enum PercentEncoding {
    /// Messages are cut at this many bytes: a header list has a limit, and a status must always fit in it.
    static let maxMessageBytes = 2048

    static func encode(_ message: String) -> Bytes {
        var message = message
        return message.withUTF8 { text in
            let text = UnsafeRawBufferPointer(text).prefix(maxMessageBytes)
            var writer = ByteWriter(capacity: text.count + 16)
            for byte in text {
                if byte >= 0x20, byte <= 0x7e, byte != UInt8(ascii: "%") {
                    writer.write(byte)
                } else {
                    writer.write(UInt8(ascii: "%"))
                    writer.write(digit(byte >> 4))
                    writer.write(digit(byte & 15))
                }
            }
            return writer.finish()
        }
    }

    /// The other way round. A broken escape stands for itself, and broken UTF-8 is repaired: a message that
    /// cannot be read must not hide the status it came with.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count)
        var offset = 0
        while offset < bytes.count {
            if bytes[offset] == UInt8(ascii: "%"), offset + 2 < bytes.count,
                let high = value(bytes[offset + 1]), let low = value(bytes[offset + 2])
            {
                text.append(high << 4 | low)
                offset += 3
            } else {
                text.append(bytes[offset])
                offset += 1
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
