import Base
import EventLoop
import GRPC

/// A call to an address that may never be called again: over a connection that is made for it, and closed with its answer.
enum OneCall {
    static func make(
        on loop: Loop, to address: HostPort, _ path: MethodPath, _ message: Bytes, timeout: Interval,
        completion: @escaping (UnaryResult) -> Void
    ) {
        var options = ChannelOptions()
        options.connectTimeout = min(.seconds(1), timeout)
        options.maxMessageBytes = Member.maxPeerMessageBytes
        options.userAgent = "swiftwaterd"
        let channel = Channel(loop: loop, host: address.host, port: address.port, options: options)
        channel.unary(path, message: message, timeout: timeout) { result in
            channel.close()
            completion(result)
        }
    }
}
