import Base

/// A key and all that the map knows of it, in 48 bytes and one allocation: the value stands right behind the key.
struct Record: Sendable {
    /// The key, then the value: data as it is, a list as it is packed.
    private(set) var cell: Bytes
    private let keyLength: UInt32
    /// How many items; `Record.noList` for data.
    private var items: UInt32
    /// The revision that created the key.
    var created: UInt64
    /// The revision that last changed it.
    var modified: UInt64
    /// How many operations have written it since it was created, that one included.
    var version: UInt64

    /// A packed item takes two bytes at least, a value `Value.sizeCeiling` at most: no list is that long.
    private static let noList = UInt32.max

    /// Copies key and value out of the message in which they came.
    init(key: Bytes, value: Value, created: UInt64, modified: UInt64, version: UInt64) {
        let tail: Bytes
        switch value {
        case .data(let bytes):
            tail = bytes
            items = Self.noList
        case .list(let list):
            tail = list.packed
            items = UInt32(list.count)
        }
        cell = key.withUnsafeBytes { key in tail.withUnsafeBytes { Self.cell(key, $0) } }
        keyLength = UInt32(key.count)
        self.created = created
        self.modified = modified
        self.version = version
    }

    /// Data under a new key, both copied.
    init(key: UnsafeRawBufferPointer, data: UnsafeRawBufferPointer, revision: UInt64) {
        cell = Self.cell(key, data)
        keyLength = UInt32(key.count)
        items = Self.noList
        created = revision
        modified = revision
        version = 1
    }

    /// Puts data in the value's place: into the same memory when nobody else has it and it fits.
    mutating func set(_ data: UnsafeRawBufferPointer, revision: UInt64) {
        let start = Int(keyLength)
        let rewritten = cell.rewrite(count: start + data.count) { target in
            UnsafeMutableRawBufferPointer(rebasing: target[start...]).copyMemory(from: data)
        }
        if !rewritten { cell = withKey { Self.cell($0, data) } }
        items = Self.noList
        modified = revision
        version += 1
    }

    private static func cell(_ key: UnsafeRawBufferPointer, _ tail: UnsafeRawBufferPointer) -> Bytes {
        Bytes(capacity: key.count + tail.count) { target in
            target.copyMemory(from: key)
            UnsafeMutableRawBufferPointer(rebasing: target[key.count...]).copyMemory(from: tail)
            return key.count + tail.count
        }
    }

    /// Shares the storage of the value: compact what is kept for long.
    var key: Bytes { cell[0..<Int(keyLength)] }

    var value: Value {
        let tail = cell[Int(keyLength)..<cell.count]
        return items == Self.noList ? .data(tail) : .list(ItemList(trusting: tail, count: Int(items)))
    }

    var kind: Value.Kind { items == Self.noList ? .data : .list }

    /// `Value.length` of the value.
    var length: UInt64 { items == Self.noList ? UInt64(valueSize) : UInt64(items) }

    /// `Value.size` of the value.
    var valueSize: Int { cell.count - Int(keyLength) }

    /// Data with more bytes behind. Amortised O(suffix).
    mutating func append(_ suffix: Bytes) {
        precondition(kind == .data, "bytes are appended to data")
        cell = cell.appending(suffix)
    }

    /// A list with an item more. Amortised O(item).
    mutating func append(item: Bytes) {
        precondition(kind == .list, "items are appended to lists")
        var list = ItemList(trusting: cell, count: Int(items))
        list.append(item)
        cell = list.packed
        items += 1
    }

    /// Lends the bytes of the key.
    @inline(__always)
    func withKey<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        cell.withUnsafeBytes { body(UnsafeRawBufferPointer(start: $0.baseAddress, count: Int(keyLength))) }
    }
}
