import Base
import Testing

@testable import Server

@Suite("How a member is started")
struct OptionsTests {
    @Test("HOST:PORT is a name, an IPv4 address, or an IPv6 address in brackets", arguments: [
        ("localhost:7401", "localhost", 7401), ("10.0.0.1:1", "10.0.0.1", 1), ("[::1]:7401", "::1", 7401),
        ("db-1.example.org:65535", "db-1.example.org", 65535),
    ])
    func goodAddresses(text: String, host: String, port: UInt16) throws {
        let address = try #require(HostPort(text))
        #expect(address.host == host && address.port == port)
        #expect(address.description == text)
    }

    @Test("anything else is no address", arguments: ["", ":", "host", "host:", ":7401", "host:65536", "host:-1", "::1:7401", "[host]:1", "a b:1", "host:7401x"])
    func badAddresses(text: String) { #expect(HostPort(text) == nil) }

    @Test("NAME=HOST:PORT names a member", arguments: [("n1=h:1", true), ("n1h:1", false), ("n1=h", false), ("=h:1", true)])
    func namedAddresses(text: String, isOne: Bool) { #expect((NamedAddress(text) != nil) == isOne) }

    private func options(_ change: (inout MemberOptions) -> Void) -> MemberOptions {
        var options = MemberOptions()
        change(&options)
        return options
    }

    private func exitCode(_ options: MemberOptions) -> Int32 {
        do throws(StartFailure) {
            try options.validate()
            return 0
        } catch {
            return error.exitCode
        }
    }

    private func cluster(_ text: String) -> [NamedAddress] {
        text.split(separator: ",").compactMap { NamedAddress(String($0)) }
    }

    @Test("the defaults are a member")
    func defaults() { #expect(exitCode(MemberOptions()) == 0) }

    @Test("flags that could never work are refused with 64")
    func contradictions() {
        #expect(exitCode(options { $0.name = "" }) == 64)
        #expect(exitCode(options { $0.name = "a,b" }) == 64)
        #expect(exitCode(options { $0.dataDirectory = "" }) == 64)
        #expect(exitCode(options { $0.maxValueSize = 0 }) == 64)
        #expect(exitCode(options { $0.maxValueSize = 5 << 20 }) == 64)
        #expect(exitCode(options { $0.heartbeatInterval = .milliseconds(150) }) == 64)
        #expect(exitCode(options { $0.initialCluster = cluster("n1=h:1,n1=h:2") }) == 64)
        #expect(exitCode(options { $0.initialCluster = cluster("n1=h:1,n2=h:1") }) == 64)
        #expect(exitCode(options { $0.initialCluster = cluster("n2=h:1,n3=h:2") }) == 64)
        #expect(exitCode(options { $0.initialCluster = cluster("n1=h:1"); $0.advertise = HostPort("h:2") }) == 64)
        #expect(exitCode(options { $0.initialCluster = cluster("n1=h:1,n2=h:2"); $0.name = "n2" }) == 0)
    }
}
