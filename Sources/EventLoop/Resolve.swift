import CUV
import Glibc

/// Asks for the addresses of a name, on libuv's pool. A numeric address is answered without asking, and also
/// never from inside this call. The answer holds at least one address. Fails at once (`resolverFailed`) when
/// `Loop.workLimit` requests to the pool are under way. The end of the loop waits for the system's answer.
public func resolve(
    _ host: String, port: UInt16, on loop: Loop,
    completion: @escaping (Result<[SocketAddress], NetworkError>) -> Void
) {
    loop.mustBeCurrent()
    Resolution(host: host, port: port, loop: loop, completion: completion).start()
}

/// The same, waiting for the answer: for start-up, before anything else needs the thread.
func resolveNow(_ host: String, port: UInt16) throws(NetworkError) -> [SocketAddress] {
    if let numeric = SocketAddress(numeric: host, port: port) { return [numeric] }
    var hints = Resolution.hints
    var list: UnsafeMutablePointer<addrinfo>?
    let failure = getaddrinfo(host, nil, &hints, &list)
    defer { if let list { freeaddrinfo(list) } }
    let addresses = Resolution.addresses(in: list, port: port)
    guard failure == 0, !addresses.isEmpty else {
        let code = failure == EAI_AGAIN ? UV_EAI_AGAIN : UV_EAI_NONAME
        throw NetworkError(.resolve, host, code.rawValue)
    }
    return addresses
}

/// One question to the resolver; holds itself until it is answered.
final class Resolution {
    private let host: String
    private let port: UInt16
    private let loop: Loop
    private var completion: ((Result<[SocketAddress], NetworkError>) -> Void)?
    private let request = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)

    static var hints: addrinfo {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        return hints
    }

    init(
        host: String, port: UInt16, loop: Loop,
        completion: @escaping (Result<[SocketAddress], NetworkError>) -> Void
    ) {
        self.host = host
        self.port = port
        self.loop = loop
        self.completion = completion
    }

    deinit { request.deallocate() }

    func start() {
        if let numeric = SocketAddress(numeric: host, port: port) { return answerLater(.success([numeric])) }
        guard !loop.isStopping else { return answerLater(.failure(error(UV_ECANCELED.rawValue))) }
        guard loop.pendingWork < Loop.workLimit else { return answerLater(.failure(error(UV_EAI_AGAIN.rawValue))) }
        var hints = Self.hints
        request.pointee.data = Unmanaged.passRetained(self).toOpaque()
        loop.pendingWork += 1
        let failure = uv_getaddrinfo(loop.uv, request, resolutionDone, host, nil, &hints)
        if failure != 0 {
            loop.pendingWork -= 1
            Unmanaged.passUnretained(self).release()
            answerLater(.failure(error(failure)))
        }
    }

    func cancel() { completion = nil }

    private func error(_ code: Int32) -> NetworkError { NetworkError(.resolve, host, code) }

    private func answer(_ result: Result<[SocketAddress], NetworkError>) {
        let completion = completion
        self.completion = nil
        completion?(result)
    }

    private func answerLater(_ result: Result<[SocketAddress], NetworkError>) {
        nonisolated(unsafe) let own = self
        loop.perform { own.answer(result) }
    }

    fileprivate func didResolve(_ status: Int32, _ list: UnsafeMutablePointer<addrinfo>?) {
        loop.pendingWork -= 1
        let addresses = Self.addresses(in: list, port: port)
        uv_freeaddrinfo(list)
        if status != 0 {
            answer(.failure(error(status)))
        } else if addresses.isEmpty {
            answer(.failure(error(UV_EAI_NODATA.rawValue)))
        } else {
            answer(.success(addresses))
        }
    }

    /// In the system's order of preference, each once.
    static func addresses(in list: UnsafeMutablePointer<addrinfo>?, port: UInt16) -> [SocketAddress] {
        var addresses: [SocketAddress] = []
        var next = list
        while let info = next {
            if var address = info.pointee.ai_addr.flatMap({ SocketAddress($0) }) {
                address.port = port
                if !addresses.contains(address) { addresses.append(address) }
            }
            next = info.pointee.ai_next
        }
        return addresses
    }
}

private func resolutionDone(
    _ request: UnsafeMutablePointer<uv_getaddrinfo_t>?, _ status: Int32, _ list: UnsafeMutablePointer<addrinfo>?
) {
    guard let data = request?.pointee.data else { return }
    let resolution = Unmanaged<Resolution>.fromOpaque(data).takeRetainedValue()
    resolution.didResolve(status, list)
}
