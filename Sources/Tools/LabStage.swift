import Base
import EventLoop
import Wire

extension LabReporter {
    /// How far the cluster worked with some of its members gone.
    struct Stage: Equatable, Sendable {
        var name: String
        var alive: Int
        /// Empty: nobody.
        var leader: String
        var probe: LabProbe

        var works: Bool { probe.write == .acknowledged && probe.read }
        var cells: [String] { [name, "\(alive)", leader.isEmpty ? "nobody" : leader] + probe.cells }
    }

    /// Tries what can be done now, at one member that runs.
    func stage(_ name: String, _ alive: [String], asked: String) async -> Stage {
        let probe = await LabProbe.at(rig.endpoint(of: asked), all, key: "probe/\(Loop.now.nanoseconds)")
        let leader = await statuses(alive).values.first { $0.role == .leader }
        return Stage(name: name, alive: alive.count, leader: leader?.name ?? "", probe: probe)
    }

    static func answer(_ stages: [Stage], of count: Int) -> [String] {
        let working = stages.filter(\.works), idle = stages.filter { !$0.works }
        var answer: [String] = []
        let least = working.map(\.alive).min()
        if let least {
            answer.append(
                "With \(least) of \(count) members everything still worked, once a leader was elected: writes, linearizable and LOCAL reads.")
        }
        for stage in idle {
            let local = stage.probe.localRead ? "A LOCAL read was still answered, with what that member had." : "Even LOCAL reads were refused."
            answer.append(
                "With \(stage.alive) of \(count) a write was \(stage.probe.write == .unknown ? "not acknowledged, its outcome unknown" : stage.probe.write.rawValue) (\"\(stage.probe.reason)\") and a linearizable read \(stage.probe.read ? "answered" : "refused"); \(stage.leader.isEmpty ? "nobody led" : "\(stage.leader) led"). \(local)")
        }
        if let last = stages.last, last.alive == count {
            answer.append(last.works ? "When all ran again, everything worked again." : "When all ran again, not everything worked again.")
        }
        return answer
    }

    /// Without a majority nothing may be acknowledged, and no read may claim to be the newest.
    static func claims(_ stages: [Stage], of count: Int) -> [LabClaim] {
        let minority = stages.filter { $0.alive <= count / 2 }
        guard !minority.isEmpty else { return [] }
        let kept = minority.allSatisfy { $0.probe.write != .acknowledged && !$0.probe.read }
        return [LabClaim(text: "Without a majority no write was acknowledged and no linearizable read answered.", holds: kept)]
    }
}
