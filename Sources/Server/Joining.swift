import Base
import Consensus
import EventLoop
import GRPC
import LogFormat
import Logging
import Wire

/// How a new member finds the cluster that it is to join: it asks one member, until that one answers, which cluster it
/// belongs to. To be let in is another matter (`Enrolment`): that takes a leader and a majority.
actor Joining {
    nonisolated let loop: Loop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let identity: Identity
    private let address: HostPort
    private let log: Logger
    private let codec = Wire.Codec()
    private let own: Wire.Hello
    private var complaint = ""

    static let pause = Interval.milliseconds(300)
    static let patience = Interval.seconds(2)

    init(loop: Loop, identity: Identity, at address: HostPort, own: Wire.Hello, log: Logger) {
        self.loop = loop
        self.identity = identity
        self.address = address
        self.own = own
        self.log = log
    }

    /// Waits until the member there has told its cluster. Throws when that cluster knows this name under another id.
    func find() async throws(StartFailure) -> ClusterID {
        log.info("asking \(address) to which cluster it belongs")
        while true {
            let result = await withCheckedContinuation { continuation in
                OneCall.make(on: loop, to: address, .hello, codec.encode(own), timeout: Self.patience) {
                    continuation.resume(returning: $0)
                }
            }
            if let cluster = try judge(result) { return cluster }
            await withCheckedContinuation { continuation in
                OneShot(loop).start(after: Self.pause) { continuation.resume() }
            }
        }
    }

    private func judge(_ result: UnaryResult) throws(StartFailure) -> ClusterID? {
        guard result.status.isOK else { return complain("\(result.status)") }
        let hello: Wire.Hello
        do throws(Wire.DecodeFailure) {
            hello = try result.message.withSpan { span throws(Wire.DecodeFailure) in try codec.decodeHello(span) }
        } catch {
            return complain("it answers unreadably: \(error.message)")
        }
        guard hello.from != identity.member else {
            throw .usage("--join names this member's own address, \(address): name another member of the cluster")
        }
        guard hello.cluster != 0 else { return complain("it belongs to no cluster yet") }
        if let bound = hello.configuration?.configuration[name: identity.name], bound.id != identity.member {
            throw .identity(
                """
                the cluster knows '\(identity.name)' as member \(bound.id), but this data directory belongs to member \
                \(identity.member). Join under a new name; if that member's disk is lost, then replace it: \
                swiftwater replace-server \(identity.name) ADDRESS-OF-THE-NEW-ONE
                """)
        }
        return hello.cluster
    }

    private func complain(_ text: String) -> ClusterID? {
        if complaint != text { log.warning("\(address) cannot be joined yet: \(text)") }
        complaint = text
        return nil
    }
}
