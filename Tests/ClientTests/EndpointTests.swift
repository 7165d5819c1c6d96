import Client
import Testing

@Suite("Endpoints")
struct EndpointTests {
    @Test(
        "Host names, IPv4 and bracketed IPv6 addresses are read and written back",
        arguments: [("127.0.0.1:7401", "127.0.0.1", 7401), ("db-1.example:1", "db-1.example", 1), ("[::1]:65535", "::1", 65535)]
            as [(String, String, UInt16)])
    func reads(text: String, host: String, port: UInt16) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint == Endpoint(host: host, port: port))
        #expect(endpoint.description == text)
    }

    @Test(
        "Anything else is refused with the reason",
        arguments: [
            ("", .empty), ("localhost", .noPort("localhost")), (":7401", .noHost(":7401")), ("a:", .badPort("a:")),
            ("a:0", .badPort("a:0")), ("a:65536", .badPort("a:65536")), ("a:-1", .badPort("a:-1")),
            ("::1:7401", .bareIPv6("::1:7401")), ("[::1]", .noPort("[::1]")), ("a b:1", .noHost("a b:1")),
        ] as [(String, Endpoint.Failure)])
    func refuses(text: String, failure: Endpoint.Failure) {
        #expect(throws: failure) { try Endpoint(text) }
    }

    @Test("A list passes over blanks and repetitions")
    func lists() throws {
        #expect(try Endpoint.list("a:1, b:2,a:1,") == [Endpoint(host: "a", port: 1), Endpoint(host: "b", port: 2)])
        #expect(throws: Endpoint.Failure.empty) { try Endpoint.list(" ,") }
    }
}
