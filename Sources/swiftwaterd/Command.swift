import ArgumentParser
import Base
import Logging
import Replica
import Server

/// `swiftwaterd`: one Raft member.
@main
struct Command: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftwaterd",
        abstract: "One member of a Swiftwater cluster: a replicated, durable key/value store.",
        discussion: """
            Without flags it is a cluster of one on 127.0.0.1:7401, with its data in ./swiftwater-data.

            Three members, each on a machine or a port of its own:

              swiftwaterd --name n1 --data-dir d1 --listen 127.0.0.1:7401 --initial-cluster \\
                n1=127.0.0.1:7401,n2=127.0.0.1:7402,n3=127.0.0.1:7403

            and the same with n2 and n3. One more member, which catches up and then votes:

              swiftwaterd --name n4 --data-dir d4 --listen 127.0.0.1:7404 --join 127.0.0.1:7401

            A member that has started once is who its data directory says it is: --initial-cluster is then ignored, \
            and so is --join, once it is in the cluster.

            Exit codes: 0 stopped in order; 64 wrong usage; 65 the data directory is damaged, of a newer format, or \
            another member's; 69 the address or the directory is in use; 74 the disk failed.
            """,
        version: softwareVersion)

    @Option(help: "This member's name, unique in its cluster. Default: the one on its disk, or n1.")
    var name: String?

    @Option(help: "Where it keeps its log. Made when it is missing.")
    var dataDir = "swiftwater-data"

    @Option(help: ArgumentHelp("Where it serves clients and members alike.", valueName: "host:port"))
    var listen = HostPort(host: "127.0.0.1", port: 7401)

    @Option(help: ArgumentHelp("How others reach it, when that differs.", valueName: "host:port"))
    var advertise: HostPort?

    @Option(help: ArgumentHelp("All members that a new cluster starts with.", valueName: "name=host:port,…"))
    var initialCluster: MemberList?

    @Option(help: ArgumentHelp("Where it serves JSON over HTTP and the dashboard; nowhere unless told.", valueName: "host:port"))
    var http: HostPort?

    @Option(help: ArgumentHelp("A member of the cluster that a new member joins.", valueName: "host:port"))
    var join: HostPort?

    @Flag(help: "With --join: receive everything and serve reads, but never vote.")
    var learner = false

    @Option(help: ArgumentHelp("The largest value it accepts as leader: bytes, or with KiB or MiB.", valueName: "size"))
    var maxValueSize = ByteSize(bytes: 1 << 20)

    @Option(
        help: ArgumentHelp(
            "How far the log may grow, at least, until a snapshot of the store lets it be cut: bytes, or with KiB or MiB (as far "
                + "as the data directory stays below 128 MiB, or 2.7 times the store).", valueName: "size"))
    var snapshotAfter: ByteSize?

    @Option(help: ArgumentHelp("How often a leader is heard, such as 50ms.", valueName: "time"))
    var heartbeat = Duration(interval: .milliseconds(50))

    @Option(
        help: ArgumentHelp("The shortest silence after which a member campaigns, such as 200ms.", valueName: "time"))
    var electionTimeout = Duration(interval: .milliseconds(200))

    @Flag(help: "Let anybody cut this member off from the others by gRPC (fault.proto): for experiments and tests only.")
    var enableFaults = false

    @Option(
        help: ArgumentHelp(
            "Where a `swiftwater up` takes orders about its members' processes: for the dashboard. `up` says it itself.", valueName: "dir"))
    var control: String?

    @Option(help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"))
    var logLevel = Logger.Level.info

    func run() throws {
        var options = MemberOptions()
        options.name = name
        options.dataDirectory = dataDir
        options.listen = listen
        options.advertise = advertise
        options.initialCluster = initialCluster?.members ?? []
        options.join = join
        options.isLearner = learner
        options.maxValueSize = maxValueSize.bytes
        if let snapshotAfter {
            options.replicaLimits.snapshotLogBytes = snapshotAfter.bytes
            options.replicaLimits.leastDiskBytes = 0
        }
        options.heartbeatInterval = heartbeat.interval
        options.electionTimeout = electionTimeout.interval
        options.enableFaults = enableFaults
        options.http = http
        try Process.run(options, control: control, logLevel: logLevel)
    }
}
