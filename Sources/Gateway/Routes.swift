import Base
import FoundationEssentials
import Replica
import Server

/// Which handler answers what: paths as they came, and the methods that each knows.
struct Routes: Sendable {
    typealias Handler = @Sendable (Asked, Member) async throws -> Reply

    enum Match {
        case handler(Handler, takesBody: Bool)
        /// The path exists, the method does not.
        case otherMethods([String])
        case none
    }

    private let limits: GatewayLimits
    private let traffic: Traffic
    private let processes: ProcessAPI
    private var table: [String: [String: Handler]] = [:]

    static let keys = "/keys/"

    init(_ limits: GatewayLimits, _ traffic: Traffic, _ processes: ProcessAPI) {
        self.limits = limits
        self.traffic = traffic
        self.processes = processes
        addKeyValue()
        addCluster()
        addFaults()
        addProcesses()
        addOperation()
    }

    func match(_ asked: Asked) -> Match {
        if asked.path.hasPrefix(Self.keys), asked.path.count > Self.keys.count {
            switch asked.method {
            case "GET": return .handler(getList, takesBody: false)
            case "POST": return .handler(changeList, takesBody: true)
            default: return .otherMethods(["GET", "POST"])
            }
        }
        guard let methods = table[String(asked.path)] else { return .none }
        guard let handler = methods[asked.method] else { return .otherMethods(methods.keys.sorted()) }
        return .handler(handler, takesBody: asked.method == "POST")
    }

    private var getList: Handler {
        { [limits] asked, member in
            guard let key = Self.key(asked) else { return .text(400, "The request is not valid") }
            return await ListsAPI.get(key, member, limits)
        }
    }

    private var changeList: Handler {
        { [limits] asked, member in
            guard let key = Self.key(asked) else { return .text(400, "The request is not valid") }
            return await ListsAPI.change(key, asked.body, member, limits)
        }
    }

    /// The rest of the path, decoded once: it may hold slashes, and empty segments.
    private static func key(_ asked: Asked) -> Bytes? { percentDecoded(asked.path.dropFirst(keys.count)) }

    private mutating func addKeyValue() {
        for name in OperationName.allCases {
            table["/v1/kv/\(name.rawValue)"] = [
                "POST": { [limits] asked, member in try await KVAPI.answer(name, asked.body, member, limits) }
            ]
        }
        table["/v1/kv/transact"] = [
            "POST": { [limits] asked, member in try await KVAPI.transact(asked.body, member, limits) }
        ]
    }

    private mutating func addCluster() {
        table["/admin/status"] = [
            "GET": { _, member in .json(200, AdminStatus(report: await member.report())) }
        ]
        table["/v1/cluster/status"] = [
            "GET": { _, member in .json(200, JSONStatus(await member.report())) }
        ]
        table["/v1/events"] = ["GET": { _, member in try await EventsAPI.open(member) }]
        table["/v1/cluster/log"] = [
            "GET": { [limits] asked, member in try await ClusterAPI.log(asked.query, member, limits) }
        ]
        table["/v1/cluster/open-session"] = [
            "POST": { [limits] asked, member in try await ClusterAPI.openSession(asked.body, member, limits) }
        ]
        table["/v1/cluster/transfer-leadership"] = [
            "POST": { [limits] asked, member in try await ClusterAPI.transfer(asked.body, member, limits) }
        ]
        table["/v1/cluster/add-server"] = [
            "POST": { [limits] asked, member in try await ClusterAPI.addServer(asked.body, member, limits) }
        ]
        table["/v1/cluster/remove-server"] = [
            "POST": { [limits] asked, member in try await ClusterAPI.removeServer(asked.body, member, limits) }
        ]
    }

    private mutating func addFaults() {
        table["/v1/fault/list"] = [
            "GET": { [limits] _, member in try await FaultAPI.list(member, limits) }
        ]
        let orders: [(String, @Sendable (Data, Member, GatewayLimits) async throws -> Reply)] = [
            ("set-links", FaultAPI.setLinks), ("drop-next", FaultAPI.dropNext), ("heal", FaultAPI.heal),
            ("expire-election-timer", FaultAPI.expireElectionTimer),
        ]
        for (name, order) in orders {
            table["/v1/fault/\(name)"] = [
                "POST": { [limits] asked, member in try await order(asked.body, member, limits) }
            ]
        }
    }

    private mutating func addProcesses() {
        table["/v1/process/list"] = ["GET": { [processes] _, _ in try await processes.list() }]
        for order in ProcessAPI.Order.allCases {
            table["/v1/process/\(order.rawValue)"] = [
                "POST": { [processes] asked, _ in try await processes.obey(order, asked.body) }
            ]
        }
    }

    /// Answered even before the member has met the others.
    static let livez = "/livez"
    static let alive = Reply.text(200, "alive\n")

    private mutating func addOperation() {
        table[Self.livez] = ["GET": { _, _ in Self.alive }]
        table["/readyz"] = [
            "GET": { _, member in
                await member.report().hasQuorum ? .text(200, "ready\n") : Reply.text(503, "no leader is known\n").retriable
            }
        ]
        table["/metrics"] = [
            "GET": { [traffic] _, member in
                Reply(
                    200, contentType: Metrics.contentType, body: Data(Metrics.text(await member.report(), traffic).utf8))
            }
        ]
        for file in PageFile.all {
            table[file.path] = ["GET": { _, _ in file.reply }]
        }
    }
}
