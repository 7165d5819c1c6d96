import Base

/// Where key and data stand in an encoded command that is one `set` of data, which is what most entries are. They
/// are read where they stand: no reference is counted and nothing made.
///
/// It is a short cut and decides nothing: what it does not recognise goes the long way through `Command`, which
/// says the same of what it does recognise.
struct PlainSet {
    let key: Range<Int>
    let data: Range<Int>

    /// nil for any other command, for what is malformed, and for what is over `Value.sizeCeiling`.
    @inline(__always)
    init?(_ bytes: UnsafeRawBufferPointer, version: UInt64) {
        guard version == Command.version, bytes.count > 4, bytes[0] == Command.singleForm, bytes[1] == Operation.setCode
        else { return nil }
        var at = 2
        guard let key = Self.counted(bytes, &at), at < bytes.count, bytes[at] == Value.Kind.data.rawValue
        else { return nil }
        at += 1
        guard let data = Self.counted(bytes, &at), at == bytes.count else { return nil }
        guard key.count + data.count <= Value.sizeCeiling else { return nil }
        self.key = key
        self.data = data
    }

    /// A length of at most three bytes as a varint, then so many bytes.
    @inline(__always)
    private static func counted(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Range<Int>? {
        var length = 0
        var shift = 0
        while true {
            guard at < bytes.count, shift < 21 else { return nil }
            let byte = bytes[at]
            at += 1
            length |= Int(byte & 0x7f) << shift
            if byte < 0x80 { break }
            shift += 7
        }
        guard length <= bytes.count - at else { return nil }
        defer { at += length }
        return at..<at + length
    }
}
