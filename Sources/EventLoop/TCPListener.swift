public import Base
import CUV
import Glibc

/// Accepts connections on the addresses of one name.
///
/// The socket is our own and libuv only watches it: with no file descriptors left, libuv's listener would
/// retry without end, whereas ours waits a moment.
public final class TCPListener {
    /// Called with each connection; set its handlers, then call `resumeReading()`.
    public var onAccept: ((TCPConnection) -> Void)?
    /// Called when connections had to wait because the system refused one.
    public var onError: ((NetworkError) -> Void)?

    /// Connections that wait in the kernel to be accepted.
    public static let backlog: Int32 = 4096
    /// How many connections one turn accepts before others get theirs.
    public static let acceptsPerTurn = 64
    /// How long it waits when the system is out of descriptors or memory.
    public static let pauseWhenExhausted = Interval.milliseconds(100)

    /// Where it listens; the port is the real one, also when zero was asked for.
    public let addresses: [SocketAddress]
    public var port: UInt16 { addresses[0].port }

    private var sockets: [ListeningSocket] = []

    /// Listens on every address of `host`. Port zero lets the system choose one, the same for all of them. A
    /// name is looked up before this returns.
    public init(_ loop: Loop, host: String, port: UInt16) throws(NetworkError) {
        loop.mustBeCurrent()
        let found = try resolveNow(host, port: port)
        let bound = try Self.bind(to: found, host: host, port: port)
        addresses = bound.map(\.address)
        for socket in bound {
            sockets.append(ListeningSocket(loop, socket.descriptor, socket.address, listener: self))
        }
    }

    private typealias BoundSocket = (descriptor: Int32, address: SocketAddress)

    /// How often another port is tried, when the one the system chose for a name's first address is taken at
    /// its second.
    private static let portAttempts = 16

    private static func bind(
        to addresses: [SocketAddress], host: String, port: UInt16
    ) throws(NetworkError) -> [BoundSocket] {
        var attempt = 1
        while true {
            do throws(NetworkError) {
                return try bindOnce(to: addresses, host: host, port: port)
            } catch {
                guard port == 0, error.kind == .addressInUse, attempt < portAttempts else { throw error }
                attempt += 1
            }
        }
    }

    private static func bindOnce(
        to addresses: [SocketAddress], host: String, port: UInt16
    ) throws(NetworkError) -> [BoundSocket] {
        var bound: [BoundSocket] = []
        for var address in addresses {
            address.port = bound.first?.address.port ?? port
            do throws(NetworkError) {
                bound.append(try openListener(address, as: joined(host: host, port: port)))
            } catch {
                // A name may have an address that this machine has not ("localhost" without IPv6).
                if error.kind == .addressNotAvailable, host != address.host { continue }
                bound.forEach { Glibc.close($0.descriptor) }
                throw error
            }
        }
        guard !bound.isEmpty else {
            throw NetworkError(.listen, joined(host: host, port: port), UV_EADDRNOTAVAIL.rawValue)
        }
        return bound
    }

    /// Accepts nothing more; connections that were accepted go on.
    public func close() {
        sockets.forEach { $0.close() }
        sockets = []
        onAccept = nil
        onError = nil
    }
}

/// A listening socket, and the address it got.
private func openListener(
    _ address: SocketAddress, as name: String
) throws(NetworkError) -> (descriptor: Int32, address: SocketAddress) {
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(address.family, kind, 0)
    guard descriptor >= 0 else { throw NetworkError(.listen, name, -errno) }
    var on: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, size)
    if address.isIPv6 {
        // "::" means IPv4 as well, everywhere, whatever the system's default.
        var off: Int32 = 0
        setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, size)
    }
    guard address.withSocketAddress({ Glibc.bind(descriptor, $0, $1) }) == 0, listen(descriptor, TCPListener.backlog) == 0
    else {
        let failure = NetworkError(.listen, name, -errno)
        Glibc.close(descriptor)
        throw failure
    }
    let actual = SocketAddress { pointer, length in
        withUnsafeMutablePointer(to: &length.pointee) {
            $0.withMemoryRebound(to: socklen_t.self, capacity: 1) { getsockname(descriptor, pointer, $0) }
        }
    }
    return (descriptor, actual ?? address)
}

/// One address of a listener.
final class ListeningSocket: Handle {
    private let descriptor: Int32
    private let address: SocketAddress
    private weak var listener: TCPListener?
    private var pause: Timer?

    init(_ loop: Loop, _ descriptor: Int32, _ address: SocketAddress, listener: TCPListener) {
        self.descriptor = descriptor
        self.address = address
        self.listener = listener
        super.init(loop: loop)
        guard let poll = loop.open(uv_poll_t.self, { uv_poll_init($0, $1, descriptor) }) else {
            Glibc.close(descriptor)
            return
        }
        adopt(poll)
        watch()
    }

    private var poll: UnsafeMutablePointer<uv_poll_t>? {
        UnsafeMutableRawPointer(raw)?.assumingMemoryBound(to: uv_poll_t.self)
    }

    private func watch() {
        guard let poll, isUsable else { return }
        uv_poll_start(poll, Int32(UV_READABLE.rawValue), isReadable)
    }

    func close() {
        listener = nil
        pause?.close()
        pause = nil
        guard isUsable else { return }
        beginClosing()
        // libuv watches it no more (uv_close), and somebody may want the address now.
        Glibc.close(descriptor)
    }

    /// The listener's handlers go too: they may hold what holds the listener.
    override func closeForStop() {
        if let listener { listener.close() } else { close() }
    }

    fileprivate func accept() {
        for _ in 0..<TCPListener.acceptsPerTurn {
            guard isUsable else { return }
            // A listener that was dropped without a word accepts no more.
            guard let listener else { return close() }
            var peer: SocketAddress?
            let accepted = acceptOne(&peer)
            if accepted >= 0 {
                guard let connection = TCPConnection(loop: loop, accepted: accepted, peer: peer) else { continue }
                if let onAccept = listener.onAccept { onAccept(connection) } else { connection.close() }
                continue
            }
            switch -accepted {
            case EAGAIN, EWOULDBLOCK: return
            // One connection that ended before it was accepted: accept(2), "Error handling".
            case EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
                EOPNOTSUPP, ENETUNREACH:
                continue
            // Out of descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM), or something nobody expects:
            // asking again at once would keep the loop busy with nothing else.
            default:
                rest()
                listener.onError?(NetworkError(.accept, address.description, accepted))
                return
            }
        }
    }

    private func acceptOne(_ peer: inout SocketAddress?) -> Int32 {
        var accepted: Int32 = -1
        peer = SocketAddress { pointer, length in
            withUnsafeMutablePointer(to: &length.pointee) {
                $0.withMemoryRebound(to: socklen_t.self, capacity: 1) {
                    let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
                    accepted = accept4(descriptor, pointer, $0, flags)
                }
            }
            if accepted < 0 { accepted = -errno }
            return accepted < 0 ? accepted : 0
        }
        return accepted
    }

    private func rest() {
        guard let poll else { return }
        uv_poll_stop(poll)
        let timer = pause ?? Timer(loop) { [unowned self] in watch() }
        timer.start(after: TCPListener.pauseWhenExhausted)
        pause = timer
    }
}

extension TCPConnection {
    /// Takes over an accepted socket; nil when libuv will not have it, and then it is closed.
    fileprivate convenience init?(loop: Loop, accepted descriptor: Int32, peer: SocketAddress?) {
        guard let tcp = loop.open(uv_tcp_t.self, uv_tcp_init) else {
            Glibc.close(descriptor)
            return nil
        }
        guard uv_tcp_open(tcp, descriptor) == 0 else {
            Glibc.close(descriptor)
            discard(tcp)
            return nil
        }
        uv_tcp_nodelay(tcp, 1)
        self.init(loop: loop, connected: tcp, peer: peer)
    }
}

/// Closes a handle that nobody came to own.
private func discard(_ tcp: UnsafeMutablePointer<uv_tcp_t>) {
    let raw = UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_handle_t.self)
    raw.pointee.data = nil
    uv_close(raw) { UnsafeMutableRawPointer($0!).deallocate() }
}

private func isReadable(_ poll: UnsafeMutablePointer<uv_poll_t>?, _: Int32, _: Int32) {
    poll?.pointee.data?.owner(as: ListeningSocket.self).accept()
}
