import Base
import EventLoop
import FoundationEssentials
import NIOPosix
import Replica

/// `/v1/process/…`: the processes of all members of a cluster that `swiftwater up` started, which is asked to do it. Elsewhere
/// 501: nobody here may stop what somebody else started.
struct ProcessAPI: Sendable {
    /// `stop` is SIGKILL, `terminate` SIGTERM, `freeze` SIGSTOP, `resume` SIGCONT.
    enum Order: String, CaseIterable, Sendable { case stop, terminate, freeze, resume, restart }

    /// Where `up` listens; nil when it did not start this member.
    var directory: String?

    /// A little longer than `up` waits for a member to end.
    private static let patience = Interval.seconds(8)

    func list() async throws -> Reply {
        let lines = try await ask("list").split(separator: "\n")
        return .json(200, JSONProcesses(processes: lines.compactMap(JSONProcess.init)))
    }

    func obey(_ order: Order, _ body: Data) async throws -> Reply {
        let name = try decode(JSONName.self, from: body).name
        return .json(200, ["message": try await ask("\(order.rawValue) \(name)")])
    }

    /// What `up` says, without its `ok`. It is waited for on a thread that may block.
    private func ask(_ question: String) async throws -> String {
        guard let directory else {
            throw OwnService.Unimplemented(
                message: "this member was not started by `swiftwater up`: whoever started it can stop it, too")
        }
        let answer: String
        do {
            answer = try await NIOThreadPool.singleton.runIfActive {
                try LocalSocket.ask(question, in: directory, within: Self.patience)
            }
        } catch {
            throw Failure(.unavailable, "the `swiftwater up` that started this member does not answer: \(error)", notApplied: false)
        }
        let isDone = answer.hasPrefix("ok")
        let said = String(answer.dropFirst(3))
        guard isDone else { throw Failure(.failedPrecondition, said, notApplied: true) }
        return said
    }
}

private struct JSONName: Decodable {
    var name: String

    init(from decoder: any Decoder) throws {
        let fields = try Fields(decoder, "name")
        name = try fields.get("name")
        let isName = name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || "._-".utf8.contains(byte)
        }
        guard isName, (1...64).contains(name.utf8.count) else {
            throw fields.fail("name", "letters, digits, dots and dashes, 64 at most")
        }
    }
}

private struct JSONProcesses: Encodable {
    var processes: [JSONProcess]
}

/// One member's process, from a line `NAME STATE PROCESS` of `up`'s.
private struct JSONProcess: Encodable {
    var name: String
    /// `running`, `frozen` or `stopped`.
    var state: String
    var id: Int?

    init?(_ line: Substring) {
        let words = line.split(separator: " ")
        guard words.count >= 2 else { return nil }
        name = String(words[0])
        state = String(words[1])
        id = words.count > 2 ? Int(words[2]) : nil
    }
}
