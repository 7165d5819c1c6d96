import Base
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
public import Server
import ServiceLifecycle
import Synchronization

/// JSON over HTTP, and the page, for one member. It has one network thread of its own; each request makes one hop onto
/// the member's loop and back, so that the member's other callers do not wait for it.
public final class Gateway: Sendable {
    /// Where it listens.
    public let address: HostPort
    private let served: Served
    private let group: ServiceGroup
    private let running: Task<Void, Never>
    private let limits: GatewayLimits

    private init(_ address: HostPort, _ served: Served, _ group: ServiceGroup, _ running: Task<Void, Never>, _ limits: GatewayLimits) {
        self.address = address
        self.served = served
        self.group = group
        self.running = running
        self.limits = limits
    }

    /// Listens, and answers 503 until `serve` names the member. Throws when the address cannot be had. `control`: the directory
    /// of the `swiftwater up` that started this member, if one did.
    public static func start(on address: HostPort, control: String? = nil, log: Logger) async throws(GatewayFailure) -> Gateway {
        let limits = GatewayLimits()
        let traffic = Traffic(limits)
        let served = Served()
        let responder = Responder(
            limits: limits, traffic: traffic, routes: Routes(limits, traffic, ProcessAPI(directory: control)), served: served)
        var quiet = log
        quiet.logLevel = max(log.logLevel, .warning)
        let (bound, told) = AsyncStream.makeStream(of: Result<Int, any Error>.self)
        let application = Application(
            responder: responder,
            server: .http1(configuration: HTTP1Channel.Configuration(limits)),
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: Int(address.port)),
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections)),
            onServerRunning: { told.yield(.success($0.localAddress?.port ?? Int(address.port))) },
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup(numberOfThreads: 1)),
            logger: quiet)
        let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: [application], logger: quiet))
        let running = Task {
            do {
                try await group.run()
            } catch {
                told.yield(.failure(error))
            }
            told.finish()
        }
        for await result in bound {
            switch result {
            case .success(let port):
                let served = HostPort(host: address.host, port: UInt16(port))
                return Gateway(served, responder.served, group, running, limits)
            case .failure(let error):
                throw GatewayFailure(description: "cannot listen on \(address) for HTTP: \(error)")
            }
        }
        throw GatewayFailure(description: "cannot listen on \(address) for HTTP")
    }

    /// How others reach it: where it listens on every interface, by the host name of the member.
    public func announced(advertised: HostPort) -> HostPort {
        ["0.0.0.0", "::"].contains(address.host) ? HostPort(host: advertised.host, port: address.port) : address
    }

    public func serve(_ member: Member) { served.member = member }

    /// Answers what is under way, for at most `GatewayLimits.grace`, and closes.
    public func stop() async {
        await group.triggerGracefulShutdown()
        let patience = Task { [running, limits] in
            do {
                try await Task.sleep(nanoseconds: limits.grace.nanoseconds)
                running.cancel()
            } catch {
                // Everything was answered before.
            }
        }
        await running.value
        patience.cancel()
    }
}

/// Why the gateway does not listen.
public struct GatewayFailure: Error, CustomStringConvertible {
    public var description: String
    /// The address cannot be had.
    public let exitCode: Int32 = 69
}

extension HTTP1Channel.Configuration {
    fileprivate init(_ limits: GatewayLimits) {
        self.init(
            idleTimeout: .seconds(limits.idleSeconds),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes, maxHeaderFieldCount: 100))
    }
}
