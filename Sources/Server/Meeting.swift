import Base
import Consensus
import EventLoop
import GRPC
import LogFormat
import Logging
import Wire

/// How the members of a new cluster find each other: each asks every name it was given who it is, until all have
/// answered. The bindings of names to ids are the first configuration, and its hash is the cluster's identity; so all
/// members come to the same, or notice that they were given different names.
///
/// No member votes before it has met all the others: a wiped disk cannot slip in as a fresh member (pitfall 23).
actor Meeting {
    nonisolated let loop: Loop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let identity: Identity
    private let named: [NamedAddress]
    private let log: Logger
    private let faults: Faults?
    private let codec = Wire.Codec()
    private let own: Wire.Hello
    private var met: [String: MemberID] = [:]
    private var channels: [String: Channel] = [:]
    private var complaints: [String: String] = [:]
    private var timer: EventLoop.Timer?
    private var completion: CheckedContinuation<Result<Configuration, StartFailure>, Never>?

    static let retryInterval = Interval.milliseconds(100)

    init(loop: Loop, identity: Identity, named: [NamedAddress], own: Wire.Hello, faults: Faults?, log: Logger) {
        self.loop = loop
        self.identity = identity
        self.named = named
        self.own = own
        self.faults = faults
        self.log = log
    }

    /// Waits until everybody has answered. Throws when the cluster knows this name under another id.
    func meet() async throws(StartFailure) -> Configuration {
        met[identity.name] = identity.member
        let result = await withCheckedContinuation { continuation in
            completion = continuation
            if named.count > 1 {
                log.info("waiting to meet \(named.map(\.name).filter { $0 != identity.name }.joined(separator: ", "))")
            }
            begin()
        }
        for channel in channels.values { channel.close() }
        timer?.close()
        return try result.get()
    }

    private func begin() {
        for other in named where other.name != identity.name {
            var options = ChannelOptions()
            options.staysConnected = true
            options.maxBackoff = .milliseconds(300)
            options.seed = identity.member.rawValue
            let channel = Channel(loop: loop, host: other.address.host, port: other.address.port, options: options)
            channels[other.name] = channel
            channel.connect()
        }
        let timer = EventLoop.Timer(loop) { [unowned self] in askAll() }
        timer.start(after: .zero, repeating: Self.retryInterval)
        self.timer = timer
        finishIfAllMet()
    }

    private func askAll() {
        for other in named where met[other.name] == nil {
            guard let channel = channels[other.name], channel.state == .ready else { continue }
            guard faults?.admits(.hello, to: other.name) ?? true else { continue }
            channel.unary(.hello, message: codec.encode(own), timeout: .seconds(1)) { [weak self] result in
                self?.assumeIsolated { $0.answered(other, result) }
            }
        }
    }

    private func answered(_ other: NamedAddress, _ result: UnaryResult) {
        guard completion != nil, result.status.isOK, faults?.hears(other.name) ?? true else { return }
        do throws(Wire.DecodeFailure) {
            let hello = try result.message.withSpan { span throws(Wire.DecodeFailure) in try codec.decodeHello(span) }
            judge(other, hello)
        } catch {
            complain(other, "answers unreadably: \(error.message)")
        }
    }

    private func judge(_ other: NamedAddress, _ hello: Wire.Hello) {
        guard hello.name == other.name else {
            return complain(other, "is '\(hello.name)', not '\(other.name)': check --initial-cluster on both")
        }
        if let bound = hello.configuration?.configuration[name: identity.name], bound.id != identity.member {
            finish(
                .failure(
                    .identity(
                        """
                        the cluster knows '\(identity.name)' as member \(bound.id), but this data directory belongs to \
                        member \(identity.member): its disk was lost or replaced. It must not vote under the old \
                        name. Start it with its old data directory; or, to replace the lost member, remove \
                        '\(identity.name)' from the cluster and add it again under a new name with an empty directory
                        """)))
            return
        }
        if let configuration = hello.configuration?.configuration, configuration[name: identity.name] == nil {
            return complain(other, "belongs to a cluster without '\(identity.name)'")
        }
        met[other.name] = hello.from
        finishIfAllMet()
    }

    private func finishIfAllMet() {
        guard met.count == named.count else { return }
        let members = named.map {
            Configuration.Member(id: met[$0.name]!, name: $0.name, address: $0.address.description)
        }
        guard Set(members.map(\.id)).count == members.count else {
            let failure = "two names of --initial-cluster lead to the same member: check its addresses"
            return finish(.failure(.usage(failure)))
        }
        finish(.success(Configuration(members: members)))
    }

    private func finish(_ result: Result<Configuration, StartFailure>) {
        completion?.resume(returning: result)
        completion = nil
    }

    private func complain(_ other: NamedAddress, _ text: String) {
        if complaints[other.name] != text { log.warning("\(other.address) \(text)") }
        complaints[other.name] = text
    }
}
