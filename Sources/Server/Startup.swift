import Base
import Consensus
public import EventLoop
import GRPC
import Keyspace
import LogFormat
public import Logging
import Replica
import Storage
import Wire

/// From flags to a running member: finds out who the disk says it is, listens, meets the others when the cluster is new,
/// and hands everything to a `Member`.
public actor Startup {
    public nonisolated let loop: Loop
    public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let options: MemberOptions
    private let log: Logger

    public init(loop: Loop, options: MemberOptions, log: Logger) {
        self.loop = loop
        self.options = options
        self.log = log
    }

    /// Starts the member. `onFailure` is called at most once, on the loop's thread, when it cannot go on: the process
    /// must then end at once.
    public func start(onFailure: @escaping @Sendable (ReplicaFailure) -> Void) async throws(StartFailure) -> Member {
        try options.validate()
        let directory = try open(options.dataDirectory)
        var recovered = try recover(directory)
        let server = GRPCServer(loop: loop, options: serverOptions())
        let health = HealthService(on: server)
        registerReflection(on: server)
        let faults = options.enableFaults ? enableFaults(on: server, recovered) : nil
        let address = try listen(server, recovered)
        registerEarlyService(server, recovered.identity, address, faults)
        if recovered.bootstrap == nil {
            if let other = options.join {
                let cluster = try await join(recovered.identity, address, at: other)
                recovered = try remember(Configuration(members: []), of: cluster, in: directory, recovered)
            } else {
                let configuration = try await meet(recovered.identity, address, faults)
                recovered = try remember(configuration, of: configuration.clusterID, in: directory, recovered)
            }
        }
        for path in Wire.Path.all { server.withdraw(MethodPath(path)) }
        let replica = try makeReplica(recovered, directory)
        let started = StartedMember(
            loop: loop, directory: directory, identity: recovered.identity,
            address: reachedAt(address, replica.configuration[recovered.identity.member]), server: server,
            health: health, faults: faults, replica: replica)
        let member = Member(started, options: options, log: log)
        await member.run(onFailure: onFailure)
        return member
    }

    // MARK: Who the disk says it is

    private func open(_ path: String) throws(StartFailure) -> RealDirectory {
        do {
            return try RealDirectory(path: path)
        } catch {
            throw .directory(error)
        }
    }

    @discardableResult
    private func run(_ operation: DiskOperation, in directory: RealDirectory) throws(StartFailure) -> DiskResult {
        let result = directory.executor.run(operation)
        if case .failed(let error) = result { throw .disk(error) }
        return result
    }

    private func recover(_ directory: RealDirectory) throws(StartFailure) -> Recovered {
        switch try read(directory) {
        case .member(let recovered):
            if let name = options.name, name != recovered.identity.name {
                throw .usage(
                    """
                    the data directory \(options.dataDirectory) belongs to '\(recovered.identity.name)', not to '\(name)': \
                    a member keeps its name
                    """)
            }
            if let cut = recovered.cut {
                log.notice("the end of the log was never acknowledged and is cut", metadata: ["at": "\(cut.file.name):\(cut.offset)"])
            }
            log.info(
                "found \(recovered.identity.name) in \(options.dataDirectory)",
                metadata: ["last_index": "\(recovered.lastIndex)", "term": "\(recovered.hardState.term)"])
            return recovered
        case .blank:
            let identity = Identity(member: MemberID(UInt64.random(in: 1 ... .max)), name: options.name ?? "n1")
            try run(Storage.format(identity), in: directory)
            guard case .member(let recovered) = try read(directory) else {
                preconditionFailure("a directory that was just made a member's is none")
            }
            log.info("new member \(identity.name) in \(options.dataDirectory)", metadata: ["id": "\(identity.member)"])
            return recovered
        }
    }

    private func read(_ directory: RealDirectory) throws(StartFailure) -> Recovery {
        do {
            return try Storage.recover(from: directory)
        } catch {
            throw .recovery(error)
        }
    }

    /// Syncs the cluster and its first configuration, before anything else is said in its name. One that joins later has
    /// no first configuration: it takes what the log says.
    private func remember(
        _ configuration: Configuration, of cluster: ClusterID, in directory: RealDirectory, _ recovered: Recovered
    ) throws(StartFailure) -> Recovered {
        var identity = recovered.identity
        identity.cluster = cluster
        identity.configuration = configuration.encode()
        var storage = Storage(recovered)
        storage.write(token: 1, identity: identity)
        var operations: [DiskOperation] = []
        var events: [StorageEvent] = []
        repeat {
            operations.removeAll()
            storage.nextOperations(into: &operations)
            for operation in operations {
                let result = try run(operation, in: directory)
                storage.completed(operation.id, result, now: loop.now, into: &events)
            }
        } while !operations.isEmpty
        guard case .member(let recovered) = try read(directory), recovered.bootstrap != nil else {
            preconditionFailure("the first configuration was synced and is not there")
        }
        let news = configuration.members.isEmpty ? "found the cluster" : "the cluster is complete: \(configuration.summary)"
        log.info("\(news)", metadata: ["cluster": "\(cluster)"])
        return recovered
    }

    // MARK: The others

    private func listen(_ server: GRPCServer, _ recovered: Recovered) throws(StartFailure) -> HostPort {
        let port: UInt16
        do {
            port = try server.listen(host: options.listen.host, port: options.listen.port)
        } catch {
            throw .cannotListen(error)
        }
        let listed = options.initialCluster.first { $0.name == recovered.identity.name }?.address
        return options.advertise ?? (recovered.bootstrap == nil ? listed : nil)
            ?? HostPort(host: options.listen.host, port: port)
    }

    /// How others reach a member: as the cluster knows it, unless --advertise says otherwise.
    private func reachedAt(_ address: HostPort, _ known: Configuration.Member?) -> String {
        guard let known, known.address != address.description, options.advertise == nil else { return address.description }
        if HostPort(known.address)?.port != address.port {
            log.warning("it listens at \(address), but others look for it at \(known.address): --advertise tells them")
        }
        return known.address
    }

    private func serverOptions() -> ServerOptions {
        var server = ServerOptions()
        server.maxMessageBytes = Member.maxPeerMessageBytes
        let log = log
        server.onEvent = { event in
            switch event.kind {
            case .opened, .closed: log.debug("\(event)")
            case .dropped, .refused, .connectFailed: log.warning("\(event)")
            }
        }
        return server
    }

    private func registerReflection(on server: GRPCServer) {
        do {
            let hidden: Set<Bytes> = options.enableFaults ? [] : [Wire.faultFile]
            _ = try ReflectionService(on: server, files: Wire.fileDescriptorSet, except: hidden)
        } catch {
            preconditionFailure("the descriptors that were built in cannot be read: \(error)")
        }
    }

    private func enableFaults(on server: GRPCServer, _ recovered: Recovered) -> Faults {
        log.warning(
            """
            FAULTS ARE ENABLED (--enable-faults): whoever reaches this address can cut this member off from its cluster. \
            Never start a member like this where anything depends on it
            """)
        let own = recovered.identity.name
        let names = Set(options.initialCluster.map(\.name) + (recovered.bootstrap?.members.map(\.name) ?? []))
        let faults = Faults(loop: loop, log: log) { $0 != own && names.contains($0) }
        faults.register(on: server)
        return faults
    }

    /// What is served before the member knows its cluster: who it is, and that everything else must wait.
    private func registerEarlyService(
        _ server: GRPCServer, _ identity: Identity, _ address: HostPort, _ faults: Faults?
    ) {
        let codec = Wire.Codec()
        let own = hello(identity, address)
        for path in Wire.Path.all {
            guard path == Wire.Path.raftHello else {
                server.register(MethodPath(path)) { call, _ in call.fail(.notMet) }
                continue
            }
            server.register(MethodPath(path)) { call, span in
                do throws(Wire.DecodeFailure) {
                    var answer = own
                    let peer = try codec.decodeHello(span)
                    guard faults?.answersHello(of: peer.name) ?? true else { return }
                    answer.to = peer.from
                    call.reply(codec.encode(answer))
                } catch {
                    call.fail(error)
                }
            }
        }
    }

    private func hello(_ identity: Identity, _ address: HostPort) -> Wire.Hello {
        Wire.Hello(
            cluster: identity.cluster, from: identity.member, to: 0, name: identity.name,
            address: address.description, configuration: nil, version: softwareVersion)
    }

    private func meet(
        _ identity: Identity, _ address: HostPort, _ faults: Faults?
    ) async throws(StartFailure) -> Configuration {
        let named = options.initialCluster.isEmpty
            ? [NamedAddress(name: identity.name, address: address)] : options.initialCluster
        let meeting = Meeting(
            loop: loop, identity: identity, named: named, own: hello(identity, address), faults: faults, log: log)
        return try await meeting.meet()
    }

    private func join(
        _ identity: Identity, _ address: HostPort, at other: HostPort
    ) async throws(StartFailure) -> ClusterID {
        let own = hello(identity, address)
        return try await Joining(loop: loop, identity: identity, at: other, own: own, log: log).find()
    }

    // MARK: The member

    private func makeReplica(
        _ recovered: Recovered, _ directory: RealDirectory
    ) throws(StartFailure) -> Replica {
        var limits = options.replicaLimits
        limits.keyspace.valueSize = options.maxValueSize
        do {
            return try Replica(
                recovered, from: directory, first: recovered.bootstrap ?? Configuration(members: []),
                seed: .random(in: .min ... .max), parameters: options.parameters, limits: limits, now: loop.now)
        } catch {
            throw .recovery(error)
        }
    }
}

/// What `Startup` hands to `Member`, which lives on the same loop.
struct StartedMember: ~Copyable, @unchecked Sendable {
    let loop: Loop
    let directory: RealDirectory
    let identity: Identity
    let address: String
    let server: GRPCServer
    let health: HealthService
    let faults: Faults?
    var replica: Replica
}

extension Failure {
    static let notMet = Failure(
        .unavailable, "this member does not know its cluster yet", notApplied: true)
}
