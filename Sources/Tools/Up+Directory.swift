import Client
import Glibc

/// Keeps a second `up` out of a directory.
struct DirectoryLock {
    private let descriptor: Int32

    /// Makes the directory when it is missing.
    init(_ directory: String) throws(FileFailure) {
        try makeDirectory(directory)
        let path = directory + "/lock"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileFailure("open", path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw FileFailure(description: "another `swiftwater up` runs in \(directory)")
        }
        self.descriptor = descriptor
    }

    func release() { close(descriptor) }
}

/// What went wrong with a file, for people.
struct FileFailure: Error, CustomStringConvertible {
    var description: String

    init(description: String) { self.description = description }

    init(_ operation: String, _ path: String) {
        description = "cannot \(operation) \(path): \(String(cString: strerror(errno)))"
    }
}

/// Makes a directory and those it lies in.
func makeDirectory(_ path: String) throws(FileFailure) {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
        made += part
        if mkdir(made, 0o755) != 0, errno != EEXIST { throw FileFailure("make the directory", made) }
        made += "/"
    }
    var about = stat()
    guard stat(path, &about) == 0, about.st_mode & S_IFMT == S_IFDIR else {
        throw FileFailure(description: "\(path) is not a directory")
    }
}

/// All of a small file (1 MiB at most); nil when there is none.
func readSmallFile(_ path: String) throws(FileFailure) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
        if errno == ENOENT { return nil }
        throw FileFailure("open", path)
    }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = read(descriptor, &bytes, bytes.count)
    guard count >= 0 else { throw FileFailure("read", path) }
    return Array(bytes[..<count])
}

/// Writes a small file as a whole: a reader sees the old or the new one.
func writeSmallFile(_ path: String, _ text: String) throws(FileFailure) {
    let draft = path + ".new"
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileFailure("write", draft) }
    let bytes = Array(text.utf8)
    let count = write(descriptor, bytes, bytes.count)
    let isSynced = fsync(descriptor) == 0
    close(descriptor)
    guard count == bytes.count, isSynced, rename(draft, path) == 0 else { throw FileFailure("write", path) }
}

extension Up {
    /// The cluster's file, if the directory holds a cluster already.
    public static func stored(in directory: String) throws(UsageError) -> String? {
        do {
            return try readSmallFile(directory + "/cluster").map { String(decoding: $0, as: UTF8.self) }
        } catch {
            throw UsageError("\(error)")
        }
    }

    /// Checks that the members can be started here. True when the cluster is a new one.
    func prepare() throws(FileFailure) -> Bool {
        guard access(server, X_OK) == 0 else {
            throw FileFailure(description: "\(server) is missing: it is built together with this program")
        }
        for member in plan.members {
            guard let text = try readSmallFile(plan.processFile(member)),
                let id = pid_t(String(decoding: text, as: UTF8.self).filter { !$0.isWhitespace }),
                Self.program(of: id) == server
            else { continue }
            throw FileFailure(
                description: "\(member.name) still runs as process \(id), from an earlier start. Stop it first: kill \(id)")
        }
        for member in plan.members {
            if isTaken(member.address) {
                throw FileFailure(
                    description: "the port of \(member.name), \(member.address), is in use: by another cluster? See --base-port")
            }
            if let http = member.http, isTaken(http) {
                throw FileFailure(
                    description: "the dashboard's port of \(member.name), \(http), is in use. See --http-base-port")
            }
        }
        return try readSmallFile(plan.directory + "/cluster") == nil
    }

    /// Whether somebody listens there already. (Only asked to say it early and in one line: a member that loses the
    /// race says so itself, and ends with 69.)
    private func isTaken(_ address: Endpoint) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = address.port.bigEndian
        guard inet_pton(AF_INET, address.host, &target.sin_addr) == 1 else { return false }
        return withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) != 0 && errno == EADDRINUSE
            }
        }
    }

    func writeProcessFile(_ member: UpPlan.Member, _ id: pid_t) {
        do {
            try writeSmallFile(plan.processFile(member), "\(id)\n")
        } catch {
            print("swiftwater up: \(error)")
        }
    }

    /// From now on this directory's cluster has these members.
    func writeClusterFile() {
        do {
            try writeSmallFile(plan.directory + "/cluster", plan.stored)
        } catch {
            print("swiftwater up: \(error)")
        }
    }

    /// The file that a process runs; nil when there is no such process.
    static func program(of id: pid_t) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/\(id)/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Says that a member ended, with its last words and how to start it again by hand.
    func report(_ name: String, _ ending: ChildProcess.Ending) {
        guard let member = plan.members.first(where: { $0.name == name }) else { return }
        print("\(name) \(ending). The last lines of \(plan.log(member)):")
        for line in Self.lastLines(of: plan.log(member)) { print("  | \(line)") }
        let command = ([server] + plan.arguments(member)).map(Self.shellWord).joined(separator: " ")
        print("To start it again by hand: \(command)")
    }

    private static func shellWord(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            byte >= 0x80 || byte >= 0x30 && byte <= 0x39 || byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a
                || "/._-:,=@%+[]".utf8.contains(byte)
        }
        return isPlain && !word.isEmpty ? word : "'" + word.split(separator: "'", omittingEmptySubsequences: false)
            .joined(separator: "'\\''") + "'"
    }

    /// The end of a log: its last 16 KiB are looked at.
    static func lastLines(of path: String) -> [String] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        let size = lseek(descriptor, 0, SEEK_END)
        lseek(descriptor, max(0, size - 16 << 10), SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = max(0, read(descriptor, &bytes, bytes.count))
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
        return lines.suffix(lastLines).map { String($0.prefix(400)) }
    }
}
