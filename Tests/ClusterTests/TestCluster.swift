import Foundation
import Glibc

/// A cluster of real `swiftwaterd` processes on loopback, in a directory of its own.
///
/// The programs are those in `SWIFTWATER_BIN_DIR` (scripts/test: the release build), else the ones that were
/// built beside these tests.
final class TestCluster: Sendable {
    /// What strace does to a member's system calls, as words of its command line.
    struct Tampering: Sendable {
        var arguments: [String]

        /// Every sync of file data takes at least so much longer.
        static func slowSyncs(milliseconds: Int) -> Tampering {
            Tampering(arguments: ["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:delay_enter=\(milliseconds * 1000)"])
        }

        /// Each thread's syncs fail with EIO from the `from`-th on.
        static func failingSyncs(from: Int) -> Tampering {
            Tampering(arguments: ["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO:when=\(from)+"])
        }

        /// No thread gets space for a new file before its `attempts`-th try is over.
        static func fullDisk(attempts: Int) -> Tampering {
            Tampering(arguments: ["-e", "trace=fallocate", "-e", "inject=fallocate:error=ENOSPC:when=1..\(attempts)"])
        }
    }

    static let binaries: URL = {
        if let given = ProcessInfo.processInfo.environment["SWIFTWATER_BIN_DIR"] { return URL(fileURLWithPath: given) }
        return URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent(".build/debug")
    }()

    let directory: URL
    let names: [String]
    let ports: [UInt16]
    /// How many of them the cluster begins with; the others join it.
    let founders: Int
    private let running = Locked<[String: MemberProcess]>([:])
    private let gone = Locked(false)
    let clients = Locked<[String: TestClient]>([:])

    var endpoints: [String] { ports.map { "127.0.0.1:\($0)" } }
    func endpoint(of name: String) -> String { "127.0.0.1:\(ports[names.firstIndex(of: name)!])" }

    init(members: Int = 3, newcomers: Int = 0) throws {
        // On a real disk: in memory a sync costs nothing and means nothing.
        directory = Self.binaries.deletingLastPathComponent().appendingPathComponent("cluster-tests/\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        names = (1...members + newcomers).map { "n\($0)" }
        ports = try freePorts(members + newcomers)
        founders = members
    }

    /// Starts a cluster, waits until it takes writes, and takes it down afterwards whatever happened. When the
    /// body fails, the members' last words are part of the error.
    static func run(
        members: Int = 3, newcomers: Int = 0, tampering: [String: Tampering] = [:], more: [String] = [],
        _ body: @Sendable (TestCluster) async throws -> Void
    ) async throws {
        let cluster = try TestCluster(members: members, newcomers: newcomers)
        try await cluster.withCleanUp {
            for name in cluster.names.prefix(members) { try cluster.start(name, tampering: tampering[name], more: more) }
            try await cluster.waitForLeader(within: 30)
            try await body(cluster)
        }
    }

    /// Takes the cluster down after `body`, whatever happened.
    func withCleanUp(_ body: @Sendable () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            let words = lastWords()
            await destroy()
            throw ProcessFailure(description: "\(error)\n\(words)")
        }
        await destroy()
    }

    /// Starts one of the first members, or one that joins at `join`.
    func start(_ name: String, join: String? = nil, tampering: Tampering? = nil, more: [String] = []) throws {
        let cluster = zip(names, endpoints).prefix(founders).map { "\($0)=\($1)" }.joined(separator: ",")
        let way = join.map { ["--join", endpoint(of: $0)] } ?? ["--initial-cluster", cluster]
        // `-D`: strace watches from aside, and the process that we start is the member itself.
        let strace = tampering.map { ["strace", "-D", "-f", "-q", "-o", trace(of: name).path] + $0.arguments } ?? []
        let member = [Self.binaries.appendingPathComponent("swiftwaterd").path, "--name", name, "--data-dir", data(of: name).path,
                      "--listen", endpoint(of: name)]
        let process = try MemberProcess(strace + member + way + more, log: log(of: name).path)
        running.withLock { $0[name] = process }
    }

    func isRunning(_ name: String) -> Bool { running.withLock { $0[name]?.isRunning ?? false } }

    subscript(_ name: String) -> MemberProcess { running.withLock { $0[name]! } }

    func data(of name: String) -> URL { directory.appendingPathComponent(name) }
    func log(of name: String) -> URL { directory.appendingPathComponent("\(name).log") }
    func trace(of name: String) -> URL { directory.appendingPathComponent("\(name).strace") }

    /// SIGKILL to all at once: a power cut, as far as processes can tell.
    func killAll() async throws {
        let all = running.withLock { Array($0.values) }
        for process in all { process.signal(SIGKILL) }
        for process in all { try await process.waitForExit() }
    }

    /// Whether it was taken down: what works on it in the background ends then, too.
    var isGone: Bool { gone.now }

    private func destroy() async {
        gone.withLock { $0 = true }
        let all = running.withLock { running in
            defer { running.removeAll() }
            return Array(running.values)
        }
        for process in all { process.signal(SIGKILL) }
        for process in all { _ = try? await process.waitForExit() }
        try? FileManager.default.removeItem(at: directory)
    }

    /// The end of every member's log.
    private func lastWords() -> String {
        names.map { name in
            let text = (try? String(contentsOf: log(of: name), encoding: .utf8)) ?? ""
            let status = running.withLock { $0[name]?.exitStatus }.map { "ended with \($0)" } ?? "running"
            return "--- \(name), \(status)\n" + text.split(separator: "\n").suffix(15).joined(separator: "\n")
        }.joined(separator: "\n")
    }
}

/// A value behind a lock, for what tests share between tasks.
final class Locked<Value: Sendable>: @unchecked Sendable {
    private var value: Value
    private let lock = NSLock()

    init(_ value: Value) { self.value = value }

    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }

    var now: Value { withLock { $0 } }
}

/// Ports below the ephemeral range, where no outgoing connection settles between our look and the bind. Each
/// port is handed out once in this process.
func freePorts(_ count: Int) throws -> [UInt16] {
    let range = try String(contentsOfFile: "/proc/sys/net/ipv4/ip_local_port_range", encoding: .utf8)
    let low = range.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) } ?? 32768
    var found: [UInt16] = []
    try nextPort.withLock { next in
        if next == 0 { next = max(10_000, low - 2_000 - Int(getpid()) % 8 * 1_000) }
        while found.count < count {
            guard next < low else { throw ProcessFailure(description: "no free ports below \(low)") }
            if canBind(UInt16(next)) { found.append(UInt16(next)) }
            next += 1
        }
    }
    return found
}

private let nextPort = Locked(0)

private func canBind(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 }
    }
}
