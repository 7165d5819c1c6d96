import CUV
import Glibc

/// An IPv4 or IPv6 address with a port.
public struct SocketAddress: Hashable, Sendable {
    /// The address in network order: all 16 bytes for IPv6, the first 4 for IPv4.
    private var high: UInt64
    private var low: UInt64
    private var scope: UInt32
    public let isIPv6: Bool
    public var port: UInt16

    /// Reads a numeric address ("127.0.0.1", "::1", "fe80::1%eth0"); nil when it is a name.
    public init?(numeric host: String, port: UInt16) {
        var v4 = sockaddr_in()
        if uv_ip4_addr(host, Int32(port), &v4) == 0 {
            self.init(v4)
            return
        }
        var v6 = sockaddr_in6()
        guard uv_ip6_addr(host, Int32(port), &v6) == 0 else { return nil }
        self.init(v6)
    }

    init(_ v4: sockaddr_in) {
        high = UInt64(v4.sin_addr.s_addr)
        low = 0
        scope = 0
        isIPv6 = false
        port = UInt16(bigEndian: v4.sin_port)
    }

    init(_ v6: sockaddr_in6) {
        (high, low) = withUnsafeBytes(of: v6.sin6_addr) {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        scope = v6.sin6_scope_id
        isIPv6 = true
        port = UInt16(bigEndian: v6.sin6_port)
    }

    /// Nil for a family that is neither.
    init?(_ address: UnsafePointer<sockaddr>) {
        let raw = UnsafeRawPointer(address)
        switch Int32(address.pointee.sa_family) {
        case AF_INET: self.init(raw.loadUnaligned(as: sockaddr_in.self))
        case AF_INET6: self.init(raw.loadUnaligned(as: sockaddr_in6.self))
        default: return nil
        }
    }

    /// What a call such as uv_tcp_getsockname fills in.
    init?(filledBy call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>) -> Int32) {
        var storage = sockaddr_storage()
        var length = Int32(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer -> SocketAddress? in
            let address = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
            guard call(address, &length) == 0 else { return nil }
            return SocketAddress(address)
        }
        guard let result else { return nil }
        self = result
    }

    var family: Int32 { isIPv6 ? AF_INET6 : AF_INET }

    func withSocketAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        if isIPv6 {
            var v6 = v6
            return withUnsafePointer(to: &v6) {
                body(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
        var v4 = v4
        return withUnsafePointer(to: &v4) {
            body(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }

    private var v4: sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(truncatingIfNeeded: high)
        return address
    }

    private var v6: sockaddr_in6 {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        address.sin6_scope_id = scope
        withUnsafeMutableBytes(of: &address.sin6_addr) {
            $0.storeBytes(of: high, as: UInt64.self)
            $0.storeBytes(of: low, toByteOffset: 8, as: UInt64.self)
        }
        return address
    }

    /// The address alone, without port and brackets.
    public var host: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
            var (v4, v6) = (v4, v6)
            let failure = isIPv6 ? uv_ip6_name(&v6, text.baseAddress!, 64) : uv_ip4_name(&v4, text.baseAddress!, 64)
            return failure == 0 ? String(cString: text.baseAddress!) : "?"
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// "127.0.0.1:7001" or "[::1]:7001".
    public var description: String { joined(host: host, port: port) }
}

/// Host and port as one writes them, an IPv6 address in brackets.
func joined(host: String, port: UInt16) -> String {
    host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
}
