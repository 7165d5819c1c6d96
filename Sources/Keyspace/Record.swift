import Base

/// A key and what the map knows of it.
struct Record {
    var key: Bytes
    var value: Value
    var created: UInt64
    var modified: UInt64
    var version: UInt64
}
