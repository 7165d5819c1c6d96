import Base

/// Custom metadata: names and values that travel in headers or trailers, in order, names repeated as they come.
///
/// A name is lower case; one that ends in `-bin` carries any bytes (Base64 on the wire), every other printable
/// ASCII. Empty metadata allocates nothing.
public struct Metadata: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        public let name: String
        /// What the name stands for; a `-bin` value as it is, not in Base64.
        public let value: Bytes
    }

    public private(set) var entries: [Entry] = []

    public init() {}

    public var isEmpty: Bool { entries.isEmpty }

    /// Adds a text value. `name` and `value` must be what gRPC allows (see `isName`, `isValue`); anything else is
    /// left out, and false is returned: a bad byte in a header would end the whole connection.
    @discardableResult
    public mutating func add(_ name: String, _ value: String) -> Bool {
        let value = Bytes(utf8: value)
        guard Self.isName(name), !name.hasSuffix("-bin"), Self.isValue(value) else { return false }
        entries.append(Entry(name: name, value: value))
        return true
    }

    /// Adds any bytes under a name that ends in `-bin`; false, and nothing added, under any other.
    @discardableResult
    public mutating func add(binary name: String, _ value: Bytes) -> Bool {
        guard Self.isName(name), name.hasSuffix("-bin") else { return false }
        entries.append(Entry(name: name, value: value))
        return true
    }

    /// The last value of that name, as text.
    public subscript(name: String) -> String? {
        entries.last { $0.name == name }?.value.utf8String
    }

    /// The last value of that name, as bytes.
    public func bytes(_ name: String) -> Bytes? {
        entries.last { $0.name == name }?.value
    }

    /// Header-Name: 1*( %x30-39 / %x61-7A / "_" / "-" / "." ), and none of the names that belong to gRPC or HTTP/2.
    public static func isName(_ name: String) -> Bool {
        guard !name.isEmpty, !name.hasPrefix("grpc-"), !reserved.contains(name) else { return false }
        return name.utf8.allSatisfy { byte in
            (byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z"))
                || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
                || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
        }
    }

    /// ASCII-Value: 1*( %x20-%x7E ), neither beginning nor ending with a space.
    public static func isValue(_ value: Bytes) -> Bool {
        guard value.count > 0, value[0] != 0x20, value[value.count - 1] != 0x20 else { return value.isEmpty }
        return value.withUnsafeBytes { $0.allSatisfy { $0 >= 0x20 && $0 <= 0x7e } }
    }

    /// Names that HTTP/2 forbids or that gRPC sets itself.
    private static let reserved: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host", "te",
        "content-type", "content-length",
    ]

    /// Adds what came in a header field. Reserved names are the caller's to keep out.
    mutating func addReceived(name: String, value: UnsafeRawBufferPointer) {
        if name.hasSuffix("-bin") {
            // Several values may have been joined with commas on the way.
            for part in value.split(separator: UInt8(ascii: ",")) {
                guard let bytes = Base64.decode(UnsafeRawBufferPointer(rebasing: part)) else { continue }
                entries.append(Entry(name: name, value: bytes))
            }
        } else {
            entries.append(Entry(name: name, value: Bytes(copying: value)))
        }
    }
}

/// Base64 (RFC 4648, section 4) as gRPC uses it: written without padding, read with or without.
enum Base64 {
    static func encode(_ bytes: Bytes) -> Bytes {
        bytes.withUnsafeBytes { source in
            var writer = ByteWriter(capacity: (source.count * 4 + 2) / 3)
            var offset = 0
            while offset < source.count {
                let taken = min(3, source.count - offset)
                var group: UInt32 = 0
                for index in 0..<3 {
                    group = group << 8 | (index < taken ? UInt32(source[offset + index]) : 0)
                }
                for index in 0...taken {
                    writer.write(character(UInt8(group >> UInt32(18 - 6 * index) & 63)))
                }
                offset += taken
            }
            return writer.finish()
        }
    }

    /// The bytes, or nil when the text is no Base64.
    static func decode(_ text: UnsafeRawBufferPointer) -> Bytes? {
        var length = text.count
        while length > 0, text.count - length < 2, text[length - 1] == UInt8(ascii: "=") { length -= 1 }
        guard length % 4 != 1 else { return nil }
        var writer = ByteWriter(capacity: length * 3 / 4 + 1)
        var group: UInt32 = 0
        var bits: UInt32 = 0
        for index in 0..<length {
            guard let value = value(text[index]) else { return nil }
            group = group << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                writer.write(UInt8(truncatingIfNeeded: group >> bits))
            }
        }
        return writer.finish()
    }

    private static func character(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + value - 26
        case 52..<62: UInt8(ascii: "0") + value - 52
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    private static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
