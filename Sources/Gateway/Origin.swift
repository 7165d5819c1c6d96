import HTTPTypes
import Hummingbird
import HummingbirdCore
import Server

/// Where the page comes from whose script speaks to us; programs that are no browsers name none.
///
/// A page of any web site can send requests to this machine, and a store without passwords would obey. So requests with
/// an origin are obeyed only when the page was served by a gateway of this cluster: by this one, by another on the same
/// machine, or by one whose address its member has announced.
struct Origin {
    let text: String
    /// HOST:PORT, or HOST.
    let authority: String
    /// Whether the page came from the host that is asked: this member's, or one's on the same machine.
    let isThisMachine: Bool

    init?(_ request: Request) {
        guard let text = request.headers[.origin] else { return nil }
        self.text = text
        authority = text.hasPrefix("http://") ? String(text.dropFirst("http://".count)) : ""
        let host = Self.host(authority)
        isThisMachine = !host.isEmpty && host == Self.host(request.head.authority ?? "")
    }

    /// Without the port; all names of this machine's loopback are one.
    private static func host(_ authority: String) -> String {
        guard let address = HostPort(authority.contains(":") && !authority.hasSuffix("]") ? authority : "\(authority):80")
        else { return "" }
        return ["localhost", "127.0.0.1", "::1"].contains(address.host) ? "localhost" : address.host
    }

    func allow(in headers: inout HTTPFields) {
        headers[.accessControlAllowOrigin] = text
        headers[.accessControlAllowMethods] = "GET, POST"
        headers[.accessControlAllowHeaders] = "Content-Type"
        headers[.accessControlMaxAge] = "600"
        headers[.vary] = "Origin"
    }
}
