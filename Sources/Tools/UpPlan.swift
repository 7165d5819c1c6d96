import Base
import Client

/// The members that `up` starts, and where they keep their things.
public struct UpPlan: Equatable, Sendable {
    public struct Member: Equatable, Sendable {
        public var name: String
        public var address: Endpoint
        /// Where it serves the dashboard; nil in a cluster that was made without.
        public var http: Endpoint?

        public init(name: String, address: Endpoint, http: Endpoint? = nil) {
            self.name = name
            self.address = address
            self.http = http
        }
    }

    public var directory: String
    public var members: [Member]
    /// Whether the members take faults on purpose.
    public var enablesFaults = false

    /// More would be a strange cluster for one machine.
    public static let maxNodes = 9
    public static let defaultDirectory = "swiftwater-data-cluster"
    public static let defaultNodes = 3
    public static let defaultPort: UInt16 = 7401
    /// From a member's port to its dashboard's, unless `--http-base-port` says otherwise.
    static let httpDistance = 1_000
    /// Above it, Linux hands ports out to outgoing connections, and one could take a member's.
    static let firstEphemeralPort = 32768

    /// A new cluster, or the one that `stored` describes (the text of its `cluster` file). Nodes and port are nil
    /// when the user said nothing of them.
    public init(
        directory: String, nodes: Int?, basePort: UInt16?, httpBasePort: UInt16? = nil, stored: String?
    ) throws(UsageError) {
        self.directory = directory
        if let stored {
            members = try Self.members(in: stored, directory: directory)
            if let nodes, nodes != members.count {
                throw UsageError(
                    "\(directory) holds a cluster of \(members.count) members, not \(nodes)",
                    hint: "leave --nodes out to start it, or name another --data-dir for a new one")
            }
            if let basePort, basePort != members[0].address.port {
                throw UsageError(
                    "\(directory) holds a cluster whose ports begin at \(members[0].address.port), not \(basePort)",
                    hint: "leave --base-port out to start it, or name another --data-dir for a new one")
            }
            if let httpBasePort { try serveHTTP(from: Int(httpBasePort)) }
            return
        }
        let count = nodes ?? Self.defaultNodes
        let first = Int(basePort ?? Self.defaultPort)
        guard (1...Self.maxNodes).contains(count) else {
            throw UsageError("--nodes is a number from 1 to \(Self.maxNodes), not \(count)")
        }
        guard first > 0, first + count <= Self.firstEphemeralPort else {
            throw UsageError(
                "--base-port \(first) leaves no room for \(count) ports below \(Self.firstEphemeralPort)",
                hint: "from there on the system gives ports to outgoing connections")
        }
        members = (0..<count).map {
            Member(name: "n\($0 + 1)", address: Endpoint(host: "127.0.0.1", port: UInt16(first + $0)))
        }
        try serveHTTP(from: httpBasePort.map(Int.init) ?? first + Self.httpDistance)
    }

    /// Gives each member a port for its dashboard.
    private mutating func serveHTTP(from first: Int) throws(UsageError) {
        let ports = first..<first + members.count
        guard first > 0, ports.upperBound <= Self.firstEphemeralPort else {
            throw UsageError(
                "the dashboards' ports from \(first) on are not all below \(Self.firstEphemeralPort)",
                hint: "choose others with --http-base-port")
        }
        if let member = members.first(where: { ports.contains(Int($0.address.port)) }) {
            throw UsageError("--http-base-port \(first) gives a dashboard the port of \(member.name)")
        }
        for place in members.indices {
            members[place].http = Endpoint(host: "127.0.0.1", port: UInt16(first + place))
        }
    }

    /// What `DIR/cluster` says: a line `NAME ADDRESS HTTP-ADDRESS` for each member, the last where there is one.
    public var stored: String {
        members.map { member in "\(member.name) \(member.address)\(member.http.map { " \($0)" } ?? "")\n" }.joined()
    }

    private static func members(in stored: String, directory: String) throws(UsageError) -> [Member] {
        var members: [Member] = []
        for line in stored.split(separator: "\n") {
            let words = line.split(separator: " ")
            do {
                guard (2...3).contains(words.count) else { throw Endpoint.Failure.empty }
                members.append(
                    Member(
                        name: String(words[0]), address: try Endpoint(String(words[1])),
                        http: words.count == 3 ? try Endpoint(String(words[2])) : nil))
            } catch {
                throw UsageError("\(directory)/cluster has a line that is not NAME HOST:PORT: '\(line)'")
            }
        }
        guard !members.isEmpty else { throw UsageError("\(directory)/cluster names no members") }
        return members
    }

    public func dataDirectory(_ member: Member) -> String { "\(directory)/\(member.name)" }
    public func log(_ member: Member) -> String { "\(directory)/\(member.name).log" }
    public func processFile(_ member: Member) -> String { "\(directory)/\(member.name).pid" }

    /// What `swiftwaterd` is started with.
    public func arguments(_ member: Member) -> [String] {
        [
            "--name", member.name, "--data-dir", dataDirectory(member), "--listen", "\(member.address)",
            "--initial-cluster", members.map { "\($0.name)=\($0.address)" }.joined(separator: ","),
        ] + (member.http.map { ["--http", "\($0)"] } ?? []) + (enablesFaults ? ["--enable-faults"] : [])
    }

    /// What a shell has to be told to reach this cluster; nil when `swiftwater` looks there by itself.
    var export: String? {
        guard members[0].address != Program.defaultEndpoint else { return nil }
        return "export \(Program.environmentVariable)=" + members.map(\.address.description).joined(separator: ",")
    }
}

extension UpPlan {
    /// What stands on the terminal once the cluster works.
    func suggestions(process: Int32) -> [String] {
        func line(_ command: String, _ meaning: String) -> String {
            "  " + command + String(repeating: " ", count: max(2, 32 - command.count)) + meaning
        }
        let dashboard = members[0].http.map { ["The dashboard, at any member: http://\($0)/", ""] } ?? []
        return dashboard + ["Try, in another terminal:"] + (export.map { ["  " + $0] } ?? []) + [
            line("swiftwater", "a prompt; type help there"),
            line("swiftwater set greeting hello", "write something"),
            line("swiftwater status", "who leads, and how far everybody is"),
            line("kill -9 \(process)", "the leader, gone: then ask for status again"),
            "Ctrl-C stops them all; the same command brings the same cluster back.",
        ]
    }
}
