/// An owned, immutable run of bytes. A slice shares its storage: cutting a message into entries, or an
/// entry into its key and value, copies nothing.
///
/// Layout: one reference and two 32-bit numbers, 16 bytes; at most 4 GiB.
public struct Bytes: @unchecked Sendable {
    @usableFromInline var storage: ByteStorage?
    @usableFromInline let start: UInt32
    @usableFromInline var length: UInt32

    /// No bytes at all; allocates nothing.
    @inlinable
    public init() {
        storage = nil
        start = 0
        length = 0
    }

    @inlinable
    init(storage: ByteStorage?, start: UInt32, length: UInt32) {
        self.storage = storage
        self.start = start
        self.length = length
    }

    /// Copies `bytes`.
    @inlinable
    public init(copying bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { self.init(); return }
        let storage = ByteStorage.allocate(capacity: bytes.count, headroom: 0)
        storage.base.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        self.init(storage: storage, start: 0, length: UInt32(bytes.count))
    }

    /// Copies a borrowed span: how bytes cross from another room's buffer into our own hands.
    @inlinable
    public init(copying span: RawSpan) {
        self = span.withUnsafeBytes { Bytes(copying: $0) }
    }

    @inlinable
    public init(_ bytes: some Collection<UInt8>) {
        if let copied = bytes.withContiguousStorageIfAvailable({ Bytes(copying: UnsafeRawBufferPointer($0)) }) {
            self = copied
        } else {
            self = Array(bytes).withUnsafeBytes { Bytes(copying: $0) }
        }
    }

    /// The UTF-8 encoding of `text`.
    @inlinable
    public init(utf8 text: String) {
        var text = text
        self = text.withUTF8 { Bytes(copying: UnsafeRawBufferPointer($0)) }
    }

    /// Bytes written once by `body` into memory of `capacity` bytes; it returns how many it wrote.
    @inlinable
    public init<E: Error>(
        capacity: Int, initializingWith body: (UnsafeMutableRawBufferPointer) throws(E) -> Int
    ) throws(E) {
        guard capacity > 0 else { self.init(); return }
        let storage = ByteStorage.allocate(capacity: capacity, headroom: 0)
        let count = try body(UnsafeMutableRawBufferPointer(start: storage.base, count: capacity))
        precondition(count >= 0 && count <= capacity, "more bytes were written than there was room for")
        self.init(storage: storage, start: 0, length: UInt32(count))
    }

    @inlinable public var count: Int { Int(length) }
    @inlinable public var isEmpty: Bool { length == 0 }

    @inlinable
    public subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count, "index out of bounds")
        return storage!.base.load(fromByteOffset: Int(start) + index, as: UInt8.self)
    }

    /// A slice that shares this value's storage. O(1).
    @inlinable
    public subscript(range: Range<Int>) -> Bytes {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range out of bounds")
        guard !range.isEmpty else { return Bytes() }
        return Bytes(storage: storage, start: start + UInt32(range.lowerBound), length: UInt32(range.count))
    }

    @inlinable
    public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        guard let storage else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        defer { withExtendedLifetime(storage) {} }
        return try body(UnsafeRawBufferPointer(start: storage.base + Int(start), count: count))
    }

    /// Lends the bytes for the time of the call.
    @inlinable
    public func withSpan<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try withUnsafeBytes { (buffer) throws(E) -> R in try body(buffer.bytes) }
    }

    /// Whether this value keeps more than twice its own size alive: what is stored for long (a key, a value)
    /// is copied out of the message it came in.
    @inlinable
    public var pinsMore: Bool {
        guard let storage else { return false }
        return storage.room > 2 * count + 64
    }

    /// The same bytes in storage of their own, unless they already are.
    @inlinable
    public func compacted() -> Bytes { pinsMore ? withUnsafeBytes { Bytes(copying: $0) } : self }

    @inlinable
    public var array: [UInt8] { withUnsafeBytes { Array($0) } }

    /// The bytes as text, or nil when they are not valid UTF-8.
    public var utf8String: String? { withUnsafeBytes { String(validating: $0, as: UTF8.self) } }

    /// Whether the bytes are valid UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing over U+10FFFF.
    public var isValidUTF8: Bool {
        withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                if offset + 8 <= bytes.count,
                    bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
                {
                    offset += 8
                    continue
                }
                let length = Self.scalarLength(bytes, at: offset)
                if length == 0 { return false }
                offset += length
            }
            return true
        }
    }

    /// How many bytes the scalar at `offset` takes, 0 when there is none (Unicode standard, table 3-7).
    private static func scalarLength(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        let lead = bytes[offset]
        if lead < 0x80 { return 1 }
        let length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
        guard lead >= 0xc2, lead <= 0xf4, offset + length <= bytes.count else { return 0 }
        let second = bytes[offset + 1]
        let lowest: UInt8 = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80
        let highest: UInt8 = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf
        guard second >= lowest, second <= highest else { return 0 }
        for next in offset + 2..<offset + max(length, 2) where bytes[next] & 0xc0 != 0x80 { return 0 }
        return length
    }

    @inlinable
    public func hasPrefix(_ prefix: Bytes) -> Bool {
        prefix.count <= count && self[0..<prefix.count] == prefix
    }
}

extension Bytes: Hashable {
    @inlinable
    public static func == (a: Bytes, b: Bytes) -> Bool {
        a.length == b.length && a.withUnsafeBytes { x in
            b.withUnsafeBytes { y in x.isEmpty || compareBytes(x, y, x.count) == 0 }
        }
    }

    @inlinable
    public func hash(into hasher: inout Hasher) {
        withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension Bytes: Comparable {
    /// Byte order: as unsigned numbers, a prefix before what it begins.
    @inlinable
    public static func < (a: Bytes, b: Bytes) -> Bool { order(a, b) < 0 }

    /// Negative, zero or positive as `a` stands before, at or after `b`. One pass over the bytes.
    @inlinable
    public static func order(_ a: Bytes, _ b: Bytes) -> Int {
        a.withUnsafeBytes { x in b.withUnsafeBytes { y in order(x, y) } }
    }

    /// The same of bytes that are lent.
    @inlinable
    public static func order(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let shared = min(a.count, b.count)
        let first = shared == 0 ? 0 : compareBytes(a, b, shared)
        return first != 0 ? first : a.count - b.count
    }
}

extension Bytes: ExpressibleByStringLiteral, ExpressibleByArrayLiteral {
    public init(stringLiteral text: StaticString) {
        self = text.withUTF8Buffer { Bytes(copying: UnsafeRawBufferPointer($0)) }
    }

    public init(arrayLiteral elements: UInt8...) { self.init(elements) }
}

extension Bytes: CustomStringConvertible {
    /// For people: printable ASCII as it is, everything else as \xNN.
    public var description: String {
        var text = ""
        withUnsafeBytes { for byte in $0 { text += Self.printable(byte) } }
        return text
    }

    static func printable(_ byte: UInt8) -> String {
        guard byte < 0x20 || byte > 0x7e || byte == UInt8(ascii: "\\") else {
            return String(UnicodeScalar(byte))
        }
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "\\x0\(digits)" : "\\x\(digits)"
    }
}

/// memcmp without a C library: eight bytes at a time, as big-endian words, so that order is byte order.
@inlinable
func compareBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, _ count: Int) -> Int {
    var offset = 0
    while offset + 8 <= count {
        let x = a.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        let y = b.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        if x != y { return x.bigEndian < y.bigEndian ? -1 : 1 }
        offset += 8
    }
    while offset < count {
        if a[offset] != b[offset] { return a[offset] < b[offset] ? -1 : 1 }
        offset += 1
    }
    return 0
}
