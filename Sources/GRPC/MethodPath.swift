import Base

/// A method's name on the wire, "/package.Service/Method". Make it once and keep it: a call then copies nothing.
public struct MethodPath: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    let bytes: Bytes

    /// `path` must begin with a slash and hold printable ASCII without spaces: it becomes a header.
    public init(_ path: String) {
        bytes = Bytes(utf8: path)
        precondition(Self.isPath(bytes), "a method path looks like /package.Service/Method")
    }

    public init(stringLiteral path: StaticString) {
        bytes = Bytes(stringLiteral: path)
        precondition(Self.isPath(bytes), "a method path looks like /package.Service/Method")
    }

    public var description: String { bytes.utf8String ?? bytes.description }

    private static func isPath(_ bytes: Bytes) -> Bool {
        guard bytes.count > 1, bytes[0] == UInt8(ascii: "/") else { return false }
        return bytes.withUnsafeBytes { $0.allSatisfy { $0 > 0x20 && $0 < 0x7f } }
    }
}
