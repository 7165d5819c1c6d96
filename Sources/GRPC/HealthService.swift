import Base

/// grpc.health.v1.Health (proto/grpc/health/v1/health.proto): what load balancers and probes ask.
///
/// A service by the name of "" stands for the whole server. Confined to the server's loop; the server's methods hold
/// it, it need not be kept.
public final class HealthService: @unchecked Sendable {
    public enum Serving: UInt64, Sendable {
        case unknown = 0
        case serving = 1
        case notServing = 2
        /// Only `Watch` says so, of a service that is not known (yet).
        case serviceUnknown = 3
    }

    /// Watchers at a time; one more: RESOURCE_EXHAUSTED.
    public static let maxWatchers = 1024
    /// Longest name of a service that is watched, in bytes.
    static let maxNameBytes = 1024

    private var services: [String: Serving] = ["": .unknown]
    /// By the watched service's name.
    private var watchers: [String: [ServerCall]] = [:]
    private var watcherCount = 0

    public init(on server: GRPCServer) {
        server.register("/grpc.health.v1.Health/Check") { [self] call, request in check(call, Bytes(copying: request)) }
        server.register("/grpc.health.v1.Health/Watch") { [self] call, request in watch(call, Bytes(copying: request)) }
        server.onDeparture { [self] in depart() }
    }

    /// Sets what is said of a service, and tells those who watch it.
    public func set(_ service: String, _ serving: Serving) {
        guard services.updateValue(serving, forKey: service) != serving else { return }
        for call in watchers[service] ?? [] {
            if call.isWritable {
                call.send(Self.response(serving))
            } else {
                forget(call, service)
                call.fail(Status(.resourceExhausted, "the watcher does not read"))
            }
        }
    }

    private func check(_ call: ServerCall, _ request: Bytes) {
        guard let service = Self.service(in: request) else { return call.fail(Self.malformed) }
        guard let serving = services[service] else {
            return call.fail(Status(.notFound, "unknown service: \(service)"))
        }
        call.reply(Self.response(serving))
    }

    private func watch(_ call: ServerCall, _ request: Bytes) {
        guard let service = Self.service(in: request), service.utf8.count <= Self.maxNameBytes else {
            return call.fail(Self.malformed)
        }
        guard watcherCount < Self.maxWatchers else {
            return call.fail(Status(.resourceExhausted, "there are \(watcherCount) watchers already"))
        }
        watchers[service, default: []].append(call)
        watcherCount += 1
        call.onCancel = { [self, unowned call] in forget(call, service) }
        call.send(Self.response(services[service] ?? .serviceUnknown))
    }

    private func forget(_ call: ServerCall, _ service: String) {
        guard let place = watchers[service]?.firstIndex(where: { $0 === call }) else { return }
        watchers[service]?.remove(at: place)
        if watchers[service]?.isEmpty == true { watchers[service] = nil }
        watcherCount -= 1
    }

    /// The server stops: watchers would keep it for ever.
    private func depart() {
        for service in services.keys { set(service, .notServing) }
        let calls = watchers.values.flatMap { $0 }
        watchers = [:]
        watcherCount = 0
        for call in calls { call.finish(Status(.unavailable, "the server stops")) }
    }

    // MARK: Messages

    private static let malformed = Status(.invalidArgument, "malformed HealthCheckRequest")

    /// HealthCheckRequest: the service's name, or nil when the message is malformed.
    private static func service(in request: Bytes) -> String? {
        var reader = ByteReader(request)
        var service: String? = ""
        do {
            while !reader.isAtEnd {
                let (field, type) = try reader.readTag()
                switch (field, type) {
                case (1, .lengthDelimited): service = try reader.readLengthDelimited().utf8String
                default: try reader.skip(type)
                }
            }
        } catch {
            return nil
        }
        return service
    }

    private static func response(_ serving: Serving) -> Bytes {
        guard serving != .unknown else { return Bytes() }
        var writer = ByteWriter(capacity: 16)
        writer.writeTag(field: 1, .varint)
        writer.writeVarint(serving.rawValue)
        return writer.finish()
    }
}
