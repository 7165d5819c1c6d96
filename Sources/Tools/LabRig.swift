import Base
import Client
import EventLoop
import Glibc
import Synchronization

/// The cluster of a report: real processes in a temporary directory, on free ports. Whatever happens, `end` leaves nothing of it.
final class LabRig: Sendable {
    let plan: UpPlan
    private let server: String
    private let state = Mutex(State())

    private struct State {
        var children: [String: ChildProcess] = [:]
        /// From then on nothing is started.
        var isOver = false
    }

    static let count = 5
    /// How long a process may take to end that was killed.
    private static let patience = Interval.seconds(5)

    /// Makes the directory and finds the ports; starts nothing.
    init(server: String) throws(LabFailure) {
        guard access(server, X_OK) == 0 else {
            throw LabFailure("\(server) is missing: it is built together with this program")
        }
        self.server = server
        let ports = try Self.freePorts(Self.count)
        var stored = ""
        for (place, port) in ports.enumerated() { stored += "n\(place + 1) 127.0.0.1:\(port)\n" }
        do {
            plan = try UpPlan(directory: try Self.temporaryDirectory(), nodes: nil, basePort: nil, stored: stored)
        } catch let error as LabFailure {
            throw error
        } catch {
            throw LabFailure("\(error)")
        }
    }

    var names: [String] { plan.members.map(\.name) }
    var endpoints: [Endpoint] { plan.members.map(\.address) }
    func endpoint(of name: String) -> Endpoint { member(name).address }
    func log(of name: String) -> String { plan.log(member(name)) }

    private func member(_ name: String) -> UpPlan.Member { plan.members.first { $0.name == name }! }

    func start(_ name: String) throws(LabFailure) {
        var plan = plan
        plan.enablesFaults = true
        let member = member(name)
        let arguments = plan.arguments(member), log = plan.log(member), server = server
        let failure = state.withLock { state -> String? in
            guard !state.isOver else { return "the report was interrupted" }
            do throws(ChildProcess.Failure) {
                state.children[name] = try ChildProcess(program: server, arguments: arguments, log: log) { _ in }
                return nil
            } catch {
                return "\(error)"
            }
        }
        if let failure { throw LabFailure(failure) }
    }

    /// SIGKILL, as a power cut; returns when the process is gone.
    func kill(_ name: String) {
        guard let child = state.withLock({ $0.children.removeValue(forKey: name) }) else { return }
        child.signal(SIGKILL)
        Self.wait { !child.isRunning }
    }

    func isRunning(_ name: String) -> Bool { state.withLock { $0.children[name]?.isRunning == true } }

    /// The first member that ended by itself, with its last words.
    func casualty() -> String? {
        let ended = state.withLock { $0.children.filter { !$0.value.isRunning }.keys.min() }
        return ended.map { "\($0) ended by itself: \(Up.lastLines(of: log(of: $0)).joined(separator: " | "))" }
    }

    /// Ends every process, waits for that, and removes the directory. A second call does nothing.
    func end() {
        let children = state.withLock { state -> [ChildProcess] in
            state.isOver = true
            defer { state.children = [:] }
            return Array(state.children.values)
        }
        for child in children { child.signal(SIGKILL) }
        Self.wait { children.allSatisfy { !$0.isRunning } }
        removeDirectory(plan.directory)
    }

    private static func wait(_ isDone: () -> Bool) {
        let deadline = Loop.now + patience
        while !isDone(), Loop.now < deadline { usleep(2_000) }
    }

    // MARK: Places

    private static func temporaryDirectory() throws(LabFailure) -> String {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var path = Array("\(parent)/swiftwater-lab-XXXXXX".utf8CString)
        guard mkdtemp(&path) != nil else {
            throw LabFailure("cannot make a directory in \(parent): \(String(cString: strerror(errno)))")
        }
        return String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Ports that nobody listens on, below those that the system gives to outgoing connections; all looked at before any is
    /// let go.
    private static func freePorts(_ count: Int) throws(LabFailure) -> [UInt16] {
        var ports: [UInt16] = []
        var held: [Int32] = []
        defer { for descriptor in held { close(descriptor) } }
        // From a place of one's own, so that two reports at a time do not meet.
        let first = 20_000 + Int(getpid()) % 6_000
        for port in first..<first + 6_000 where ports.count < count {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            guard descriptor >= 0 else { break }
            held.append(descriptor)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(port).bigEndian
            inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
            let status = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if status == 0 { ports.append(UInt16(port)) }
        }
        guard ports.count == count else { throw LabFailure("\(count) free ports cannot be found") }
        return ports
    }
}

/// Removes a directory and what lies in it; links are removed, not followed.
func removeDirectory(_ path: String) {
    if let directory = opendir(path) {
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            let inner = "\(path)/\(name)"
            if entry.pointee.d_type == UInt8(DT_DIR) { removeDirectory(inner) } else { unlink(inner) }
        }
        closedir(directory)
    }
    rmdir(path)
}
