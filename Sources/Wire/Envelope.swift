import Base

/// A message taken apart: one of its repeated fields as slices, still packed, and the rest for protobuf-c.
///
/// Entries and proposals go through here. protobuf-c would unpack each of them and copy its bytes; so instead the
/// message is copied once, out of the connection's buffer, and every entry is a slice of that copy, on its way to the
/// disk.
struct Envelope {
    /// The values of the repeated field, in order: slices of the message.
    var elements: [Bytes] = []
    /// A message of the same type without them.
    var rest: Bytes

    /// Nil when `message` is not the encoding of any message. `field` is the repeated field's number, at most 15.
    init?(_ message: Bytes, taking field: Int) {
        var reader = ByteReader(message)
        /// What stands between the elements, in runs: one run, in front, from every writer that keeps the order.
        var runs: [Range<Int>] = []
        do {
            while !reader.isAtEnd {
                let start = reader.offset
                let (number, type) = try reader.readTag()
                if number == field {
                    guard type == .lengthDelimited else { return nil }
                    elements.append(try reader.readLengthDelimited())
                } else {
                    try reader.skip(type)
                    if let last = runs.last, last.upperBound == start {
                        runs[runs.count - 1] = last.lowerBound..<reader.offset
                    } else {
                        runs.append(start..<reader.offset)
                    }
                }
            }
        } catch {
            return nil
        }
        if runs.count <= 1 {
            rest = runs.first.map { message[$0] } ?? Bytes()
        } else {
            var joined = ByteWriter(capacity: runs.reduce(0) { $0 + $1.count })
            for run in runs { joined.write(message[run]) }
            rest = joined.finish()
        }
    }

    /// How many bytes an element takes in a repeated field with a number of at most 15.
    static func size(of element: Bytes) -> Int {
        1 + varintLength(UInt64(element.count)) + element.count
    }

    /// Writes one element at `target`, which has room for it; how many bytes it took.
    static func write(_ element: Bytes, field: Int, to target: UnsafeMutableRawPointer) -> Int {
        target.storeBytes(of: UInt8(field) << 3 | WireType.lengthDelimited.rawValue, as: UInt8.self)
        let head = 1 + encodeVarint(UInt64(element.count), to: target + 1)
        element.withUnsafeBytes { bytes in
            guard let source = bytes.baseAddress else { return }
            (target + head).copyMemory(from: source, byteCount: bytes.count)
        }
        return head + element.count
    }
}
