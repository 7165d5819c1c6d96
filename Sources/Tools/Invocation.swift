import ArgumentParser
import Base
import Client
import Glibc
import Wire

/// What stands before the command on a command line, and the command's own words as they came.
struct Invocation: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "swiftwater", helpNames: [])

    @Option(help: "Members to ask, HOST:PORT,…") var endpoints: String?
    @Option(help: "How long to go on trying, like 5s or 500ms") var timeout: String?
    @Option(help: "How to print answers: text or json") var output: String?
    @Flag(help: "Say which version this is") var version = false
    @Flag(name: [.customShort("h"), .long], help: "Explain the commands") var help = false
    /// From the first word that is none of the above.
    @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

/// `swiftwater up …`
struct UpArguments: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftwater up",
        abstract: "Start a whole cluster on this machine, until Ctrl-C.",
        discussion: """
            Members are real processes, named n1, n2 …; each has its data and its log in the data directory. \
            None is restarted: kill one, and watch `swiftwater status`. The same directory brings the same \
            cluster back.
            """)

    @Option(help: ArgumentHelp("How many members, 1 to \(UpPlan.maxNodes) (default: \(UpPlan.defaultNodes)).", valueName: "N"))
    var nodes: Int?
    @Option(help: ArgumentHelp("Where the cluster lives.", valueName: "DIR")) var dataDir = UpPlan.defaultDirectory
    @Option(
        help: ArgumentHelp(
            "The first member's port; the others take the next ones (default: \(UpPlan.defaultPort)).", valueName: "PORT"))
    var basePort: UInt16?
    @Option(
        help: ArgumentHelp(
            "The first dashboard's port (default: \(UpPlan.httpDistance) above the member's).", valueName: "PORT"))
    var httpBasePort: UInt16?
    @Flag(help: "Let links between the members be cut and slowed down on purpose (fault.proto), for experiments.")
    var enableFaults = false
}

/// `swiftwater bench …`
struct BenchArguments: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftwater bench",
        abstract: "Load a cluster and measure it.",
        discussion: """
            Clients are connections, spread over the endpoints in turn: name all members in --endpoints to load all. \
            Each keeps its requests in flight for as long as the bench runs; keys are drawn at random and called \
            bench/000000000, bench/000000001 … Latencies are measured from a request's sending to its answer. \
            Ends with 2 when nothing succeeded.
            """)

    @Option(help: "Connections.") var clients = 10
    @Option(help: "Requests in flight on each connection.") var inflight = 10
    @Option(help: "Bytes of a value.") var valueSize = 256
    @Option(help: "How many different keys.") var keys = 1000
    @Option(help: "The share of reads, 0.0 to 1.0; the rest are writes.") var reads = 0.5
    @Option(help: ArgumentHelp("How fresh reads are: linearizable, lease or local.", valueName: "C"))
    var consistency = "linearizable"
    @Option(help: "How long, in seconds.") var seconds = 10.0
    @Option(help: "Threads that the connections are spread over.") var threads = 1
    @Flag(help: "Give every key a value before the load begins.") var fill = false
    @Flag(help: "Send again, at the next endpoint, what certainly was not applied: no error, and its latency goes on.")
    var follow = false
    @Option(help: "Where the sequence of keys begins: the same seed draws the same keys.") var seed: UInt64 = 1
    @Option(help: ArgumentHelp("Members to load (default: 127.0.0.1:7401, or $SWIFTWATER_ENDPOINTS).", valueName: "h:p,…"))
    var endpoints: String?
    @Option(help: "How long one request may take, like 5s or 500ms.") var timeout: String?
    @Option(help: "How to print the result: text or json.") var output: String?

    /// The settings that these arguments make, for the endpoints given.
    func settings(_ endpoints: [Endpoint], timeout: Interval) throws(UsageError) -> BenchSettings {
        var settings = BenchSettings(endpoints: endpoints)
        settings.clients = clients
        settings.inflight = inflight
        settings.valueSize = valueSize
        settings.keys = keys
        settings.reads = reads
        settings.consistency = try Wire.Consistency(named: consistency)
        settings.seconds = seconds
        settings.threads = threads
        settings.fill = fill
        settings.seed = seed
        settings.follows = follow
        settings.timeout = timeout
        try settings.check()
        return settings
    }
}

extension ParsableCommand {
    /// Reads words; what is wrong with them becomes a `UsageError`, and a request for help its text.
    static func read(_ words: [String]) throws(UsageError) -> ReadArguments<Self> {
        do {
            guard let arguments = try parseAsRoot(words) as? Self else { return .help(helpMessage()) }
            return .arguments(arguments)
        } catch {
            guard exitCode(for: error) != .success else { return .help(fullMessage(for: error)) }
            let name = configuration.commandName ?? "swiftwater"
            throw UsageError(message(for: error), hint: "try: \(name) --help")
        }
    }
}

enum ReadArguments<Arguments> {
    case arguments(Arguments)
    case help(String)
}
