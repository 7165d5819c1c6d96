public import Base
import Consensus
public import Replica
import Storage

/// How one member is started. What its disk already says comes first: a member is who its data directory says it is.
public struct MemberOptions: Sendable {
    /// Nil: the name in the data directory, or "n1".
    public var name: String?
    public var dataDirectory = "swiftwater-data"
    /// Where it serves clients and peers alike.
    public var listen = HostPort(host: "127.0.0.1", port: 7401)
    /// How others reach it; nil: as it listens.
    public var advertise: HostPort?
    /// The members that a new cluster starts with, by name. Empty: this one alone.
    public var initialCluster: [NamedAddress] = []
    /// Some member of the cluster that a new member joins. Nil: it begins one.
    public var join: HostPort?
    /// One that joins is to stay a learner.
    public var isLearner = false
    /// The largest value that this member accepts when it leads, in bytes.
    public var maxValueSize = 1 << 20
    /// Where others find this member's HTTP gateway; nil: it has none.
    public var http: HostPort?
    public var heartbeatInterval = Interval.milliseconds(50)
    /// The shortest time without a leader after which a member campaigns; the longest is twice that.
    public var electionTimeout = Interval.milliseconds(200)
    public var replicaLimits = ReplicaLimits()
    /// Serves the Fault service: for experiments and tests, never where anything depends on this member.
    public var enableFaults = false

    public init() {}

    /// Raft's parameters from the flags.
    var parameters: Parameters {
        var parameters = Parameters()
        parameters.heartbeatInterval = heartbeatInterval
        parameters.electionTimeout =
            electionTimeout ... Interval(nanoseconds: 2 * electionTimeout.nanoseconds)
        return parameters
    }

    /// Flags that contradict each other or could never work: exit code 64.
    public func validate() throws(StartFailure) {
        if let name, !Self.isName(name) {
            throw .usage("'\(name)' is no name: use 1 to 64 letters, digits, '-', '_' or '.'")
        }
        guard !dataDirectory.isEmpty else { throw .usage("the data directory has no name") }
        guard parameters.areSensible else {
            throw .usage("the election timeout must be at least twice the heartbeat interval")
        }
        guard maxValueSize >= 1, maxValueSize <= 4 << 20 else {
            throw .usage("the largest value must be between 1 byte and 4 MiB")
        }
        guard join == nil || initialCluster.isEmpty else {
            throw .usage("--join is for a cluster that exists, --initial-cluster for one that begins: not both")
        }
        guard !isLearner || join != nil else { throw .usage("--learner goes with --join") }
        try validateCluster()
    }

    private func validateCluster() throws(StartFailure) {
        guard !initialCluster.isEmpty else { return }
        var names: Set<String> = []
        var addresses: Set<String> = []
        for member in initialCluster {
            guard Self.isName(member.name) else { throw .usage("'\(member.name)' in --initial-cluster is no name") }
            guard names.insert(member.name).inserted else {
                throw .usage("'\(member.name)' occurs twice in --initial-cluster")
            }
            guard addresses.insert(member.address.description).inserted else {
                throw .usage("\(member.address) occurs twice in --initial-cluster")
            }
        }
        let own = name ?? "n1"
        guard let listed = initialCluster.first(where: { $0.name == own }) else {
            throw .usage("--initial-cluster does not name this member, '\(own)'")
        }
        if let advertise, advertise != listed.address {
            throw .usage("--advertise says \(advertise), but --initial-cluster has '\(own)' at \(listed.address)")
        }
    }

    static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
            }
    }
}

/// HOST:PORT: a name, an IPv4 address, or an IPv6 address in brackets.
public struct HostPort: Sendable, Hashable, CustomStringConvertible {
    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Nil when `text` is no HOST:PORT.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard host.contains(":") else { return nil }
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty, !host.utf8.contains(where: { $0 <= 0x20 }) else { return nil }
        self.init(host: host, port: port)
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// One member of `--initial-cluster`.
public struct NamedAddress: Sendable, Hashable {
    public var name: String
    public var address: HostPort

    public init(name: String, address: HostPort) {
        self.name = name
        self.address = address
    }

    /// Nil when `text` is no NAME=HOST:PORT.
    public init?(_ text: String) {
        guard let sign = text.firstIndex(of: "="), let address = HostPort(String(text[text.index(after: sign)...]))
        else { return nil }
        self.init(name: String(text[..<sign]), address: address)
    }
}
