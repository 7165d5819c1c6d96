/// A Raft term: a period with at most one leader (dissertation 3.3). Zero is before the first election.
public struct Term: Hashable, Comparable, Sendable, RawRepresentable, ExpressibleByIntegerLiteral {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(integerLiteral value: UInt64) { rawValue = value }
    @inlinable public static func < (a: Term, b: Term) -> Bool { a.rawValue < b.rawValue }
    @inlinable public var next: Term { Term(rawValue + 1) }
}

/// A place in the log. The first entry has index 1; zero is before it (dissertation figure 3.1).
public struct Index: Hashable, Comparable, Sendable, RawRepresentable, ExpressibleByIntegerLiteral, Strideable {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(integerLiteral value: UInt64) { rawValue = value }
    @inlinable public static func < (a: Index, b: Index) -> Bool { a.rawValue < b.rawValue }
    @inlinable public var next: Index { Index(rawValue + 1) }
    /// The one before; zero has none.
    @inlinable public var previous: Index {
        precondition(rawValue > 0, "there is no index before zero")
        return Index(rawValue - 1)
    }
    @inlinable public func distance(to other: Index) -> Int {
        Int(truncatingIfNeeded: Int64(bitPattern: other.rawValue &- rawValue))
    }
    @inlinable public func advanced(by count: Int) -> Index {
        Index(rawValue &+ UInt64(bitPattern: Int64(count)))
    }
}

/// Who a member is: 64 random bits, minted at its first start and never reused. Zero is nobody.
public struct MemberID: Hashable, Comparable, Sendable, RawRepresentable, ExpressibleByIntegerLiteral {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(integerLiteral value: UInt64) { rawValue = value }
    @inlinable public static func < (a: MemberID, b: MemberID) -> Bool { a.rawValue < b.rawValue }
}

/// Which cluster a member belongs to: the hash of its first configuration. Zero is not yet known.
public struct ClusterID: Hashable, Sendable, RawRepresentable, ExpressibleByIntegerLiteral {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(integerLiteral value: UInt64) { rawValue = value }
}

/// A point on a member's own monotonic time line, in nanoseconds; it means nothing to any other member.
public struct Instant: Hashable, Comparable, Sendable {
    public var nanoseconds: UInt64
    @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
    @inlinable public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
    /// Never past `never`, which stays what it is.
    @inlinable public static func + (a: Instant, b: Interval) -> Instant {
        Instant(nanoseconds: saturatingSum(a.nanoseconds, b.nanoseconds))
    }
    /// The time from `b` to `a`; zero when `b` is the later one.
    @inlinable public static func - (a: Instant, b: Instant) -> Interval {
        Interval(nanoseconds: a.nanoseconds > b.nanoseconds ? a.nanoseconds - b.nanoseconds : 0)
    }
    public static let zero = Instant(nanoseconds: 0)
    /// Later than everything: no deadline.
    public static let never = Instant(nanoseconds: .max)
}

/// A length of time, never negative, in nanoseconds. What is too long to be counted is as long as can be: a peer
/// may ask for a deadline in ten thousand years.
public struct Interval: Hashable, Comparable, Sendable {
    public var nanoseconds: UInt64
    @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
    @inlinable public static func < (a: Interval, b: Interval) -> Bool { a.nanoseconds < b.nanoseconds }
    @inlinable init(_ count: UInt64, times nanoseconds: UInt64) {
        let (product, overflow) = count.multipliedReportingOverflow(by: nanoseconds)
        self.nanoseconds = overflow ? .max : product
    }
    @inlinable public static func microseconds(_ n: UInt64) -> Interval { Interval(n, times: 1_000) }
    @inlinable public static func milliseconds(_ n: UInt64) -> Interval { Interval(n, times: 1_000_000) }
    @inlinable public static func seconds(_ n: UInt64) -> Interval { Interval(n, times: 1_000_000_000) }
    @inlinable public static func + (a: Interval, b: Interval) -> Interval {
        Interval(nanoseconds: saturatingSum(a.nanoseconds, b.nanoseconds))
    }
    /// Whole milliseconds, rounded up: a timer set for it is never early.
    @inlinable public var milliseconds: UInt64 { nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 == 0 ? 0 : 1) }
    public static let zero = Interval(nanoseconds: 0)
}

@inlinable
func saturatingSum(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
}

extension Term: CustomStringConvertible { public var description: String { "\(rawValue)" } }
extension Index: CustomStringConvertible { public var description: String { "\(rawValue)" } }
extension MemberID: CustomStringConvertible { public var description: String { hexadecimal(rawValue) } }
extension ClusterID: CustomStringConvertible { public var description: String { hexadecimal(rawValue) } }

/// Sixteen hexadecimal digits.
public func hexadecimal(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
