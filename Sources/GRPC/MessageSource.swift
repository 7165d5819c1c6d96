public import Base

/// A message that is made as it goes out: it never lies in memory as a whole, and what is large and waits for a slow peer takes
/// no more than what it is made of.
public protocol MessageSource {
    /// Bytes of the message.
    var count: Int { get }

    /// The next of them; empty only when none are left. Together they are `count` bytes.
    mutating func next() -> Bytes
}
