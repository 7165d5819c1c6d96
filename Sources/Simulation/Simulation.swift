import Base

/// One run of a whole cluster on a virtual network, virtual disks and virtual time. The members are the production's
/// `Replica`, with everything in it; what stands around them does what `Server` does.
public struct Simulation {
    private let plan: Plan
    private let trace: ((TraceLine) -> Void)?

    public init(_ plan: Plan, trace: ((TraceLine) -> Void)? = nil) {
        self.plan = plan
        self.trace = trace
    }

    public mutating func run() -> RunResult {
        World(plan, sink: trace).run()
    }
}
