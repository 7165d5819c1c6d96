import Foundation
import Glibc
import Synchronization

/// A process of ours that could not be started, or did not end as it should.
struct ProcessFailure: Error, CustomStringConvertible {
    var description: String
}

/// One real process, held by its pid: started, stopped for a while, killed, waited for. Whoever drops the
/// last reference kills what still runs.
final class MemberProcess: Sendable {
    let pid: pid_t
    private let ended = Mutex<Int32?>(nil)

    /// - Parameters:
    ///   - log: a file to which its output is appended.
    init(_ arguments: [String], log: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let words = arguments.map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var pid: pid_t = 0
        let status = posix_spawnp(&pid, arguments[0], &actions, &attributes, words, environ)
        guard status == 0 else { throw ProcessFailure(description: "\(arguments[0]): \(String(cString: strerror(status)))") }
        self.pid = pid
    }

    deinit {
        if exitStatus == nil {
            kill(pid, SIGKILL)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
        }
    }

    /// How it ended, as a shell would say (128 + the signal's number for a killed one); nil while it runs.
    var exitStatus: Int32? {
        ended.withLock { ended in
            if ended == nil {
                var status: Int32 = 0
                if waitpid(pid, &status, WNOHANG) == pid {
                    ended = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
                }
            }
            return ended
        }
    }

    var isRunning: Bool { exitStatus == nil }

    func signal(_ number: Int32) {
        if isRunning { kill(pid, number) }
    }

    /// Waits for its end; throws `NotInTime`.
    @discardableResult
    func waitForExit(within seconds: Double = 10) async throws -> Int32 {
        try await eventually("process \(pid) ends", within: seconds) { self.exitStatus != nil }
        return exitStatus!
    }

    /// SIGKILL, and the process is gone when this returns.
    func killNow() async throws {
        signal(SIGKILL)
        try await waitForExit()
    }

    /// The memory that it holds now, in bytes.
    var residentBytes: Int {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return (line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0) * 1024
    }
}
