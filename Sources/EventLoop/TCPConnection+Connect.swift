public import Base
import CUV

extension TCPConnection {
    /// Looks `host` up and connects to the first of its addresses that answers. `completion` is called once,
    /// on the loop, never from inside this call, unless the attempt is cancelled first. `timeout` covers all of
    /// it; an address may take its even share of what is left, so that one that swallows packets does not
    /// keep us from the next.
    @discardableResult
    public static func connect(
        to host: String, port: UInt16, on loop: Loop, timeout: Interval,
        completion: @escaping (Result<TCPConnection, NetworkError>) -> Void
    ) -> ConnectAttempt {
        let attempt = ConnectAttempt(host: host, port: port, loop: loop, completion: completion)
        attempt.start(timeout: timeout)
        return attempt
    }
}

/// A connection in the making.
public final class ConnectAttempt {
    private let host: String
    private let port: UInt16
    private let loop: Loop
    private var completion: ((Result<TCPConnection, NetworkError>) -> Void)?
    /// Covers the look-up, then one address after the other.
    private var timer: Timer?
    private var deadline = Instant.never
    private var addresses: ArraySlice<SocketAddress> = []
    private var current: ConnectingSocket?
    private var lastFailure: NetworkError?

    init(
        host: String, port: UInt16, loop: Loop,
        completion: @escaping (Result<TCPConnection, NetworkError>) -> Void
    ) {
        self.host = host
        self.port = port
        self.loop = loop
        self.completion = completion
    }

    /// Gives up; the completion is not called any more.
    public func cancel() {
        completion = nil
        cleanUp()
    }

    func start(timeout: Interval) {
        let timer = Timer(loop) { [self] in timedOut() }
        deadline = loop.now + timeout
        timer.start(at: deadline)
        self.timer = timer
        resolve(host, port: port, on: loop) { [self] result in
            guard completion != nil else { return }
            switch result {
            case .failure(let failure): finish(.failure(failure))
            case .success(let found):
                addresses = found[...]
                tryNext()
            }
        }
    }

    private func timedOut() {
        guard let current else { return finish(.failure(error(UV_ETIMEDOUT.rawValue))) }
        current.giveUp(UV_ETIMEDOUT.rawValue)
    }

    private func error(_ code: Int32) -> NetworkError {
        NetworkError(.connect, joined(host: host, port: port), code)
    }

    private func tryNext() {
        guard !loop.isStopping else { return finish(.failure(error(UV_ECANCELED.rawValue))) }
        guard let address = addresses.popFirst() else {
            return finish(.failure(lastFailure ?? error(UV_EAI_NODATA.rawValue)))
        }
        let share = (deadline - loop.now).nanoseconds / UInt64(addresses.count + 1)
        timer?.start(after: Interval(nanoseconds: share))
        current = ConnectingSocket(loop: loop, address: address) { [self] outcome in
            current = nil
            guard completion != nil else { return }
            switch outcome {
            case .connected(let connection): finish(.success(connection))
            case .failed(let code):
                lastFailure = NetworkError(.connect, name(of: address), code)
                tryNext()
            }
        }
    }

    /// The address, and the name it was found under when it had one.
    private func name(of address: SocketAddress) -> String {
        let asked = joined(host: host, port: port)
        return asked == address.description ? asked : "\(asked) (\(address.host))"
    }

    private func finish(_ result: Result<TCPConnection, NetworkError>) {
        let completion = completion
        self.completion = nil
        cleanUp()
        if loop.isSilent, case .failure = result { return }
        completion?(result)
    }

    private func cleanUp() {
        timer?.close()
        timer = nil
        current?.abandon()
        current = nil
    }
}

/// One socket on its way to one address. Becomes a `TCPConnection`, or is closed.
final class ConnectingSocket: Handle {
    enum Outcome {
        case connected(TCPConnection)
        case failed(Int32)
    }

    private let address: SocketAddress
    private let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
    private var completion: ((Outcome) -> Void)?
    private var failure = UV_ECANCELED.rawValue

    init(loop: Loop, address: SocketAddress, completion: @escaping (Outcome) -> Void) {
        self.address = address
        self.completion = completion
        super.init(loop: loop)
        guard let tcp = loop.open(uv_tcp_t.self, uv_tcp_init) else { return }
        adopt(tcp)
        let failure = address.withSocketAddress { target, _ in uv_tcp_connect(request, tcp, target, connectDone) }
        if failure != 0 { giveUp(failure) }
    }

    deinit { request.deallocate() }

    func abandon() {
        completion = nil
        beginClosing()
    }

    func giveUp(_ code: Int32) {
        failure = code
        beginClosing()
    }

    /// A failure is told once the socket is gone.
    override func didClose() {
        let completion = completion
        self.completion = nil
        completion?(.failed(failure))
    }

    fileprivate func didConnect(_ status: Int32) {
        guard isUsable else { return }
        guard status == 0, let raw else { return giveUp(status) }
        let tcp = UnsafeMutableRawPointer(raw).assumingMemoryBound(to: uv_tcp_t.self)
        // A port of the ephemeral range can be connected to itself, when nobody listens there.
        let local = SocketAddress { uv_tcp_getsockname(tcp, $0, $1) }
        guard local != address else { return giveUp(UV_ECONNREFUSED.rawValue) }
        release()
        uv_tcp_nodelay(tcp, 1)
        let completion = completion
        self.completion = nil
        let connection = TCPConnection(loop: loop, connected: tcp, peer: address)
        if let completion { completion(.connected(connection)) } else { connection.close() }
    }
}

private func connectDone(_ request: UnsafeMutablePointer<uv_connect_t>?, _ status: Int32) {
    request?.pointee.handle.pointee.data?.owner(as: ConnectingSocket.self).didConnect(status)
}
