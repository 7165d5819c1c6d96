/// Where a member listens: a host name, an IPv4 or an IPv6 address, and a port.
public struct Endpoint: Hashable, Sendable {
    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Why a text is not `HOST:PORT`.
    public enum Failure: Error, Equatable {
        case noPort(String)
        case badPort(String)
        case noHost(String)
        /// An IPv6 address without its brackets: which colon would begin the port?
        case bareIPv6(String)
        case empty
    }

    /// Reads `HOST:PORT` or `[IPv6]:PORT`.
    public init(_ text: String) throws(Failure) {
        let host: Substring
        let rest: Substring
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
            rest = text[text.index(after: end)...]
            guard rest.hasPrefix(":") else { throw .noPort(text) }
        } else {
            guard let colon = text.lastIndex(of: ":") else { throw text.isEmpty ? .empty : .noPort(text) }
            host = text[..<colon]
            rest = text[colon...]
            if host.contains(":") { throw .bareIPv6(text) }
        }
        guard !host.isEmpty, !host.contains(where: \.isWhitespace) else { throw .noHost(text) }
        let digits = rest.dropFirst()
        guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(digits), port > 0 else {
            throw .badPort(text)
        }
        self.init(host: String(host), port: port)
    }

    /// Reads `HOST:PORT,HOST:PORT,…`; an endpoint named twice counts once.
    public static func list(_ text: String) throws(Failure) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for part in text.split(separator: ",") {
            let endpoint = try Endpoint(String(part.trimmed))
            if !endpoints.contains(endpoint) { endpoints.append(endpoint) }
        }
        guard !endpoints.isEmpty else { throw .empty }
        return endpoints
    }
}

extension Endpoint: CustomStringConvertible {
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension Endpoint.Failure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noPort(let text): "'\(text)' has no port: write HOST:PORT, as in 127.0.0.1:7401"
        case .badPort(let text): "'\(text)' does not end in a port between 1 and 65535"
        case .noHost(let text): "'\(text)' has no host: write HOST:PORT, as in 127.0.0.1:7401"
        case .bareIPv6(let text): "'\(text)' has too many colons: put an IPv6 address in brackets, as in [::1]:7401"
        case .empty: "no endpoint is given: write HOST:PORT, as in 127.0.0.1:7401"
        }
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        let front = drop(while: \.isWhitespace)
        guard let last = front.lastIndex(where: { !$0.isWhitespace }) else { return front[front.startIndex..<front.startIndex] }
        return front[...last]
    }
}
