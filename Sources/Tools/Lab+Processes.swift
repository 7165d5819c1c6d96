import Base
import EventLoop

// What only the `swiftwater up` can do that started the members.
extension Lab {
    /// How long `up` may take to do it.
    private static let patience = Interval.seconds(8)

    func process(_ order: LabOrder.ProcessOrder, _ directory: String) throws(LabFailure) -> Printed {
        switch order {
        case .stop(let name, let gently):
            return try obeyed(
                .member(gently ? .terminate : .stop, name), directory, hint: "Start it again: \(command("restart \(name)"))")
        case .freeze(let name):
            return try obeyed(.member(.freeze, name), directory, hint: "Let it go on: \(command("resume \(name)"))")
        case .restart(let name):
            return try obeyed(.member(.restart, name), directory)
        case .resume(let name?):
            return try obeyed(.member(.resume, name), directory)
        case .resume(nil):
            let frozen = try Self.processes(in: directory).filter { $0.state == .frozen }.map(\.name)
            for name in frozen { _ = try Self.ask(.member(.resume, name), directory) }
            return printed(
                [frozen.isEmpty ? "No member is frozen." : "\(frozen.joined(separator: ", ")) \(frozen.count == 1 ? "goes" : "go") on."],
                [("resumed", .names(frozen))])
        }
    }

    private func obeyed(_ order: UpOrder, _ directory: String, hint: String? = nil) throws(LabFailure) -> Printed {
        guard case .member(let verb, let name) = order else { preconditionFailure("it is about one member") }
        let answer = try Self.ask(order, directory)
        return printed(
            ["\(answer)."], [("order", .string(verb.rawValue)), ("name", .string(name)), ("answer", .string(answer))], hint: hint)
    }

    /// The processes of the members that `up` started in this directory.
    static func processes(in directory: String) throws(LabFailure) -> [LabProcess] {
        try ask(.list, directory).split(separator: "\n").compactMap { LabProcess(String($0)) }
    }

    /// What `up` says to an order, without its `ok`.
    private static func ask(_ order: UpOrder, _ directory: String) throws(LabFailure) -> String {
        let answer: String
        do throws(LocalSocket.Failure) {
            answer = try LocalSocket.ask(order.text, in: directory, within: patience)
        } catch {
            guard error.isAbsent else { throw LabFailure("\(error)", code: .noAnswer) }
            throw LabFailure(
                "no `swiftwater up` runs in \(directory): only the one that started the members can stop and restart them",
                hint: "name its directory with --data-dir; members that were started otherwise end with kill -9, and freeze with kill -STOP")
        }
        let words = answer.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 == " " || $0 == "\n" }
        let said = words.count == 2 ? String(words[1]) : ""
        guard words.first == "ok" else { throw LabFailure(words.first == "no" ? said : "`swiftwater up` answers: \(answer)") }
        return said
    }
}

/// What `up` says of one member's process.
struct LabProcess: Equatable {
    enum State: String { case running, frozen, stopped }
    var name: String
    var state: State
    /// Nil when it is stopped.
    var id: Int32?

    init?(_ line: String) {
        let words = line.split(separator: " ")
        guard words.count >= 2, let state = State(rawValue: String(words[1])) else { return nil }
        name = String(words[0])
        self.state = state
        id = words.count > 2 ? Int32(words[2]) : nil
    }
}
