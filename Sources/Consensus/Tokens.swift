import Base

/// Names one write to the disk. Each is one more than the one before it, from 1 at every start of the process, and
/// none is ever used twice: a late completion cannot be taken for that of a newer write, whatever terms came and
/// went between them (the A-B-A of terms).
public struct WriteToken: Hashable, Comparable, Sendable, RawRepresentable, ExpressibleByIntegerLiteral {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(integerLiteral value: UInt64) { rawValue = value }
    @inlinable public static func < (a: WriteToken, b: WriteToken) -> Bool { a.rawValue < b.rawValue }
    @inlinable public var next: WriteToken { WriteToken(rawValue + 1) }
}

/// Names one read that waits for its index. The caller chooses it, and must not reuse it while it waits.
public struct ReadToken: Hashable, Sendable, RawRepresentable, ExpressibleByIntegerLiteral {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(integerLiteral value: UInt64) { rawValue = value }
}

/// Names one request for older entries from the disk; never reused within one start of the process.
public struct LoadToken: Hashable, Sendable, RawRepresentable, ExpressibleByIntegerLiteral {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(integerLiteral value: UInt64) { rawValue = value }
}

extension WriteToken: CustomStringConvertible { public var description: String { "\(rawValue)" } }
extension ReadToken: CustomStringConvertible { public var description: String { "\(rawValue)" } }
extension LoadToken: CustomStringConvertible { public var description: String { "\(rawValue)" } }
